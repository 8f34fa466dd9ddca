// SPDX-License-Identifier: LGPL-2.1-or-later

package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/xp2p/xp2p/"

// floors from the bottom to the top. A package belongs to the floor that names
// it or a parent of it. internal/… is not on a floor, save internal/link: see
// TestInternalIsBelow.
var floors = [][]string{
	{"demux", "rendezvous", "grant", "discovery", "internal/link"},
	{"recorder", "swarm", "device"},
	{"session"},
	{"nvr", "gstsrc", "gstsink", "pipelines"},
	{"web", "control"},
	{"cmd"},
}

// pureGo are the parts that must build and pass on a machine without GStreamer
// and without a C compiler.
var pureGo = []string{"session", "device", "demux", "recorder", "nvr", "swarm", "rendezvous", "grant", "discovery", "control", "web", "pipelines"}

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Dir        string
	Standard   bool
	GoFiles    []string
	CgoFiles   []string
	Imports    []string
	Deps       []string
}

// name is the package's path within the project; ok: it is one of the project's.
func name(importPath string) (n string, ok bool) { return strings.CutPrefix(importPath, module) }

// below says whether the package is root or under it.
func below(importPath, root string) bool {
	return importPath == root || strings.HasPrefix(importPath, root+"/")
}

// list gives the project's packages and all they are made of.
func list(t *testing.T) (ours []*pkg, all map[string]*pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,Standard,GoFiles,CgoFiles,Imports,Deps", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	all = map[string]*pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pkg)
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
		if _, ok := name(p.ImportPath); ok {
			ours = append(ours, p)
		}
	}
	if len(ours) == 0 {
		t.Fatal("no packages found")
	}
	return ours, all
}

// floor is the number of the floor on which the package is, and the part that it
// belongs to; -1: none.
func floor(n string) (int, string) {
	for i, parts := range floors {
		for _, part := range parts {
			if below(n, part) {
				return i, part
			}
		}
	}
	return -1, ""
}

func TestFloors(t *testing.T) {
	ours, _ := list(t)
	for _, p := range ours {
		n, _ := name(p.ImportPath)
		own, part := floor(n)
		if own < 0 {
			continue
		}
		for _, i := range p.Imports {
			in, ok := name(i)
			if !ok {
				continue
			}
			if f, other := floor(in); f > own || f == own && other != part {
				t.Errorf("%s imports %s: an import goes only to a lower floor, so that a part can be understood, tested and "+
					"used without those above and beside it. What both need belongs below them; what the lower needs of the "+
					"higher it declares as an interface.", n, in)
			}
		}
	}
}

// A package that is neither on a floor nor internal has no place yet.
func TestEveryPackageHasAPlace(t *testing.T) {
	ours, _ := list(t)
	for _, p := range ours {
		n, _ := name(p.ImportPath)
		if f, _ := floor(n); f < 0 && !below(n, "internal") && !below(n, "examples") {
			t.Errorf("%s is on no floor: give it one in floors, so that it is decided who may import it", n)
		}
	}
}

func TestInternalIsBelow(t *testing.T) {
	ours, _ := list(t)
	for _, p := range ours {
		n, _ := name(p.ImportPath)
		if f, _ := floor(n); f >= 0 || !below(n, "internal") {
			continue
		}
		for _, i := range p.Imports {
			if in, ok := name(i); ok {
				if f, _ := floor(in); f > 0 && !below(n, "internal/gst") {
					t.Errorf("%s imports %s: what is in internal/ serves several floors, so it may stand on the lowest alone", n, in)
				}
			}
		}
	}
}

// A rule says who may not import what, and why.
type rule struct {
	who    func(n string) bool
	what   []string // roots of import paths
	direct bool     // only the package's own imports count, not what those bring along
	why    string
}

func only(parts ...string) func(string) bool {
	return func(n string) bool {
		return !slices.ContainsFunc(parts, func(p string) bool { return below(n, p) })
	}
}

func in(parts ...string) func(string) bool {
	return func(n string) bool { return !only(parts...)(n) }
}

var rules = []rule{
	{in("demux"), []string{module + "internal", module + "session", module + "grant", module + "rendezvous", module + "device"}, false,
		"demux is for everybody who has FLV, with or without the rest of this project"},
	{in("recorder"), []string{module + "session", module + "internal/link", module + "rendezvous", module + "grant", module + "device",
		"github.com/quic-go", "github.com/pion", "github.com/nats-io", "net/http"}, false,
		"recorder is given units and knows demux, not the network: it records from whatever source there is, and a fault of the network cannot reach the disk"},
	{only("internal/link"), []string{"github.com/pion/ice", "github.com/quic-go/quic-go"}, true,
		"internal/link is the one owner of ICE and QUIC, whose traps it knows; everybody else speaks HTTP over its links"},
	{only("rendezvous/server"), []string{"github.com/nats-io/nats-server", "github.com/pion/turn"}, true,
		"rendezvous/server alone embeds the servers"},
	{in("session", "device", "gstsrc", "gstsink", "nvr", "control", "web"), []string{"github.com/nats-io/nats-server", "github.com/pion/turn/v4"}, false,
		"an application that imports session must not carry a server along"},
	{only("gstsrc", "gstsink", "internal/gst", "examples/gstreamer"), []string{"github.com/go-gst"}, true,
		"GStreamer stays where the elements are, and in programs that show how to use them; everything else runs without it, pipelines in processes of their own"},
	{in("pipelines"), []string{module + "nvr", module + "session", module + "device", "net/http"}, false,
		"pipelines runs processes and is given streams: it serves whoever has some, and a fault of a pipeline cannot reach a recording"},
	{func(string) bool { return true }, []string{module + "cmd"}, true,
		"commands are wiring: what another package needs of one belongs into a package of its own"},
	{in("web"), []string{module + "control"}, false, "web and control both act on the recorder and neither knows the other"},
	{in("control"), []string{module + "web"}, false, "web and control both act on the recorder and neither knows the other"},
}

func TestRules(t *testing.T) {
	ours, _ := list(t)
	for _, p := range ours {
		n, _ := name(p.ImportPath)
		for _, r := range rules {
			if !r.who(n) {
				continue
			}
			imports, how := p.Deps, "depends on"
			if r.direct {
				imports, how = p.Imports, "imports"
			}
			for _, i := range imports {
				for _, what := range r.what {
					if below(i, what) {
						t.Errorf("%s %s %s: %s", n, how, i, r.why)
					}
				}
			}
		}
	}
}

// session hands out bytes. Only talkback, which makes FLV itself, knows FLV.
func TestSessionKnowsNoFLV(t *testing.T) {
	ours, _ := list(t)
	for _, p := range ours {
		if n, _ := name(p.ImportPath); !below(n, "session") {
			continue
		}
		for _, file := range p.GoFiles {
			if strings.HasPrefix(file, "voice") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				if path, _ := strconv.Unquote(i.Path.Value); below(path, module+"demux") {
					t.Errorf("session/%s imports %s: session carries bytes and requests and does not look into them; only "+
						"talkback (voice*.go) makes FLV", file, path)
				}
			}
		}
	}
}

func TestPureGo(t *testing.T) {
	ours, all := list(t)
	for _, p := range ours {
		n, _ := name(p.ImportPath)
		if !in(pureGo...)(n) {
			continue
		}
		for _, d := range append(p.Deps, p.ImportPath) {
			if dep := all[d]; dep != nil && !dep.Standard && len(dep.CgoFiles) > 0 {
				t.Errorf("%s depends on %s, which needs a C compiler (%s): %s must build and pass with CGO_ENABLED=0 on a machine "+
					"without GStreamer", n, d, fmt.Sprint(dep.CgoFiles), n)
			}
		}
	}
}
