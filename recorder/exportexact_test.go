// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// shown are the hashes of the pictures that a player shows of a file, with the times
// at which it does.
func shown(t testing.TB, file string) (hashes []string, at []float64) {
	t.Helper()
	out, err := exec.Command(tool(t, "ffmpeg"), "-v", "error", "-i", file, "-map", "0:v", "-vsync", "passthrough", "-enc_time_base", "-1", "-f", "framemd5", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", file, err, out)
	}
	tick := 0.0
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if tb, ok := strings.CutPrefix(line, "#tb 0: "); ok {
			num, den, _ := strings.Cut(tb, "/")
			n, _ := strconv.ParseFloat(num, 64)
			d, _ := strconv.ParseFloat(den, 64)
			tick = n / d
		}
		f := strings.Split(line, ",")
		if strings.HasPrefix(line, "#") || len(f) < 6 {
			continue
		}
		pts, err := strconv.ParseFloat(strings.TrimSpace(f[2]), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		hashes, at = append(hashes, strings.TrimSpace(f[5])), append(at, pts*tick)
	}
	return hashes, at
}

// starts are the start times of a file's streams, by their type, as ffprobe sees them.
func starts(t testing.TB, file string) map[string]float64 {
	t.Helper()
	m := map[string]float64{}
	for _, p := range probe(t, file) {
		s, err := strconv.ParseFloat(p.Start, 64)
		if err != nil {
			t.Fatalf("%s: %+v", file, p)
		}
		m[p.Type] = s
	}
	return m
}

// An exact export shows, from its first instant on, the picture that was to be seen at
// From, and nothing from To on.
func TestExportExact(t *testing.T) {
	const frame = 40 * time.Millisecond
	for _, b := range []int{0, 2} {
		first := media(t, testmedia.H264AAC, 12, testmedia.Options{GOP: 25, BFrames: b})
		second := media(t, testmedia.H264AAC, 12, testmedia.Options{GOP: 25, BFrames: b, Kbits: 250})
		clock := newSimulated()
		a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 3 * time.Second}}, Now: clock.now, settle: -1})
		c := camera(t, a, "cam")
		r := c.StartRun()
		play(t, r, clock, first)
		clock.add(frame)
		r.Close(CauseLink)
		clock.add(5 * time.Second)
		r = c.StartRun()
		play(t, r, clock, second)
		r.Close(CauseRestart)
		flush(t, a)
		segs := list(t, a, "cam")
		runs := []time.Time{segs[0].Start, segs[0].Start}
		for _, s := range segs {
			if s.Run != segs[0].Run {
				runs[1] = s.Start
				break
			}
		}
		captured := func(i int) time.Time { // the picture i of all
			return runs[i/300].Add(time.Duration(i%300) * frame)
		}
		whole := filepath.Join(t.TempDir(), "whole.mp4")
		if _, err := a.Export(t.Context(), ExportRequest{Camera: "cam", From: time.Unix(0, 0), To: clock.now().Add(time.Hour), Path: whole}); err != nil {
			t.Fatal(err)
		}
		all, _ := shown(t, whole)
		if len(all) != 600 {
			t.Fatalf("%d pictures", len(all))
		}
		for _, x := range []struct {
			name        string
			from, to    time.Time
			first, last int // pictures, half open
		}{
			{"on a key picture", captured(75), captured(150), 75, 150},
			{"on another", captured(63), captured(100), 63, 100},
			{"between two", captured(62).Add(frame / 2), captured(99).Add(frame / 2), 62, 100},
			{"a moment", captured(130).Add(time.Millisecond), captured(133), 130, 133},
			{"before the first", captured(0).Add(-time.Hour), captured(30), 0, 30},
			{"from nothing", runs[1].Add(-time.Second), captured(310), 300, 310},
			{"over the gap", captured(290), captured(320), 290, 320},
			{"to the end", captured(590), captured(599).Add(time.Hour), 590, 600},
		} {
			t.Run(x.name, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "clip.mp4")
				got, err := a.Export(t.Context(), ExportRequest{Camera: "cam", From: x.from, To: x.to, Exact: true, Path: file})
				if err != nil {
					t.Fatal(err)
				}
				if len(got) != 1 {
					t.Fatalf("%d files", len(got))
				}
				for kind, at := range starts(t, file) {
					if kind == "video" && at != 0 || at > 0.05 { // sound begins with the next whole frame
						t.Errorf("%s starts at %f s", kind, at)
					}
				}
				hashes, at := shown(t, file)
				if len(hashes) != x.last-x.first {
					t.Fatalf("%d pictures are shown, want %d", len(hashes), x.last-x.first)
				}
				for i, h := range hashes {
					if h != all[x.first+i] {
						t.Fatalf("picture %d is not the source's %d", i, x.first+i)
					}
				}
				if at[0] != 0 {
					t.Errorf("the first picture is shown at %f s", at[0])
				}
				s := got[0].Stretches
				if !s[0].Start.Equal(captured(x.first)) || s[0].At != 0 {
					t.Errorf("it begins with %v, says %v", captured(x.first), s[0].Start)
				}
				// Every stretch is shown when its pictures were captured.
				for _, s := range s {
					for i := range hashes {
						if c := captured(x.first + i); !c.Before(s.Start) && c.Before(s.End) {
							want := s.At + c.Sub(s.Start)
							if math.Abs(at[i]-want.Seconds()) > 0.002 {
								t.Errorf("picture %d, of %v, is shown at %f s, want %v", i, c, at[i], want)
							}
						}
					}
				}
				if d := got[0].Duration.Seconds() - at[len(at)-1]; d <= 0 || d > 0.1 && x.name != "to the end" {
					t.Errorf("the last picture is shown at %f s of %v", at[len(at)-1], got[0].Duration)
				}
			})
		}
	}
}

// Sound alone is cut anywhere.
func TestExportExactSound(t *testing.T) {
	clock := newSimulated()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 3 * time.Second}}, Now: clock.now, settle: -1})
	r := camera(t, a, "cam").StartRun()
	play(t, r, clock, media(t, testmedia.ALaw, 10, testmedia.Options{}))
	r.Close(CauseRestart)
	flush(t, a)
	segs := list(t, a, "cam")
	from := segs[0].Start.Add(1234 * time.Millisecond)
	file := filepath.Join(t.TempDir(), "clip.mp4")
	got, err := a.Export(t.Context(), ExportRequest{Camera: "cam", From: from, To: from.Add(3 * time.Second), Exact: true, Path: file})
	if err != nil {
		t.Fatal(err)
	}
	if (got[0].Duration-3*time.Second).Abs() > 10*time.Millisecond || !got[0].Stretches[0].Start.Equal(from) {
		t.Errorf("%+v, wanted from %v", got[0], from)
	}
	decodes(t, file)
	if s := starts(t, file); s["audio"] != 0 {
		t.Errorf("starts at %v", s)
	}
}
