// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/control"
	"github.com/xp2p/xp2p/nvr"
)

// world is a rendezvous and those who meet there.
type world struct {
	t               *testing.T
	rendezvous, app string
	state           string
	server          *program
}

const product = "E2E"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, state: t.TempDir()}
	w.app = filepath.Join(w.state, "app.json")
	w.serve()
	return w
}

// serve starts the rendezvous, the second time where it was before.
func (w *world) serve() {
	w.t.Helper()
	listen := "127.0.0.1:0"
	if w.rendezvous != "" {
		listen = strings.TrimPrefix(w.rendezvous, "nats://")
	}
	w.server = spawn(w.t, "rendezvous", xp2p(w.t), "rendezvous", "--listen", listen, "--state", w.state, "--log", "info")
	w.rendezvous = w.server.ready("rendezvous ready ")
}

// account are the flags by which a program finds the rendezvous.
func (w *world) account() []string { return []string{"--rendezvous", w.rendezvous, "--app", w.app} }

// camera is a running `xp2p camera`.
type camera struct {
	*program
	w                  *world
	name, state, input string
	flags              []string
	info               string // its xp2pInfo
}

func (w *world) camera(name, input string, flags ...string) *camera {
	w.t.Helper()
	c := &camera{w: w, name: name, input: input, state: w.t.TempDir(), flags: flags}
	c.launch()
	c.online()
	return c
}

// cameras starts several at once.
func (w *world) cameras(inputs map[string]string) map[string]*camera {
	w.t.Helper()
	all := map[string]*camera{}
	for name, input := range inputs {
		all[name] = &camera{w: w, name: name, input: input, state: w.t.TempDir()}
		all[name].launch()
	}
	for _, c := range all {
		c.online()
	}
	return all
}

func (c *camera) launch() {
	c.w.t.Helper()
	args := append([]string{xp2p(c.w.t), "camera", "--product", product, "--device", c.name, "--input", c.input,
		"--state", c.state, "--log", "info"}, c.w.account()...)
	c.program = spawn(c.w.t, "camera "+c.name, append(args, c.flags...)...)
}

func (c *camera) online() {
	c.w.t.Helper()
	c.info = c.ready("camera ready ")
}

// pull are the arguments of `xp2p pull` from a camera.
func (w *world) pull(info string, more ...string) []string {
	return append(append([]string{xp2p(w.t), "pull", "--xp2p-info", info}, w.account()...), more...)
}

// recording is an `xp2p nvr` with its configuration.
type recording struct {
	*program
	w      *world
	device string // the configuration's section device, "": none
	dir    string // the storage
	socket string
	config string // path of the file
}

// source is an entry of the configuration's cameras.
type source struct{ name, info, url string }

// nvr starts a recorder whose segments are that long.
func (w *world) nvr(segment time.Duration, cameras ...source) *recording {
	w.t.Helper()
	return w.nvrWith("", segment, cameras...)
}

// nvrWith is the same with a section device in the configuration.
func (w *world) nvrWith(device string, segment time.Duration, cameras ...source) *recording {
	w.t.Helper()
	// A socket's path is short: the test's own directory may not be.
	run, err := os.MkdirTemp("", "xp2p-e2e-")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { os.RemoveAll(run) })
	dir := w.t.TempDir()
	n := &recording{w: w, device: device, dir: filepath.Join(dir, "archive"), config: filepath.Join(dir, "nvr.yaml"), socket: filepath.Join(run, "control.sock")}
	n.configure(segment, cameras...)
	n.launch()
	return n
}

func (n *recording) configure(segment time.Duration, cameras ...source) {
	n.w.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "rendezvous: %s\napp: %s\ncontrol: %s\n%sstorage:\n  - dir: %s\n    segment: %s\ncameras:\n",
		n.w.rendezvous, n.w.app, n.socket, n.device, n.dir, segment)
	for _, c := range cameras {
		fmt.Fprintf(&b, "  - name: %s\n", c.name)
		if c.url != "" {
			fmt.Fprintf(&b, "    url: %s\n", c.url)
		} else {
			fmt.Fprintf(&b, "    xp2p-info: %s\n", c.info)
		}
	}
	if err := os.WriteFile(n.config, []byte(b.String()), 0o600); err != nil {
		n.w.t.Fatal(err)
	}
}

func (n *recording) launch() {
	n.w.t.Helper()
	n.program = spawn(n.w.t, "nvr", xp2p(n.w.t), "nvr", "--config", n.config, "--log", "info")
	if got := n.ready("nvr ready "); got != n.socket {
		n.w.t.Errorf("nvr is ready at %q, configured is %q", got, n.socket)
	}
}

// ctl calls a method by `xp2p ctl` and reads its result.
func (n *recording) ctl(result any, method string, params ...string) {
	n.w.t.Helper()
	r := run(n.w.t, patience, append([]string{xp2p(n.w.t), "ctl", "--socket", n.socket, method}, params...)...)
	if r.code != 0 {
		n.w.t.Fatalf("xp2p ctl %s: exit status %d\n%s", method, r.code, r.stderr)
	}
	if err := json.Unmarshal([]byte(r.stdout), result); err != nil {
		n.w.t.Fatalf("xp2p ctl %s: %v in\n%s", method, err, r.stdout)
	}
}

// status of every camera by name.
func (n *recording) status() map[string]nvr.CameraStatus {
	n.w.t.Helper()
	var list []nvr.CameraStatus
	n.ctl(&list, "camera.status")
	m := map[string]nvr.CameraStatus{}
	for _, s := range list {
		m[s.Name] = s
	}
	return m
}

// list is record.list of a camera, or of all.
func (n *recording) list(camera string) control.RecordList {
	n.w.t.Helper()
	var l control.RecordList
	n.ctl(&l, "record.list", fmt.Sprintf(`{"camera":%q}`, camera))
	return l
}

// awaitPictures waits until every named camera has given that many.
func (n *recording) awaitPictures(count int64, names ...string) map[string]nvr.CameraStatus {
	n.w.t.Helper()
	deadline := time.Now().Add(2 * patience)
	for {
		all := n.status()
		least := count
		for _, name := range names {
			least = min(least, all[name].Frames)
		}
		if least >= count {
			return all
		}
		if time.Now().After(deadline) {
			n.w.t.Fatalf("not %d pictures of each of %v: %+v", count, names, all)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// files are the recordings on the disk, by camera, in their order. Whatever else
// is in the storage must be of the names that a storage has.
func (n *recording) files() map[string][]string {
	n.w.t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(n.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(n.dir, path)
		switch parts := strings.Split(name, string(filepath.Separator)); {
		case len(parts) == 3 && strings.HasSuffix(name, ".mp4"):
			found[parts[0]] = append(found[parts[0]], path)
		case name == "xp2p-storage.json", strings.HasPrefix(name, "index.db"):
		default:
			n.w.t.Errorf("%s is in the storage", name)
		}
		return nil
	})
	if err != nil {
		n.w.t.Fatal(err)
	}
	return found
}
