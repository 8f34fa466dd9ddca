// SPDX-License-Identifier: LGPL-2.1-or-later

package target

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/session"
)

var uriCases = []struct {
	name, in string
	want     URI
	err      string
}{
	{"plain", "xp2p://PROD/cam_1", URI{Product: "PROD", Device: "cam_1"}, ""},
	{"case is kept", "XP2P://AbC/DeF", URI{Product: "AbC", Device: "DeF"}, ""},
	{"query keeps its order", "xp2p://P/D?quality=high&action=live&x=1", URI{Product: "P", Device: "D", Query: "quality=high&action=live&x=1"}, ""},
	{"ours are stripped, the transport's stay", "xp2p://P/D?_app=%2Fa%2Fapp.json&_crypto=off&_rendezvous=nats%3A%2F%2F127.0.0.1%3A1&channel=2",
		URI{Product: "P", Device: "D", Query: "_crypto=off&channel=2", App: "/a/app.json", Rendezvous: "nats://127.0.0.1:1"}, ""},
	{"a value may be a URL as it is", "xp2p://P/D?_rendezvous=nats://127.0.0.1:4222", URI{Product: "P", Device: "D", Rendezvous: "nats://127.0.0.1:4222"}, ""},
	{"xp2pInfo pasted", "xp2p://P/D?_xp2p_info=XP2PAAAA==%10.4.46m", URI{Product: "P", Device: "D", XP2PInfo: "XP2PAAAA==%10.4.46m"}, ""},
	{"xp2pInfo escaped", "xp2p://P/D?_xp2p_info=XP2PAAAA%3D%3D%252.4.46", URI{Product: "P", Device: "D", XP2PInfo: "XP2PAAAA==%2.4.46"}, ""},
	{"names with escapes", "xp2p://a%20b/c%2Bd", URI{Product: "a b", Device: "c+d"}, ""},
	{"xp2pInfo alone", "xp2p://?_xp2p_info=XP2PA%1", URI{XP2PInfo: "XP2PA%1"}, ""},
	{"fragment is dropped", "xp2p://P/D?a=b#t=10", URI{Product: "P", Device: "D", Query: "a=b"}, ""},
	{"fields without a name are dropped", "xp2p://P/D?&a=b&&=c", URI{Product: "P", Device: "D", Query: "a=b"}, ""},
	{"trailing slash", "xp2p://P/D/", URI{Product: "P", Device: "D"}, ""},

	{"other scheme", "rtsp://P/D", URI{}, "not an xp2p URI"},
	{"no scheme", "P/D", URI{}, "not an xp2p URI"},
	{"product alone", "xp2p://P", URI{}, "without a device"},
	{"device alone", "xp2p:///D", URI{}, "without a device"},
	{"deep path", "xp2p://P/D/E", URI{}, "one device name"},
	{"broken escape in name", "xp2p://P/%zz", URI{}, "broken %-escape"},
	{"broken escape in parameter", "xp2p://P/D?_app=%zz", URI{}, "_app has a broken %-escape"},
}

func TestParseURI(t *testing.T) {
	for _, c := range uriCases {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseURI(c.in)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func FuzzParseURI(f *testing.F) {
	for _, c := range uriCases {
		f.Add(c.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURI(s)
		if err != nil {
			return
		}
		for _, p := range []string{paramRendezvous, paramApp, paramXP2PInfo, paramCodeURL, paramSwarm} {
			if has(u.Query, p) {
				t.Errorf("%s would go to the camera: %q", p, u.Query)
			}
		}
	})
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ query, defaults, want string }{
		{"", DefaultParams, DefaultParams},
		{"quality=super", DefaultParams, "quality=super&action=live&channel=0"},
		{"action=live&channel=3", DefaultParams, "action=live&channel=3&quality=high"},
		{"action=playback&start_time=1&end_time=9", DefaultParams, "action=playback&start_time=1&end_time=9"},
		{"_crypto=off", "", "_crypto=off"},
	} {
		if got := merge(c.query, c.defaults); got != c.want {
			t.Errorf("merge(%q, %q) = %q, want %q", c.query, c.defaults, got, c.want)
		}
	}
}

func TestResolve(t *testing.T) {
	env := map[string]string{EnvRendezvous: "nats://env", EnvApp: "/env/app.json", EnvXP2PInfo: "XP2Penv%1"}
	for _, c := range []struct {
		name  string
		props Properties
		env   map[string]string
		want  Target
		err   string
	}{
		{"environment alone", Properties{}, env, Target{XP2PInfo: "XP2Penv%1", Rendezvous: "nats://env", App: "/env/app.json", Params: DefaultParams}, ""},
		{"the URI goes before the environment",
			Properties{Location: "xp2p://P/D?channel=2&_app=/uri/app.json"}, env,
			Target{Product: "P", Device: "D", XP2PInfo: "XP2Penv%1", Rendezvous: "nats://env", App: "/uri/app.json", Params: "channel=2&action=live&quality=high"}, ""},
		{"a property goes before the URI",
			Properties{Location: "xp2p://P/D?_rendezvous=nats://uri", Rendezvous: "nats://prop", App: "/prop", XP2PInfo: "XP2Pprop%1", Params: "action=live&channel=9"}, env,
			Target{Product: "P", Device: "D", XP2PInfo: "XP2Pprop%1", Rendezvous: "nats://prop", App: "/prop", Params: "action=live&channel=9"}, ""},
		{"no xp2pInfo", Properties{Rendezvous: "r", App: "a"}, nil, Target{}, "XP2P_INFO"},
		{"no rendezvous", Properties{XP2PInfo: "x", App: "a"}, nil, Target{}, "XP2P_RENDEZVOUS"},
		{"no account", Properties{XP2PInfo: "x", Rendezvous: "r"}, nil, Target{}, "XP2P_APP"},
		{"bad location", Properties{Location: "http://x"}, env, Target{}, "not an xp2p URI"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Resolve(c.props, func(k string) string { return c.env[k] })
			if c.err != "" {
				if code, _ := session.CodeOf(err); code != session.BadArgument || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want BadArgument with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
