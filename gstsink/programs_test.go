// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/gst/target"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// binaries gives the directory of xp2p and libgstxp2p.so: XP2P_BIN, which
// `make test` sets to what it has built, or a build of this test's own.
var binaries = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("XP2P_BIN"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "xp2p-bin-")
	if err != nil {
		return "", err
	}
	for _, b := range [][]string{
		{"CGO_ENABLED=0", "-o", filepath.Join(dir, "xp2p"), "github.com/xp2p/xp2p/cmd/xp2p"},
		{"CGO_ENABLED=1", "-buildmode=c-shared", "-o", filepath.Join(dir, "libgstxp2p.so"), "github.com/xp2p/xp2p/cmd/gstxp2p"},
	} {
		cmd := exec.Command("go", append([]string{"build", "-trimpath"}, b[1:]...)...)
		cmd.Env = append(os.Environ(), b[0])
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
	}
	return dir, nil
})

func bin(t *testing.T) string {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var registry = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "xp2p-gst-")
	if err != nil {
		panic(err)
	}
	return dir
})

// gstEnv is the environment in which GStreamer's programs find the plugin, keep a registry
// of their own and die of what they would otherwise only print.
func gstEnv(t *testing.T, extra ...string) []string {
	return append(append(os.Environ(), "GST_PLUGIN_PATH="+bin(t),
		"GST_REGISTRY="+filepath.Join(registry(), "registry.bin"), "G_DEBUG=fatal-criticals"), extra...)
}

// run runs a program of GStreamer's, no longer than a minute, and gives what it printed. A
// crash or a hang fails the test; another end is the caller's matter.
func run(t *testing.T, env []string, program string, args ...string) (output string, ok bool) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is missing: apt-get install -y gstreamer1.0-tools", program)
	}
	cmd := exec.Command("timeout", append([]string{"-k", "2", "60", program}, args...)...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	// 124: timeout ended it; 128 + n: it died of a signal; 255 is gst-launch's own.
	code := cmd.ProcessState.ExitCode()
	if code == 124 || code >= 128 && code < 255 || code < 0 {
		t.Fatalf("%s: %v\n…%s", cmd, err, out[max(0, len(out)-4000):])
	}
	return string(out), code == 0
}

// network is a rendezvous and one camera that can be talked to.
type network struct {
	t                     *testing.T
	rendezvous, app, info string
	camera                *program
	speaker               string // the file of the last talk
}

const product, device = "TESTS", "cam1"

// start makes a camera that takes a sound, into a file of that name.
func start(t *testing.T, sound, speaker string) *network {
	t.Helper()
	state := t.TempDir()
	n := &network{t: t, app: filepath.Join(state, "app.json"), speaker: filepath.Join(t.TempDir(), speaker)}
	n.rendezvous = spawn(t, "rendezvous", "--listen", "127.0.0.1:0", "--state", state).ready("rendezvous ready ")
	n.camera = spawn(t, "camera", "--rendezvous", n.rendezvous, "--app", n.app, "--product", product, "--device", device,
		"--input", "flv:"+testmedia.FLV(t, testmedia.H264, 4, testmedia.Options{}), "--state", t.TempDir(),
		"--talk-audio", sound, "--speaker", n.speaker)
	n.info = n.camera.ready("camera ready ")
	return n
}

func (n *network) env(extra ...string) []string {
	return gstEnv(n.t, append([]string{
		target.EnvRendezvous + "=" + n.rendezvous, target.EnvApp + "=" + n.app, target.EnvXP2PInfo + "=" + n.info,
	}, extra...)...)
}

// program is a running xp2p, or GStreamer's.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	log   *bytes.Buffer
	stop  func()
	done  chan struct{}
}

func spawn(t *testing.T, args ...string) *program {
	t.Helper()
	return follow(t, exec.Command(filepath.Join(bin(t), "xp2p"), args...))
}

// follow runs a program until the test ends.
func follow(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, cmd: cmd, lines: make(chan string, 10000), log: new(bytes.Buffer), done: make(chan struct{})}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
		cmd.Wait()
	}()
	p.stop = sync.OnceFunc(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(patience):
			cmd.Process.Kill()
			<-p.done
			t.Errorf("%s does not stop", cmd)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd, p.log)
		}
	})
	t.Cleanup(p.stop)
	return p
}

// ready waits for a line with what in it and gives what is behind that.
func (p *program) ready(what string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for {
		select {
		case l := <-p.lines:
			if _, rest, ok := strings.Cut(l, what); ok {
				return rest
			}
		case <-ctx.Done():
			p.t.Fatalf("%s never said %q", p.cmd, what)
		}
	}
}
