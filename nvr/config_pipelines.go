// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"fmt"
	"maps"
	"slices"

	"github.com/xp2p/xp2p/recorder"
	"go.yaml.in/yaml/v3"
)

// PipelineConfig is one entry of pipelines: Use or Line. What they are is not this
// package's concern; whoever runs them says what is wrong with them by Wrong.
type PipelineConfig struct {
	Name    string
	Use     string   // a ready-made pipeline's name
	Line    string   // a launch line
	Cameras []string // of this configuration; `camera` is one of them
	Params  map[string]string
	Always  bool // run: always; else it is started by hand

	key  string // "pipelines[0]"
	node *yaml.Node
}

// The keys of Wrong.
const (
	KeyUse     = "use"
	KeyLine    = "line"
	KeyCameras = "camera"
)

// KeyParam is the key of a parameter, for Wrong.
func KeyParam(name string) string { return "params." + name }

// Wrong is the error of a mistake in what key says, with its line.
func (p *PipelineConfig) Wrong(key, say string) error {
	n := p.node
	if n == nil { // made by a program and not read
		return fmt.Errorf("pipeline %s: %s: %s", p.Name, key, say)
	}
	if param, ok := cutParam(key); ok {
		n = value(value(n, "params"), param)
	} else if key == KeyCameras && value(n, "camera") == n {
		n = value(n, "cameras")
	} else {
		n = value(n, key)
	}
	return wrong(n, p.key+"."+key, say)
}

// Equal says whether both say the same, wherever in the file.
func (p *PipelineConfig) Equal(o *PipelineConfig) bool {
	return p.Name == o.Name && p.Use == o.Use && p.Line == o.Line && p.Always == o.Always &&
		slices.Equal(p.Cameras, o.Cameras) && maps.Equal(p.Params, o.Params)
}

func cutParam(key string) (string, bool) {
	const prefix = "params."
	if len(key) > len(prefix) && key[:len(prefix)] == prefix {
		return key[len(prefix):], true
	}
	return "", false
}

func (p *PipelineConfig) decode(n *yaml.Node, key string) error {
	p.node, p.key, p.Always = n, key, true
	var camera, run string
	if err := fields(n, key, map[string]func(*yaml.Node, string) error{
		"name": func(n *yaml.Node, key string) error {
			if err := text(&p.Name)(n, key); err != nil {
				return err
			}
			if err := recorder.CheckName(p.Name); err != nil {
				return wrong(n, key, err.Error())
			}
			return nil
		},
		"use":     text(&p.Use),
		"line":    text(&p.Line),
		"camera":  text(&camera),
		"cameras": texts(&p.Cameras),
		"params":  pairs(&p.Params),
		"run":     choice(&run, "always", "manual"),
	}); err != nil {
		return err
	}
	switch {
	case p.Name == "":
		return wrong(n, key+".name", "is missing")
	case p.Use == "" && p.Line == "":
		return wrong(n, key, "needs use (a name that xp2p pipeline list prints) or line (in gst-launch syntax)")
	case p.Use != "" && p.Line != "":
		return wrong(n, key, "has use and line: one of them")
	case camera != "" && len(p.Cameras) > 0:
		return wrong(n, key, "has camera and cameras: one of them")
	}
	if camera != "" {
		p.Cameras = []string{camera}
	}
	p.Always = run != "manual"
	return nil
}

// resolvePipelines checks what concerns several entries.
func (c *Config) resolvePipelines() error {
	seen := map[string]bool{}
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		if seen[p.Name] {
			return p.Wrong("name", fmt.Sprintf("%q is there twice", p.Name))
		}
		seen[p.Name] = true
		for _, name := range p.Cameras {
			if !slices.ContainsFunc(c.Cameras, func(cam CameraConfig) bool { return cam.Name == name }) {
				return p.Wrong(KeyCameras, fmt.Sprintf("%q is no camera of this configuration", name))
			}
		}
	}
	return nil
}
