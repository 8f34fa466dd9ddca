// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// Whatever a camera is fed, a viewer gets each of its pictures unchanged, from a
// key frame on.
func TestPull(t *testing.T) {
	const seconds = "5"
	w := newWorld(t)
	all := feeds(t)
	inputs := map[string]string{}
	for _, f := range all {
		inputs[f.name] = f.input
	}
	cameras := w.cameras(inputs)

	dir := t.TempDir()
	pulls := map[string]*program{}
	for _, f := range all {
		pulls[f.name] = spawn(t, "pull "+f.name, w.pull(cameras[f.name].info, "--seconds", seconds, "--json", "-o", filepath.Join(dir, f.name+".flv"))...)
	}
	for _, f := range all {
		t.Run(f.name, func(t *testing.T) {
			said := func() string { return pulls[f.name].stderr.String() }
			if code := pulls[f.name].wait(patience); code != 0 {
				t.Fatalf("exit status %d: %s", code, said())
			}
			var sum struct {
				Frames, Resyncs int
				Bytes           int64
				Path            string
			}
			if err := json.Unmarshal([]byte(said()), &sum); err != nil {
				t.Fatalf("the summary: %v in %q", err, said())
			}
			file := filepath.Join(dir, f.name+".flv")
			got, want := readFLV(t, file, f.of), readFLV(t, f.file, f.of)
			if len(got.pictures) < 4*testmedia.FrameRate || len(got.pictures) != sum.Frames {
				t.Errorf("%d pictures; the summary says %d", len(got.pictures), sum.Frames)
			}
			if sum.Resyncs != 0 || sum.Path != "direct" {
				t.Errorf("summary %+v", sum)
			}
			if got.video != f.video || got.audio != f.audio || got.enhanced != f.enhanced || got.sounds < 4 {
				t.Errorf("%v (enhanced: %v) and %v, %d sound units", got.video, got.enhanced, got.audio, got.sounds)
			}
			if p := got.pictures[0]; !p.key || p.dts != 0 {
				t.Errorf("it begins with key %v at %v", p.key, p.dts)
			}
			sameRun(t, want.pictures, got.pictures)
			decode(t, got)
			if f.video == demux.H265 {
				return // ffmpeg 5 knows no H.265 in FLV; decode has shown that the pictures are good
			}
			sound := map[demux.Codec]string{demux.AAC: "aac", demux.ALaw: "pcm_alaw"}[f.audio]
			codecs := probe(t, file)
			slices.Sort(codecs)
			if !slices.Equal(codecs, slices.Sorted(slices.Values([]string{"h264", sound}))) {
				t.Errorf("ffprobe finds %v", codecs)
			}
		})
	}
}
