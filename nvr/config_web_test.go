// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigWeb(t *testing.T) {
	const storage = "storage:\n  - dir: archive\n"
	for _, c := range []struct {
		name, text string
		want       *WebConfig
		say        string
	}{
		{"none", "", nil, ""},
		{"address", "web: 127.0.0.1:8420\n", &WebConfig{Listen: "127.0.0.1:8420", State: "/etc/xp2p/archive/.web"}, ""},
		{"port", "web: 8420\n", &WebConfig{Listen: "8420", State: "/etc/xp2p/archive/.web"}, ""},
		{"all", "web:\n  listen: 0.0.0.0:80\n  state: page\n  hosts: [nvr.example, other.example]\n",
			&WebConfig{Listen: "0.0.0.0:80", State: "/etc/xp2p/page", Hosts: []string{"nvr.example", "other.example"}}, ""},
		{"no address", "web:\n  hosts: [nvr.example]\n", nil, "line 4: web.listen: is missing"},
		{"unknown key", "web:\n  listen: 8420\n  token: x\n", nil, "line 5: web.token: unknown key; known are hosts, listen, state"},
		{"hosts are no list", "web:\n  listen: 8420\n  hosts: x\n", nil, "line 5: web.hosts: must be a list"},
		{"a list", "web: [8420]\n", nil, "line 3: web: must be a mapping"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseConfig([]byte(storage+c.text), "/etc/xp2p")
			switch {
			case c.say != "":
				if err == nil || !strings.Contains(err.Error(), c.say) {
					t.Errorf("%v, want %q", err, c.say)
				}
			case err != nil:
				t.Error(err)
			default:
				if d := cmp.Diff(c.want, got.Web); d != "" {
					t.Error(d)
				}
			}
		})
	}
}
