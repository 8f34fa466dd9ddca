// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// guideLines are the shell lines of a guide: those behind "    $ ".
func guideLines(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "guide", file))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.SplitSeq(string(b), "\n") {
		if l, ok := strings.CutPrefix(line, "    $ "); ok {
			lines = append(lines, l)
		}
	}
	return lines
}

// Every line of docs/guide/control.md works as it stands, against a recorder that has
// the cameras and pipelines of its examples. So do the examples.
func TestControlGuide(t *testing.T) {
	w := newWorld(t)
	short := testmedia.Options{GOP: testmedia.FrameRate}
	dir := t.TempDir()
	sound := filepath.Join(dir, "go-away.wav")
	tool(t, "ffmpeg", "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=duration=0.5", "-ar", "8000", "-ac", "1", sound)
	gate := w.camera("gate", "flv:"+testmedia.FLV(t, testmedia.H264AAC, 4, short), "--talk-audio", "alaw", "--speaker", filepath.Join(dir, "heard.wav"),
		"--command-hook", hook(t))
	url, _ := countingOrigin(t, testmedia.FLV(t, testmedia.H264AAC, originSeconds, short))
	n := w.nvr(segment, source{name: "gate", info: gate.info})
	appendTo(t, n.config, "pipelines:\n  - {name: clips, line: fakesrc is-live=true ! fakesink, run: manual}\n  - {name: both, line: fakesrc is-live=true ! fakesink, run: manual}\n")
	n.awaitPictures(2*testmedia.FrameRate, "gate")
	n.ctl(new(any), "config.reload")

	bin, err := filepath.Abs(filepath.Dir(xp2p(t)))
	if err != nil {
		t.Fatal(err)
	}
	// The guide's places are this test's.
	here := strings.NewReplacer(
		"/run/xp2p/control.sock", n.socket, "http://192.0.2.7/live.flv", url, "/srv/sounds/go-away.wav", sound,
		"/tmp/gate.mp4", filepath.Join(dir, "gate.mp4"), "2026-11-24T18:00:00Z", "2099-01-01T00:00:00Z")
	shell := func(line string) (string, error) {
		cmd := exec.Command("bash", "-c", "set -o pipefail; "+line)
		cmd.Env = environment("S="+n.socket, "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	lines := guideLines(t, "control.md")
	if len(lines) < 20 {
		t.Fatalf("%d lines: the guide has another form", len(lines))
	}
	for _, line := range lines {
		line = here.Replace(line)
		if strings.Contains(line, "events.subscribe") {
			// It has no end; head has when something has happened. What they say is unbuffered.
			line = `set +o pipefail; (sleep 0.5; xp2p ctl --socket $S camera.add '{"name":"late","url":"http://127.0.0.1:9/"}' >/dev/null) & ` +
				"timeout 30 " + strings.Replace(line, "jq -c", "jq --unbuffered -c", 1) + " | head -n 1; wait"
			if out, err := shell(line); err != nil || !strings.Contains(out, `["late","`) {
				t.Errorf("%s\n%v\n%s", line, err, out)
			}
			continue
		}
		if out, err := shell(line); err != nil {
			t.Errorf("%s\n%v\n%s", line, err, out)
		}
	}
	if st, err := os.Stat(filepath.Join(dir, "gate.mp4")); err != nil || st.Size() == 0 {
		t.Errorf("the export: %v", err)
	}
	n.ctl(new(any), "camera.set", fmt.Sprintf(`{"name":"gate","xp2p-info":%q,"record":{"when":"events","pre-roll":"1s","post-roll":"500ms"}}`, gate.info))
	examples := filepath.Join("..", "..", "examples", "control")
	for _, c := range []struct{ line, want string }{
		{filepath.Join(examples, "calls.py") + " $S gate", ".mp4 "},
		{"go run " + "./" + filepath.Join(examples, "record-event-go") + " $S gate", `gate is recorded for: "event"`},
	} {
		if out, err := shell(c.line); err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%s\n%v\n%s", c.line, err, out)
		}
	}
}
