// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// WebConfig is where the page is served. What an address may be is not this
// package's concern.
type WebConfig struct {
	Listen string   // HOST:PORT, or PORT of loopback
	State  string   // directory of the token and of exports; .web in the first storage
	Hosts  []string // further names of the server
}

// decode takes an address, or a mapping that has one.
func (w *WebConfig) decode(n *yaml.Node, key string) error {
	if n.Kind == yaml.ScalarNode {
		return text(&w.Listen)(n, key)
	}
	if err := fields(n, key, map[string]func(*yaml.Node, string) error{
		"listen": text(&w.Listen),
		"state":  text(&w.State),
		"hosts": items(func(n *yaml.Node, key string) error {
			w.Hosts = append(w.Hosts, "")
			return text(&w.Hosts[len(w.Hosts)-1])(n, key)
		}),
	}); err != nil {
		return err
	}
	if w.Listen == "" {
		return wrong(n, key+".listen", "is missing: the address of the page, such as 127.0.0.1:8420")
	}
	return nil
}

// webState is a name that no camera can have.
const webState = ".web"

// resolveWeb makes the state directory absolute to dir, or one in the first storage.
func (c *Config) resolveWeb(dir string) {
	if w := c.Web; w != nil {
		if w.State == "" {
			w.State = filepath.Join(c.Storage[0].Dir, webState)
		}
		w.State = under(dir, w.State)
	}
}
