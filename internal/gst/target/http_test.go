// SPDX-License-Identifier: LGPL-2.1-or-later

package target

import (
	"strings"
	"testing"
)

func TestHTTP(t *testing.T) {
	none := func(string) string { return "" }
	for _, c := range []struct{ location, want, err string }{
		{"xp2p+http://127.0.0.1:80/a.flv?b=c", "http://127.0.0.1:80/a.flv?b=c", ""},
		{"XP2P+HTTPS://user:pass@h/a.flv", "https://user:pass@h/a.flv", ""},
		{"xp2p+http:///a.flv", "", "xp2p+https://HOST"},
		{"xp2p+http://h:x/a?secret", "", "xp2p+https://HOST"},
	} {
		got, err := Resolve(Properties{Location: c.location}, none)
		if c.err == "" && (err != nil || got.HTTP != c.want || got.Params != DefaultParams) {
			t.Errorf("%s: %+v, %v", c.location, got, err)
		}
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, want %s", c.location, err, c.err)
		}
		if (Check(c.location) == nil) != (c.err == "") {
			t.Errorf("Check(%s) is %v", c.location, Check(c.location))
		}
	}
	if Check("xp2p://T/cam") != nil || Check("rtsp://T/cam") == nil {
		t.Error("the other schemes")
	}
}
