// SPDX-License-Identifier: LGPL-2.1-or-later

package target

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHTTP(t *testing.T) {
	const code = "https://h/code/c0de"
	account := map[string]string{EnvRendezvous: "nats://e", EnvApp: "e.json", EnvXP2PInfo: "XP2PAAAA%1"}
	for _, c := range []struct {
		location string
		set      Properties
		env      map[string]string
		want     Target
		err      string
	}{
		{location: "xp2p+http://127.0.0.1:80/a.flv?b=c", env: account, want: Target{HTTP: "http://127.0.0.1:80/a.flv?b=c"}},
		{location: "XP2P+HTTPS://user:pass@h/a.flv", want: Target{HTTP: "https://user:pass@h/a.flv"}},
		{location: "xp2p+https://h/a.flv?x&_swarm=on&y=%zz", want: Target{HTTP: "https://h/a.flv?x&y=%zz", Swarm: true}},
		{location: "xp2p+https://h/a.flv?_swarm=off", want: Target{HTTP: "https://h/a.flv"}},
		{location: "xp2p+https://h/a.flv?_code_url=https%3A%2F%2Fh%2Fcode%2Fc0de", want: Target{HTTP: "https://h/a.flv", Swarm: true, CodeURL: code}},
		{location: "xp2p+https://h/a.flv?_code_url=https://h/code/other", set: Properties{CodeURL: code, NoUpload: true},
			want: Target{HTTP: "https://h/a.flv", Swarm: true, CodeURL: code, NoUpload: true}},
		{location: "xp2p+https://h/a.flv", set: Properties{Swarm: true}, env: account,
			want: Target{HTTP: "https://h/a.flv", Swarm: true, Rendezvous: "nats://e", App: "e.json"}},
		{location: "xp2p+https://h/a.flv?_rendezvous=nats://u", set: Properties{Swarm: true, App: "p.json"}, env: account,
			want: Target{HTTP: "https://h/a.flv", Swarm: true, Rendezvous: "nats://u", App: "p.json"}},
		{location: "xp2p+https://h/a.flv", set: Properties{Swarm: true}, env: map[string]string{EnvApp: "e.json"}, want: Target{HTTP: "https://h/a.flv", Swarm: true}},
		{location: "xp2p+https://h/a.flv", set: Properties{Swarm: true, App: "p.json"}, err: "rendezvous and app go together"},

		{location: "xp2p+https://h/a.flv?_xp2p_info=XP2PAAAA%1&b=c", want: Target{HTTP: "https://h/a.flv?b=c"}},

		{location: "xp2p://T/cam?_code_url=https://h/secret", err: "xp2p+https://HOST"},
		{location: "xp2p://T/cam?_swarm=on", err: "xp2p+https://HOST"},
		{location: "xp2p+http:///a.flv", err: "xp2p+https://HOST"},
		{location: "xp2p+http://h:x/a?secret", err: "xp2p+https://HOST"},
		{location: "xp2p+http://h/secret?_swarm=1", err: "_swarm is on or off"},
		{location: "xp2p+http://h/secret?_code_url=%zz", err: "_code_url has a broken"},
		{location: "xp2p+http://h/a.flv", set: Properties{CodeURL: "secret"}, err: "code-url is not the URL"},
		{location: "xp2p://T/cam", set: Properties{CodeURL: code}, err: "xp2p+https://HOST"},
		{location: "xp2p://T/cam", set: Properties{Swarm: true}, err: "xp2p+https://HOST"},
	} {
		c.set.Location = c.location
		got, err := Resolve(c.set, func(name string) string { return c.env[name] })
		if c.err == "" {
			c.want.Params = DefaultParams
			if err != nil {
				t.Errorf("%s: %v", c.location, err)
			} else if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%s: %s", c.location, d)
			}
		}
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, want %s", c.location, err, c.err)
		}
		if Params(c.set) != DefaultParams {
			t.Errorf("%s: parameters %s", c.location, Params(c.set))
		}
		if alone := c.set == (Properties{Location: c.location}); alone && (Check(c.location) == nil) != (c.err == "") {
			t.Errorf("Check(%s) is %v", c.location, Check(c.location))
		}
	}
	if Check("xp2p://T/cam") != nil || Check("rtsp://T/cam") == nil {
		t.Error("the other schemes")
	}
}

func FuzzParseHTTP(f *testing.F) {
	for _, s := range []string{"xp2p+http://h/a.flv", "xp2p+https://u:p@h:1/a?b=c&_code_url=https%3A%2F%2Fh%2Fcode%2Fc&_swarm=on&_app=/a&_rendezvous=nats://h", "xp2p+http://h/?&&", "xp2p+http://?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseHTTP(s)
		if err != nil {
			return
		}
		// What is left of the URL has none of ours, and is read again as the same.
		again, err := ParseHTTP("xp2p+" + p.URL)
		if want := (Stream{URL: p.URL}); err != nil || again != want {
			t.Errorf("%q: %+v, %v", p.URL, again, err)
		}
	})
}
