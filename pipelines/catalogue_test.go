// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example are values for what has no default.
var example = map[string]map[string]string{
	"snapshot":  {"location": "now.jpg"},
	"record":    {"to": "clips"},
	"hls":       {"to": "hls"},
	"rtmp":      {"location": "rtmp://192.0.2.20/live/gate"},
	"transcode": {"location": "clip.mp4"},
	"talk-file": {"location": "hello.wav"},
}

func sources(p *Pipeline, n int) []string {
	least, most := p.Sources()
	n = min(max(n, least), most)
	return []string{"fdsrc fd=3", "fdsrc fd=4", "fdsrc fd=5"}[:n]
}

// Every pipeline has what a user needs to know of it, and every way through its
// choices is a line without a parameter left in it.
func TestCatalogue(t *testing.T) {
	var names []string
	for _, p := range List() {
		names = append(names, p.Name)
		if p.Summary == "" || len(p.Example) == 0 {
			t.Errorf("%s: summary %q, examples %q", p.Name, p.Summary, p.Example)
		}
		for _, e := range p.Example {
			if !strings.HasPrefix(e, "xp2p pipeline run "+p.Name) {
				t.Errorf("%s: the example %q is of something else", p.Name, e)
			}
		}
		for _, values := range ways(p) {
			words, err := p.Expand(values, Bindings{Sources: sources(p, 3), Frames: 9})
			if err != nil {
				t.Errorf("%s %v: %v", p.Name, values, err)
			}
			if line := strings.Join(words, " "); strings.Contains(line, "${") {
				t.Errorf("%s %v: %s", p.Name, values, line)
			}
		}
	}
	want := []string{"hls", "mosaic", "motion", "record", "rtmp", "snapshot", "talk-file", "talk-mic", "transcode", "view"}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	var unknown *UnknownError
	if _, err := Find("veiw"); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "view") {
		t.Errorf("an unknown name: %v", err)
	}
}

// ways are the values of example with each alternative of each choice.
func ways(p *Pipeline) []map[string]string {
	all := []map[string]string{example[p.Name]}
	for _, param := range p.Params {
		for _, a := range param.Choices {
			values := map[string]string{param.Name: a.Value}
			for k, v := range example[p.Name] {
				values[k] = v
			}
			all = append(all, values)
		}
	}
	return all
}

func TestMosaicTiles(t *testing.T) {
	p, err := Find("mosaic")
	if err != nil {
		t.Fatal(err)
	}
	words, err := p.Expand(map[string]string{"width": "100", "height": "50"}, Bindings{Sources: []string{"a", "b", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Join(words, " ")
	for _, want := range []string{
		"sink_0::xpos=0 sink_0::ypos=0 sink_1::xpos=100 sink_1::ypos=0 sink_2::xpos=0 sink_2::ypos=50 !",
		"a ! xp2pdemux name=d0", "c ! xp2pdemux name=d2 d2.video_0 !",
	} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in %s", want, line)
		}
	}
	if _, err := p.Expand(nil, Bindings{}); err == nil {
		t.Error("a mosaic of nothing")
	}
}
