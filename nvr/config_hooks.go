// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// HookConfig is one entry of hooks: a program or a URL for events. nvr/hooks calls them.
type HookConfig struct {
	Name    string            // for the log; the program or the URL's host where it is not said
	On      []string          // types of events; one that ends in * stands for all that begin so
	Cameras []string          // none: all, and events that are no camera's
	Run     []string          // program and arguments
	URL     string            // or this is posted to
	Headers map[string]string // of the request
	Timeout time.Duration
}

const (
	defaultHookTimeout = 10 * time.Second
	mostHookTimeout    = 10 * time.Minute
)

func (h *HookConfig) decode(n *yaml.Node, key string) error {
	h.Timeout = defaultHookTimeout
	if err := fields(n, key, map[string]func(*yaml.Node, string) error{
		"name":    text(&h.Name),
		"on":      texts(&h.On),
		"cameras": texts(&h.Cameras),
		"run":     texts(&h.Run),
		"url": func(n *yaml.Node, key string) error {
			if err := text(&h.URL)(n, key); err != nil {
				return err
			}
			if u, err := url.Parse(h.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				return wrong(n, key, "must be an http:// or https:// URL")
			}
			return nil
		},
		"headers": pairs(&h.Headers),
		"timeout": duration(&h.Timeout, 100*time.Millisecond, mostHookTimeout),
	}); err != nil {
		return err
	}
	switch {
	case len(h.On) == 0:
		return wrong(n, key+".on", "is missing: the types of events, such as camera.down or record.*")
	case len(h.Run) == 0 && h.URL == "":
		return wrong(n, key, "needs run (a program and its arguments) or url")
	case len(h.Run) > 0 && h.URL != "":
		return wrong(n, key, "has run and url: one of them")
	case len(h.Headers) > 0 && h.URL == "":
		return wrong(value(n, "headers"), key+".headers", "go with url")
	}
	for i, on := range h.On {
		if strings.Contains(strings.TrimSuffix(on, "*"), "*") || on == "" {
			return wrong(value(n, "on"), fmt.Sprintf("%s.on[%d]", key, i), fmt.Sprintf("%q: a * is for the end of a type only", on))
		}
	}
	if h.Name == "" {
		h.Name = h.URL
		if len(h.Run) > 0 {
			h.Name = filepath.Base(h.Run[0])
		} else if u, err := url.Parse(h.URL); err == nil {
			h.Name = u.Host // what else a URL has may be secret
		}
	}
	return nil
}

// resolveHooks checks what concerns several entries. A program with a path is under dir;
// one without is looked for in PATH.
func (c *Config) resolveHooks(n *yaml.Node, dir string) error {
	for i := range c.Hooks {
		h := &c.Hooks[i]
		for _, name := range h.Cameras {
			if !slices.ContainsFunc(c.Cameras, func(cam CameraConfig) bool { return cam.Name == name }) {
				at := value(value(n, "hooks").Content[i], "cameras")
				return wrong(at, fmt.Sprintf("hooks[%d].cameras", i), fmt.Sprintf("%q is no camera of this configuration", name))
			}
		}
		if len(h.Run) > 0 && strings.Contains(h.Run[0], "/") {
			h.Run[0] = under(dir, h.Run[0])
		}
	}
	return nil
}
