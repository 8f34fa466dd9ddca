// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// hook answers user commands as a camera's own program would: PTZ words, and JSON
// with a topic by its confirmation.
func hook(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hook.sh")
	script := `#!/bin/sh
c=$(cat)
case $c in
*cmd=ptz_*) echo "moved: ${c#*cmd=}" ;;
*topic*) printf '%s' "${c#*cmd=}" | jq -c '{confirmation_topic: .topic, message_id, result: 0}' ;;
*sleep*) sleep 30 ;;
*) echo "unknown: $c" >&2; exit 1 ;;
esac
`
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

// The example script does a whole visit, and what it brings home is good.
func TestVisitScript(t *testing.T) {
	for _, program := range []struct{ name, deb string }{{"jq", "jq"}, {"curl", "curl"}, {"ffmpeg", "ffmpeg"}} {
		tool(t, program.deb, "sh", "-c", "command -v "+program.name)
	}
	state := t.TempDir()
	heard := filepath.Join(state, "heard.wav")
	file := testmedia.FLV(t, testmedia.H264AAC, originSeconds, testmedia.Options{GOP: testmedia.FrameRate})
	c := spawn(t, "camera", xp2p(t), "camera", "--product", product, "--device", "visited", "--input", "flv:"+file, "--state", state,
		"--lan", "127.0.0.1:0", "--record", filepath.Join(state, "rec"), "--speaker", heard, "--command-hook", hook(t), "--log", "info")
	c.ready("camera ready ")
	rec := filepath.Join(state, "rec")
	await(t, "14 s are recorded", func() bool {
		files, _ := filepath.Glob(filepath.Join(rec, "*", "*", "*.mp4"))
		var size int64
		for _, f := range files {
			if st, err := os.Stat(f); err == nil {
				size += st.Size()
			}
		}
		return size > 14*47_000
	})
	out := filepath.Join(t.TempDir(), "visit")
	r := runWith(t, 2*patience, []string{"XP2P=" + xp2p(t), "LIVE=2"}, filepath.Join("..", "..", "examples", "visit.sh"), filepath.Join(state, "xp2p-info"), out)
	if r.code != 0 {
		t.Fatalf("exit status %d\n%s%s", r.code, r.stdout, tail(r.stderr))
	}
	for _, want := range []string{"E2E/visited is at 127.0.0.1:", `"status":"0"`, "moved: ptz_left", `"video_list"`} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, r.stdout)
		}
	}
	want := readFLV(t, file, whole)
	live := readFLV(t, filepath.Join(out, "live.flv"), whole)
	if len(live.pictures) < testmedia.FrameRate {
		t.Errorf("%d pictures live", len(live.pictures))
	}
	sameRun(t, want.pictures, live.pictures)

	// It plays a second or so, goes on 6 s behind the beginning, and then eight times as fast:
	// pictures are the source's, with the one hole of the seek.
	played := readFLV(t, filepath.Join(out, "playback.flv"), whole)
	holes, last := 0, -1
	for i, p := range played.pictures {
		at := -1
		for j := last + 1; j < len(want.pictures); j++ {
			if want.pictures[j].hash == p.hash {
				at = j
				break
			}
		}
		if at < 0 {
			t.Fatalf("picture %d of the playback is none of the source's behind the one before it", i)
		}
		if last >= 0 && at > last+testmedia.FrameRate {
			holes++
		}
		last = at
	}
	if holes != 1 || len(played.pictures) < 2*testmedia.FrameRate {
		t.Errorf("%d pictures with %d holes", len(played.pictures), holes)
	}
	files, _ := filepath.Glob(filepath.Join(out, "*.mp4"))
	if len(files) != 1 {
		t.Fatalf("fetched %v", files)
	}
	sameRun(t, want.pictures, readMP4(t, files[0], whole).pictures)
	if sound := probe(t, heard); len(sound) != 1 || sound[0] != "pcm_alaw" {
		t.Errorf("the camera heard %v", sound)
	}
	if st, err := os.Stat(heard); err != nil || st.Size() < 15_000 || st.Size() > 17_000 {
		t.Errorf("2 s of G.711 are 16000 bytes: %v %v", st, err)
	}
}
