// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// pictures are the hashes of an MP4's pictures, with their DTS.
func pictures(t testing.TB, file string) (hashes [][32]byte, dts []time.Duration) {
	t.Helper()
	list, err := testmedia.Units(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if u := &list[i]; u.Kind == demux.Video && !u.Config {
			hashes = append(hashes, sha256.Sum256(u.Data))
			dts = append(dts, u.DTS)
		}
	}
	return hashes, dts
}

// played are the hashes of the pictures in a list of units.
func played(list []demux.Unit) (hashes [][32]byte) {
	for i := range list {
		if u := &list[i]; u.Kind == demux.Video && !u.Config && !u.EndOfSequence {
			hashes = append(hashes, sha256.Sum256(list[i].Data))
		}
	}
	return hashes
}

// recordings makes 24 s of a camera: two runs of 12 s in segments of 3 s, 5 s of
// nothing between them.
func recordings(t *testing.T, second []demux.Unit) (a *Archive, source [][32]byte, begin time.Time) {
	t.Helper()
	list0 := media(t, testmedia.H264AAC, 12, testmedia.Options{GOP: 25})
	if second == nil {
		second = media(t, testmedia.H264AAC, 12, testmedia.Options{GOP: 25, Kbits: 250})
	}
	clock := newSimulated()
	a = openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 3 * time.Second}}, Now: clock.now, settle: -1})
	c := camera(t, a, "cam")
	begin = clock.now()
	r := c.StartRun()
	play(t, r, clock, list0)
	clock.add(40 * time.Millisecond)
	r.Close(CauseLink)
	clock.add(5 * time.Second)
	r = c.StartRun()
	play(t, r, clock, second)
	r.Close(CauseRestart)
	flush(t, a)
	return a, append(played(list0), played(second)...), begin
}

// Any stretch of the recordings, over segments and gaps, is one film of the very
// pictures, without a hole or an overlap, that begins at a key picture.
func TestExport(t *testing.T) {
	a, source, _ := recordings(t, nil)
	for _, c := range []struct {
		name        string
		from, to    time.Duration // since the first picture
		first, last int           // pictures, half open
		stretches   int
	}{
		{"everything", -time.Hour, time.Hour, 0, 600, 2},
		{"from a key picture", 2 * time.Second, 4 * time.Second, 50, 100, 1},
		{"from between key pictures", 2500 * time.Millisecond, 4 * time.Second, 50, 100, 1},
		{"over the gap", 10 * time.Second, 20 * time.Second, 250, 374, 2},
		{"within one segment", 500 * time.Millisecond, 800 * time.Millisecond, 0, 20, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "clip.mp4")
			progress := int64(0)
			// The source's first picture is 23 ms behind the run's start: sound comes first.
			zero := list(t, a, "cam")[0].Start
			got, err := a.Export(context.Background(), ExportRequest{Camera: "cam", From: zero.Add(c.from), To: zero.Add(c.to), Path: file, Sum: true,
				Progress: func(done, total int64) {
					if done < progress || done > total {
						t.Errorf("progress %d of %d behind %d", done, total, progress)
					}
					progress = done
				}})
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || got[0].Path != file || len(got[0].Stretches) != c.stretches {
				t.Fatalf("%+v", got)
			}
			decodes(t, file)
			b, err := os.ReadFile(file)
			if err != nil || int64(len(b)) != got[0].Bytes || fmt.Sprintf("%x", sha256.Sum256(b)) != got[0].SHA256 || progress == 0 {
				t.Errorf("%d bytes, %+v, progress %d: %v", len(b), got[0], progress, err)
			}
			hashes, dts := pictures(t, file)
			first, last := placeOf(source, hashes[0]), placeOf(source, hashes[len(hashes)-1])
			if first != c.first || abs(last+1-c.last) > 1 || len(hashes) != last+1-first {
				t.Errorf("pictures %d to %d (%d), want %d to %d", first, last+1, len(hashes), c.first, c.last)
			}
			for i := range hashes {
				if hashes[i] != source[first+i] {
					t.Fatalf("picture %d is not the source's %d", i, first+i)
				}
				if i > 0 && (dts[i] <= dts[i-1] || dts[i]-dts[i-1] > 150*time.Millisecond) {
					t.Errorf("picture %d at %v, the one before it at %v", i, dts[i], dts[i-1])
				}
			}
			if d := got[0].Duration; (d - time.Duration(len(hashes))*40*time.Millisecond).Abs() > 200*time.Millisecond {
				t.Errorf("%v for %d pictures", d, len(hashes))
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*.partial*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func placeOf(source [][32]byte, h [32]byte) int {
	for i := range source {
		if source[i] == h {
			return i
		}
	}
	return -1
}

func abs(n int) int { return max(n, -n) }

// Another picture size within the stretch is another file.
func TestExportOfTwoSizes(t *testing.T) {
	large := media(t, testmedia.H264AAC, 3, testmedia.Options{GOP: 25, Width: 640, Height: 360})
	a, source, _ := recordings(t, large)
	dir := t.TempDir()
	got, err := a.Export(context.Background(), ExportRequest{Camera: "cam", From: time.Unix(0, 0), To: time.Now().Add(time.Hour), Path: filepath.Join(dir, "clip.mp4")})
	if err != nil || len(got) != 2 || got[1].Path != filepath.Join(dir, "clip-2.mp4") {
		t.Fatalf("%+v %v", got, err)
	}
	var all [][32]byte
	for _, f := range got {
		decodes(t, f.Path)
		h, _ := pictures(t, f.Path)
		all = append(all, h...)
	}
	for i := range source {
		if i >= len(all) || all[i] != source[i] {
			t.Fatalf("%d pictures of %d; the first that is not there is %d", len(all), len(source), i)
		}
	}
}

func TestExportFails(t *testing.T) {
	a, _, begin := recordings(t, nil)
	dir := t.TempDir()
	req := ExportRequest{Camera: "cam", From: begin, To: begin.Add(time.Minute), Path: filepath.Join(dir, "clip.mp4")}
	cases := map[string]func(*ExportRequest){
		"nothing there": func(r *ExportRequest) { r.From, r.To = time.Unix(0, 0), time.Unix(1000, 0) },
		"nobody":        func(r *ExportRequest) { r.Camera = "nobody" },
		"backwards":     func(r *ExportRequest) { r.From, r.To = r.To, r.From },
		"no such place": func(r *ExportRequest) { r.Path = filepath.Join(dir, "none", "clip.mp4") },
	}
	for name, change := range cases {
		r := req
		change(&r)
		if _, err := a.Export(context.Background(), r); err == nil || name == "nothing there" && !errors.Is(err, ErrNothing) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	req.Progress = func(int64, int64) { cancel() }
	if _, err := a.Export(ctx, req); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// A segment that was damaged behind the index's back.
	seg := list(t, a, "cam")[1]
	if err := os.WriteFile(seg.Path, bytes.Repeat([]byte{0xff}, int(seg.Bytes)), 0o600); err != nil {
		t.Fatal(err)
	}
	req.Progress = nil
	if _, err := a.Export(context.Background(), req); err == nil || !strings.Contains(err.Error(), filepath.Base(seg.Path)) {
		t.Errorf("damaged: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// BenchmarkExport beside a copy of the same bytes.
func BenchmarkExport(b *testing.B) {
	list0 := media(b, testmedia.H264AAC, 10, testmedia.Options{Width: 1280, Height: 720, Kbits: 1936})
	clock := newSimulated()
	a := openArchive(b, Config{Storages: []StorageConfig{{Dir: b.TempDir()}}, Now: clock.now, settle: -1})
	r := camera(b, a, "cam").StartRun()
	for i := range 30 {
		play(b, r, clock, shifted(list0, time.Duration(i)*10*time.Second))
	}
	r.Close(CauseRestart)
	flush(b, a)
	var bytes int64
	segs := list(b, a, "cam")
	for _, s := range segs {
		bytes += s.Bytes
	}
	file := filepath.Join(b.TempDir(), "clip.mp4")
	b.Run("export", func(b *testing.B) {
		b.SetBytes(bytes)
		for b.Loop() {
			if _, err := a.Export(context.Background(), ExportRequest{Camera: "cam", From: time.Unix(0, 0), To: time.Now().Add(time.Hour), Path: file, Overwrite: true}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(bytes)
		for b.Loop() {
			out, err := os.Create(file)
			if err != nil {
				b.Fatal(err)
			}
			for _, s := range segs {
				f, err := os.Open(s.Path)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := out.ReadFrom(f); err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
			out.Sync()
			out.Close()
		}
	})
}
