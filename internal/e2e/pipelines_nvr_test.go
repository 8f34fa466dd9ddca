// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/pipelines"
)

// countingOrigin plays a file in real time to whoever asks, and counts who does.
func countingOrigin(t *testing.T, file string) (url string, asked *atomic.Int64) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	asked = new(atomic.Int64)
	return serve(t, func(w http.ResponseWriter, flush func() error) {
		asked.Add(1)
		playTags(b, w, flush)
	}), asked
}

// pipelineRecorder is a recorder with the pipelines of a configuration's text.
func pipelineRecorder(t *testing.T, cameras map[string]string, yaml string) *recording {
	t.Helper()
	run, err := os.MkdirTemp("", "xp2p-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	dir := t.TempDir()
	n := &recording{w: &world{t: t}, dir: filepath.Join(dir, "archive"), config: filepath.Join(dir, "nvr.yaml"), socket: filepath.Join(run, "control.sock")}
	var b strings.Builder
	fmt.Fprintf(&b, "control: %s\nstorage:\n  - dir: archive\ncameras:\n", n.socket)
	for name, url := range cameras {
		fmt.Fprintf(&b, "  - name: %s\n    url: %s\n", name, url)
	}
	b.WriteString(yaml)
	if err := os.WriteFile(n.config, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	argv := append([]string{"env"}, gstreamer(t)...)
	n.program = spawn(t, "nvr", append(argv, xp2p(t), "nvr", "--config", n.config, "--log", "info")...)
	n.ready("nvr ready ")
	return n
}

func (n *recording) pipeline(name string) pipelines.Status {
	n.w.t.Helper()
	var s pipelines.Status
	n.ctl(&s, "pipeline.status", fmt.Sprintf(`{"pipeline":%q}`, name))
	return s
}

func (n *recording) awaitPipeline(name string, state pipelines.State) pipelines.Status {
	n.w.t.Helper()
	var s pipelines.Status
	await(n.w.t, fmt.Sprintf("pipeline %s is %s", name, state), func() bool {
		s = n.pipeline(name)
		if s.State == pipelines.StateFailed && state != s.State {
			n.w.t.Fatalf("pipeline %s has failed: %+v", name, s)
		}
		return s.State == state
	})
	return s
}

// Several pipelines hang on cameras that are recorded, each of which is asked for its
// stream once. One that is killed begins again, and the recording does not notice.
func TestPipelinesOfARecorder(t *testing.T) {
	media := func(kind testmedia.Kind) string {
		return testmedia.FLV(t, kind, originSeconds, testmedia.Options{GOP: 25, Kbits: 150})
	}
	gate, gateAsked := countingOrigin(t, media(testmedia.H264AAC))
	yard, yardAsked := countingOrigin(t, media(testmedia.H265Legacy))
	n := pipelineRecorder(t, map[string]string{"gate": gate, "yard": yard}, `pipelines:
  - name: clips
    use: record
    camera: yard
    params: {to: clips, fragment: 200}
  - name: moving
    use: motion
    camera: gate
  - name: both
    use: mosaic
    cameras: [gate, yard]
    params: {to: file, location: both.mp4, width: 160, height: 90}
    run: manual
  - name: own
    line: "${source} ! xp2pdemux ! queue ! filesink location=${file}"
    camera: gate
    params: {file: own.h264}
    run: manual
`)
	dir := filepath.Dir(n.config)
	clips := n.awaitPipeline("clips", pipelines.StatePlaying)
	n.awaitPipeline("moving", pipelines.StatePlaying)
	if s := n.pipeline("both"); s.State != pipelines.StateStopped || s.Starts != 0 {
		t.Errorf("a manual one: %+v", s)
	}
	var started pipelines.Status
	for _, name := range []string{"both", "own"} {
		n.ctl(&started, "pipeline.start", fmt.Sprintf(`{"pipeline":%q}`, name))
	}
	both := n.awaitPipeline("both", pipelines.StatePlaying)
	await(t, "all of them write", func() bool {
		return written(t, dir, "clips/*.mp4") > 30_000 && written(t, dir, "both.mp4") > 10_000 && written(t, dir, "own.h264") > 10_000
	})

	// Killed in mid-file: what is there is a valid file, and another is begun.
	if err := syscall.Kill(clips.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "the killed one has begun again", func() bool {
		s := n.pipeline("clips")
		return s.Starts == 2 && s.State == pipelines.StatePlaying
	})
	if s := n.pipeline("clips"); !strings.Contains(s.Error, "killed") {
		t.Errorf("%+v", s)
	}
	await(t, "it writes a file of its own", func() bool { return len(glob(t, dir, "clips/*.mp4")) == 2 })
	if c := counted(t, glob(t, dir, "clips/*.mp4")[0]); c["hevc"] == 0 {
		t.Errorf("the file that was cut off: %v", c)
	}

	n.ctl(&started, "pipeline.stop", `{"pipeline":"both"}`)
	if started.State != pipelines.StateStopped || !errors.Is(syscall.Kill(both.PID, 0), syscall.ESRCH) {
		t.Errorf("stopped: %+v", started)
	}
	if c := counted(t, filepath.Join(dir, "both.mp4")); c["h264"] == 0 {
		t.Errorf("mosaic: %v", c)
	}
	r := run(t, patience, xp2p(t), "ctl", "--socket", n.socket, "pipeline.start", `{"pipeline":"own"}`)
	if r.code == 0 || !strings.Contains(r.stderr, "runs already") || !strings.Contains(r.stderr, "-2401") {
		t.Errorf("started twice: %s", r.stderr)
	}
	var shown struct{ Text string }
	if n.ctl(&shown, "pipeline.show", `{"pipeline":"own"}`); !strings.Contains(shown.Text, "${source} ! xp2pdemux") {
		t.Errorf("shown: %q", shown.Text)
	}
	if g, y := gateAsked.Load(), yardAsked.Load(); g != 1 || y != 1 {
		t.Errorf("the cameras were asked for %d and %d streams", g, y)
	}
	for name, s := range n.status() {
		if s.Attempts != 1 || s.Recorded.Parts == 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	pid := n.pipeline("clips").PID
	began := time.Now()
	n.stop()
	t.Logf("the recorder stopped within %v", time.Since(began).Round(time.Millisecond))
	if !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		t.Errorf("pipeline process %d outlives the recorder", pid)
	}
}

// A mistake in the configuration is named with its line before anything starts.
func TestPipelineConfigMistakes(t *testing.T) {
	head := "storage:\n  - dir: archive\ncameras:\n  - name: gate\n    url: http://127.0.0.1:1/x\npipelines:\n"
	for want, yaml := range map[string]string{
		`line 8: pipelines[0].use: there is no pipeline "rec"; there are hls`:       "  - name: a\n    use: rec\n    camera: gate\n",
		`line 9: pipelines[0].camera: "yard" is no camera of this configuration`:    "  - name: a\n    use: snapshot\n    camera: yard\n",
		`line 10: pipelines[0].params.segment: "0" must be a number from 1 to 8640`: "  - name: a\n    use: record\n    camera: gate\n    params: {to: x, segment: 0}\n",
		`line 7: pipelines[0].params.to: is missing: the directory to write to`:     "  - name: a\n    use: record\n    camera: gate\n",
		`line 7: pipelines[0].camera: is missing: the pipeline needs the stream`:    "  - name: a\n    use: record\n    params: {to: x}\n",
		`pipelines[0].camera: is of no use: the line has no ${source}`:              "  - name: a\n    line: fakesrc ! fakesink\n    camera: gate\n",
		`pipelines[0].line: ${each} and ${end} must come in pairs`:                  "  - name: a\n    line: '${each} ! x'\n    camera: gate\n",
		`pipelines[0].camera: must be the one camera to talk to`:                    "  - name: a\n    use: talk-mic\n    camera: gate\n",
		`line 9: pipelines[0].run: "often" must be one of: always, manual`:          "  - name: a\n    use: record\n    run: often\n",
		`pipelines[0]: has use and line: one of them`:                               "  - name: a\n    use: record\n    line: x\n",
		`pipelines[0]: needs use`:               "  - name: a\n",
		`pipelines[1].name: "a" is there twice`: "  - {name: a, use: talk-mic}\n  - {name: a, use: talk-mic}\n",
	} {
		file := filepath.Join(t.TempDir(), "nvr.yaml")
		if err := os.WriteFile(file, []byte(head+yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		r := run(t, patience, xp2p(t), "nvr", "--config", file)
		if r.code == 0 || !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "nvr.yaml: ") || !strings.Contains(r.stderr, "(code -2000)") {
			t.Errorf("%s\nexit status %d: %swant %s", yaml, r.code, r.stderr, want)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), "archive")); err == nil {
			t.Errorf("%s: something was started", want)
		}
	}
}
