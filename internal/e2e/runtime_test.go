// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// The configuration of a running recorder changes: what does not change in it goes on
// undisturbed, a mistake changes nothing, and what is asked of a camera over the socket
// happens over the connection that records it.
func TestConfigurationChangesAtRunTime(t *testing.T) {
	w := newWorld(t)
	short := testmedia.Options{GOP: testmedia.FrameRate}
	heard := filepath.Join(t.TempDir(), "heard.wav")
	gate := w.camera("gate", "flv:"+testmedia.FLV(t, testmedia.H264AAC, 4, short), "--talk-audio", "alaw", "--speaker", heard)
	yard := w.camera("yard", "flv:"+testmedia.FLV(t, testmedia.H264AAC, 4, short))
	url, asked := countingOrigin(t, testmedia.FLV(t, testmedia.H264AAC, originSeconds, short))
	n := w.nvr(segment, source{name: "shed", url: url}, source{name: "gate", info: gate.info})
	n.awaitPictures(testmedia.FrameRate, "shed", "gate")

	// A camera more, by SIGHUP; its recordings are asked for by events.
	n.configure(segment, source{name: "shed", url: url}, source{name: "yard", info: yard.info}, source{name: "gate", info: gate.info})
	appendTo(t, n.config, "    record: {when: events, pre-roll: 1s, post-roll: 500ms, events-of: [shed]}\n")
	n.cmd.Process.Signal(syscall.SIGHUP)
	await(t, "yard is a camera", func() bool { _, there := n.status()["yard"]; return there })
	n.awaitPictures(2*testmedia.FrameRate, "yard")
	await(t, "gate is not recorded", func() bool { return n.status()["gate"].Recording == "" })

	var done struct{ Done bool }
	before := len(n.list("gate").Segments)
	n.ctl(&done, "event.trigger", `{"camera":"shed","kind":"doorbell"}`)
	await(t, "gate was recorded for an event of shed", func() bool {
		return n.status()["gate"].Recording == "" && len(n.list("gate").Segments) > before
	})

	// A mistake changes nothing and says where it is.
	appendTo(t, n.config, "nonsense: 1\n")
	r := run(t, patience, xp2p(t), "ctl", "--socket", n.socket, "config.reload")
	if r.code == 0 || !strings.Contains(r.stderr, "nonsense") || !strings.Contains(r.stderr, "nothing was changed") || !strings.Contains(r.stderr, "(code -2000)") {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}

	// Two calls of a batch: a camera goes, and the file is read again, which has another
	// storage too.
	n.configure(time.Minute, source{name: "shed", url: url}, source{name: "gate", info: gate.info})
	batch := filepath.Join(t.TempDir(), "batch")
	if err := os.WriteFile(batch, []byte("# yard is sold\ncamera.remove {\"camera\":\"yard\"}\nconfig.reload\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = run(t, patience, xp2p(t), "ctl", "--socket", n.socket, "--batch", batch)
	want := `{"line":3,"method":"config.reload","result":{"cameras":{"added":[],"changed":["gate"],"removed":[],"unchanged":1},` +
		`"pipelines":{"added":[],"changed":[],"removed":[],"unchanged":0},"restart":["storage"]}}`
	if r.code != 0 || !strings.Contains(r.stdout, want) {
		t.Errorf("status %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if _, there := n.status()["yard"]; there {
		t.Error("yard is still there")
	}
	if got := asked.Load(); got != 1 {
		t.Errorf("shed, which nobody changed, was asked %d times", got)
	}

	// Half a second of sound.
	var said struct {
		Seconds float64
		Bytes   int
		Format  string
	}
	n.ctl(&said, "talk.play", fmt.Sprintf(`{"camera":"gate","format":"s16le","data":%q}`, base64.StdEncoding.EncodeToString(make([]byte, 8000))))
	if said.Bytes != 4000 || !strings.HasPrefix(said.Format, "alaw") {
		t.Errorf("%+v", said)
	}
	await(t, "it was heard", func() bool { st, err := os.Stat(heard); return err == nil && st.Size() > 4000 })
	if s := n.status()["gate"]; s.Attempts != 1 {
		t.Errorf("gate was connected %d times: when it is recorded changed only", s.Attempts)
	}
	n.stop()
	a := n.archive()
	for _, name := range []string{"gate", "shed"} {
		list := segments(t, a, name)
		if len(list) == 0 {
			t.Errorf("nothing of %s is left", name)
		}
		for _, s := range list {
			tool(t, "ffmpeg", "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", s.Path, "-f", "null", "-")
		}
	}
}

func appendTo(t *testing.T, file, text string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
