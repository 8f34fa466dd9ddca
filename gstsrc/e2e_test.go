// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/gst/target"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// These tests run the real programs: xp2p, the plugin, gst-launch-1.0.

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
	for _, b := range []struct {
		cgo  string
		args []string
	}{
		{"0", []string{"-o", "xp2p", "github.com/xp2p/xp2p/cmd/xp2p"}},
		{"1", []string{"-buildmode=c-shared", "-o", "libgstxp2p.so", "github.com/xp2p/xp2p/cmd/gstxp2p"}},
	} {
		b.args[len(b.args)-2] = filepath.Join(dir, b.args[len(b.args)-2])
		cmd := exec.Command("go", append([]string{"build", "-trimpath"}, b.args...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+b.cgo)
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

// gstEnv is the environment in which GStreamer's programs find the plugin, keep
// a registry of their own and die of what they would otherwise only print.
func gstEnv(t *testing.T, extra ...string) []string {
	dir := bin(t)
	return append(append(os.Environ(),
		"GST_PLUGIN_PATH="+dir,
		"GST_REGISTRY="+filepath.Join(registry(), "registry.bin"),
		"G_DEBUG=fatal-criticals",
	), extra...)
}

var registry = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "xp2p-gst-")
	if err != nil {
		panic(err)
	}
	return dir
})

// run runs a program of GStreamer's, no longer than a minute, and gives what it
// printed. A crash or a hang fails the test; another end is the caller's matter.
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

func TestInspect(t *testing.T) {
	out, ok := run(t, gstEnv(t), "gst-inspect-1.0", "xp2psrc")
	if !ok {
		t.Fatal(out)
	}
	for _, want := range []string{
		"X-P2P camera source", "Source/Network", "GstURIHandler", "ANY", "LGPL", "send-command", "command-reply", "reset",
		"location", "rendezvous", "app ", "xp2p-info", "params", "code-url", "swarm ", "upload ", "swarm-share", "reconnect", "retries", "retry-delay", "timeout", "latency", "stats",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("gst-inspect-1.0 does not mention %q", want)
		}
	}
	if out, ok = run(t, gstEnv(t), "gst-inspect-1.0", "xp2p"); !ok || !strings.Contains(out, "xp2psrc") {
		t.Errorf("the plugin has no xp2psrc:\n%s", out)
	}
}

func TestLaunchWithoutSettings(t *testing.T) {
	env := gstEnv(t, "XP2P_APP=", "XP2P_RENDEZVOUS=", "XP2P_INFO=")
	out, ok := run(t, env, "gst-launch-1.0", "--no-fault", "xp2psrc", "location=xp2p://T/cam", "!", "fakesink")
	if ok || !strings.Contains(out, "set the property xp2p-info") || !strings.Contains(out, "(code -2000)") {
		t.Errorf("gst-launch-1.0 said:\n%s", out)
	}
}

// network is a rendezvous and one camera.
type network struct {
	t                     *testing.T
	rendezvous, app, info string
	cameraState, file     string
	record                string // directory of the camera's recordings; "": none
	camera                *program
}

const product, device = "TESTS", "cam1"

func start(t *testing.T, kind testmedia.Kind) *network {
	t.Helper()
	state := t.TempDir()
	n := &network{t: t, app: filepath.Join(state, "app.json"), cameraState: t.TempDir(), file: testmedia.FLV(t, kind, 4, testmedia.Options{})}
	rv := spawn(t, "rendezvous", "--listen", "127.0.0.1:0", "--state", state)
	n.rendezvous = rv.ready("rendezvous ready ")
	n.startCamera()
	return n
}

func (n *network) startCamera() {
	n.t.Helper()
	args := []string{"camera", "--rendezvous", n.rendezvous, "--app", n.app,
		"--product", product, "--device", device, "--input", "flv:" + n.file, "--state", n.cameraState}
	if n.record != "" {
		args = append(args, "--record", n.record)
	}
	n.camera = spawn(n.t, args...)
	n.info = n.camera.ready("camera ready ")
}

func (n *network) env(extra ...string) []string {
	return gstEnv(n.t, append([]string{
		target.EnvRendezvous + "=" + n.rendezvous, target.EnvApp + "=" + n.app, target.EnvXP2PInfo + "=" + n.info,
	}, extra...)...)
}

// uri names the camera.
func (n *network) uri() string { return "xp2p://" + product + "/" + device }

// program is a running xp2p.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	log   *bytes.Buffer
	stop  func()
}

func spawn(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(filepath.Join(bin(t), "xp2p"), args...), lines: make(chan string, 100), log: new(bytes.Buffer)}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
		p.cmd.Wait()
	}()
	p.stop = sync.OnceFunc(func() {
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(patience):
			p.cmd.Process.Kill()
			<-done
			t.Errorf("xp2p %s does not stop", args[0])
		}
		if t.Failed() {
			t.Logf("xp2p %s said:\n%s", args[0], p.log)
		}
	})
	t.Cleanup(p.stop)
	return p
}

// kill ends the program as a power cut does.
func (p *program) kill() {
	p.cmd.Process.Kill()
	p.stop()
}

// ready waits for the line that begins so and gives its rest.
func (p *program) ready(prefix string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for {
		select {
		case l := <-p.lines:
			if rest, ok := strings.CutPrefix(l, prefix); ok {
				return rest
			}
		case <-ctx.Done():
			p.t.Fatalf("%s never said %q", p.cmd, prefix)
		}
	}
}

const pictureSize = 320 * 180 * 3 / 2

// pictures are the hashes of the pictures in a file of raw video.
func pictures(t *testing.T, file string) (hashes [][32]byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for ; len(b) >= pictureSize; b = b[pictureSize:] {
		hashes = append(hashes, sha256.Sum256(b[:pictureSize]))
	}
	if len(b) != 0 {
		t.Errorf("%s ends inside a picture", file)
	}
	return hashes
}

// Every picture of the camera's file arrives, in order and unchanged, for longer
// than the file lasts: the camera plays it again and again.
func TestWatch(t *testing.T) {
	n := start(t, testmedia.H264AAC)
	dir := t.TempDir()
	reference, watched := filepath.Join(dir, "reference.yuv"), filepath.Join(dir, "watched.yuv")

	if out, ok := run(t, gstEnv(t), "gst-launch-1.0", "-q", "filesrc", "location="+n.file, "!", "flvdemux", "!",
		"h264parse", "!", "avdec_h264", "!", "video/x-raw,format=I420", "!", "filesink", "location="+reference); !ok {
		t.Fatal(out)
	}
	want := pictures(t, reference)
	if len(want) != testmedia.Frames(4) {
		t.Fatalf("the file has %d pictures", len(want))
	}

	count := len(want)*2 + 10
	out, ok := run(t, n.env(), "gst-launch-1.0", "--no-fault", "-m", "xp2psrc", "location="+n.uri(), "!", "flvdemux", "name=d",
		"d.video", "!", "queue", "!", "h264parse", "!", "avdec_h264", "!", "video/x-raw,format=I420", "!",
		"identity", fmt.Sprintf("eos-after=%d", count), "!", "filesink", "location="+watched,
		"d.audio", "!", "queue", "!", "aacparse", "!", "avdec_aac", "!", "identity", "eos-after=300", "!", "fakesink")
	if !ok {
		t.Fatal(out)
	}
	for _, event := range []string{"connected", "request", "parsed"} {
		if !regexp.MustCompile(`xp2p-event.*subtype=\(string\)` + event).MatchString(out) {
			t.Errorf("no event %s", event)
		}
	}
	for _, progress := range []string{"Connecting to ", "Connected (direct)", "The stream begins"} {
		if !strings.Contains(out, "Progress: (connect) "+progress) {
			t.Errorf("no progress message %s", progress)
		}
	}
	if strings.Contains(out, n.info) {
		t.Error("the xp2pInfo is in what gst-launch-1.0 printed")
	}

	got := pictures(t, watched)
	if len(got) < count-2 {
		t.Fatalf("%d pictures, want %d", len(got), count)
	}
	if !continues(want, got) {
		t.Errorf("the %d pictures are not those of the file in order", len(got))
	}
}

// continues says whether got is a stretch of want repeated for ever.
func continues(want, got [][32]byte) bool {
	for first := range want {
		same := 0
		for same < len(got) && got[same] == want[(first+same)%len(want)] {
			same++
		}
		if same == len(got) {
			return true
		}
	}
	return false
}

// A player needs the URI alone.
func TestPlay(t *testing.T) {
	n := start(t, testmedia.H264AAC)
	uri := n.uri() + "?action=live&channel=0&quality=high" +
		"&_rendezvous=" + n.rendezvous + "&_app=" + n.app + "&_xp2p_info=" + n.info
	for _, player := range []string{"playbin", "playbin3"} {
		t.Run(player, func(t *testing.T) {
			out, ok := run(t, gstEnv(t), "gst-launch-1.0", "--no-fault", "-v", player, "uri="+uri,
				"video-sink=fakesink name=v num-buffers=60 silent=false sync=true", "audio-sink=fakesink name=a num-buffers=60 silent=false sync=true")
			if !ok {
				t.Fatal(out)
			}
			for _, sink := range []string{"v", "a"} {
				if c := strings.Count(out, "GstFakeSink:"+sink+": last-message = chain"); c < 50 {
					t.Errorf("sink %s got %d buffers", sink, c)
				}
			}
		})
	}
}

func TestLaunchErrors(t *testing.T) {
	n := start(t, testmedia.H264)
	app, err := os.ReadFile(n.app)
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "app.json")
	if err := os.WriteFile(broken, bytes.ReplaceAll(app, []byte("appKey"), []byte("apKey")), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(name string, env []string, properties []string, want ...string) {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"--no-fault", "xp2psrc", "reconnect=false", "location=" + n.uri()}, properties...)
			out, ok := run(t, env, "gst-launch-1.0", append(args, "!", "fakesink")...)
			if ok {
				t.Fatal("gst-launch-1.0 ended well")
			}
			for _, w := range want {
				if !strings.Contains(out, w) {
					t.Errorf("gst-launch-1.0 did not say %q:\n%s", w, out)
				}
			}
		})
	}
	check("not an xp2pInfo", n.env(), []string{"xp2p-info=XP2PAAAA%1.0.0"}, "(code -2001)")
	forged := strings.Replace(n.info, n.info[200:204], "AAAA", 1)
	check("forged xp2pInfo", n.env(), []string{"xp2p-info=" + forged}, "(code -2001)")
	check("another camera's xp2pInfo", n.env(), []string{"location=xp2p://" + product + "/other"}, product+"/"+device, "(code -2000)")
	check("no app file", n.env(), []string{"app=/nonexistent/app.json"}, "app.json", "(code -2000)")
	check("broken app file", n.env(), []string{"app=" + broken}, "appKey", "(code -2000)")
	check("no rendezvous there", n.env(), []string{"rendezvous=nats://127.0.0.1:9", "timeout=3000"}, "rendezvous", "ERROR")
	check("a URI of another kind", n.env(), []string{"location=rtsp://x"}, "(code -2000)")
	n.camera.stop()
	check("camera off", n.env(), []string{"timeout=5000"}, "ERROR", "amera")
}

// A camera that dies and comes back is watched on without a new pipeline.
func TestCameraComesBack(t *testing.T) {
	n := start(t, testmedia.H264)
	out := filepath.Join(t.TempDir(), "out.flv")
	// In the foreground, timeout passes a signal on once. Otherwise it gives it to its group
	// as well, and the second one kills what has taken the first and is about to end.
	cmd := exec.Command("timeout", "--foreground", "-k", "2", "60", "gst-launch-1.0", "--no-fault", "-m",
		"xp2psrc", "location="+n.uri(), "retries=-1", "retry-delay=200", "timeout=3000", "!", "filesink", "buffer-mode=unbuffered", "location="+out)
	cmd.Env = n.env()
	messages, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	defer func() {
		if !ended {
			cmd.Process.Kill()
			cmd.Wait()
		}
	}()
	lines := bufio.NewScanner(messages)
	lines.Buffer(nil, 1<<20)
	await := func(what string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), what) {
				return
			}
		}
		t.Fatalf("never: %s", what)
	}
	await("subtype=(string)parsed")
	n.camera.kill()
	await("subtype=(string)reconnecting")
	n.startCamera()
	await("subtype=(string)parsed")

	size := func() int64 {
		st, err := os.Stat(out)
		if err != nil {
			return 0
		}
		return st.Size()
	}
	for before, deadline := size(), time.Now().Add(patience); size() < before+20_000; {
		if time.Now().After(deadline) {
			t.Fatal("no more bytes after the camera came back")
		}
		time.Sleep(50 * time.Millisecond)
	}
	cmd.Process.Signal(syscall.SIGINT) // timeout passes it on
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	cmd.Wait()
	ended = true
	if !cmd.ProcessState.Success() {
		t.Errorf("gst-launch-1.0 ended by %v; behind the interrupt it said:\n%s", cmd.ProcessState, strings.Join(said, "\n"))
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(b, []byte("FLV\x01")) != 1 {
		t.Error("a second file header in the stream")
	}
}
