// SPDX-License-Identifier: LGPL-2.1-or-later

package shelf

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
)

// compare says whether pictures were played as they were recorded: bytes, key,
// composition time and time of the wall clock.
func compare(t *testing.T, got []device.Frame, want []demux.Unit, first time.Time) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d pictures were played, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		at := first.Add(w.DTS - want[0].DTS)
		if !bytes.Equal(g.Data, w.Data) || g.Key != w.Key || g.CTS != w.CTS || g.Codec != w.Codec || !g.Wall.Equal(at) {
			t.Fatalf("picture %d: %v %d bytes, key %v, CTS %v, at %v; want %v %d bytes, key %v, CTS %v, at %v", i,
				g.Codec, len(g.Data), g.Key, g.CTS, g.Wall, w.Codec, len(w.Data), w.Key, w.CTS, at)
		}
	}
}

// Every codec: what is played over the borders of segments is what was recorded,
// frame by frame, in the order of time and as one stretch.
func TestPlayEveryCodec(t *testing.T) {
	for _, kind := range testmedia.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			list := media(t, kind, 5, testmedia.Options{GOP: 25, BFrames: 2})
			r := newRecording(t, 2*time.Second)
			run := r.camera.StartRun()
			began := r.write(run, list)
			run.Close(recorder.CauseCamera)
			r.flush()
			if n := len(r.segments()); n < 2 {
				t.Fatalf("%d segments: no border to play over", n)
			}
			frames := play(t, r.shelf, began, false)
			for i, f := range frames {
				if f.Stretch != (i == 0) {
					t.Errorf("frame %d (%v, config %v): stretch %v", i, f.Kind, f.Config, f.Stretch)
				}
				if i > 0 && f.Wall.Before(frames[i-1].Wall) {
					t.Errorf("frame %d at %v is before the one ahead of it at %v", i, f.Wall, frames[i-1].Wall)
				}
			}
			pictures, sounds := of(demux.Video, list), of(demux.Audio, list)
			if len(pictures) > 0 {
				compare(t, units(demux.Video, frames), pictures, began.Add(pictures[0].DTS-list[0].DTS))
				if first := frames[0]; !first.Config || first.Kind != demux.Video {
					t.Errorf("it begins with %+v", first.Unit)
				}
			}
			played := units(demux.Audio, frames)
			if lost := len(sounds) - len(played); lost < 0 || lost > 5 && len(pictures) > 0 || lost > len(sounds)/2 {
				t.Errorf("%d of %d sounds were played", len(played), len(sounds))
			}
			skipped := len(sounds) - len(played) // from before the first key picture
			for i, g := range played {
				if w := sounds[skipped+i]; !bytes.Equal(g.Data, w.Data) || g.Codec != w.Codec || g.Rate != w.Rate && w.Codec != demux.MP3 {
					t.Fatalf("sound %d: %v of %d bytes, want %v of %d", i, g.Codec, len(g.Data), w.Codec, len(w.Data))
				}
			}
		})
	}
}

// Playing begins with the last key picture at or before the time asked for.
func TestPlayFromTheMiddle(t *testing.T) {
	list := media(t, testmedia.H264AAC, 6, testmedia.Options{GOP: 25})
	r := newRecording(t, 3*time.Second)
	run := r.camera.StartRun()
	began := r.write(run, list)
	run.Close(recorder.CauseCamera)
	r.flush()
	pictures := of(demux.Video, list)
	first := began.Add(pictures[0].DTS - list[0].DTS)
	for _, at := range []time.Duration{-time.Hour, -time.Millisecond, 0, 999 * time.Millisecond, time.Second, 1500 * time.Millisecond, 2999 * time.Millisecond, 3 * time.Second, 5900 * time.Millisecond} {
		from := max(0, int(at/time.Second)*25)
		frames := play(t, r.shelf, first.Add(at), false)
		compare(t, units(demux.Video, frames), pictures[from:], first.Add(pictures[from].DTS-pictures[0].DTS))
		if d := frames[0].Wall.Sub(first) - (pictures[from].DTS - pictures[0].DTS); d != 0 {
			t.Errorf("from %v: it says to begin %v off", at, d)
		}
		for _, f := range units(demux.Audio, frames) {
			if f.Wall.Before(frames[0].Wall) {
				t.Errorf("from %v: sound of before the first picture", at)
			}
		}
	}
	if _, err := r.shelf.Play(t.Context(), first.Add(time.Minute)); !errors.Is(err, device.ErrNoRecording) {
		t.Errorf("behind the end: %v", err)
	}
	if _, err := New(r.archive, "nobody").Play(t.Context(), first); !errors.Is(err, device.ErrNoRecording) {
		t.Errorf("a camera without recordings: %v", err)
	}
}

// A gap is stepped over and begins a stretch; so does another decoder configuration.
func TestPlayOverAGap(t *testing.T) {
	a := media(t, testmedia.H264AAC, 2, testmedia.Options{GOP: 25})
	b := media(t, testmedia.H265Legacy, 2, testmedia.Options{GOP: 25})
	r := newRecording(t, time.Minute)
	var began []time.Time
	for i, list := range [][]demux.Unit{a, a, b} {
		if i == 1 {
			r.clock.add(36 * time.Hour)
		}
		run := r.camera.StartRun()
		began = append(began, r.write(run, list))
		run.Close(recorder.CauseLink)
		r.flush()
	}
	frames := play(t, r.shelf, began[0], false)
	var starts []int
	for i, f := range frames {
		if f.Stretch {
			starts = append(starts, i)
		}
	}
	if len(starts) != 3 {
		t.Fatalf("%d stretches, want 3", len(starts))
	}
	starts = append(starts, len(frames))
	for i, list := range [][]demux.Unit{a, a, b} {
		stretch := frames[starts[i]:starts[i+1]]
		pictures := of(demux.Video, list)
		compare(t, units(demux.Video, stretch), pictures, began[i].Add(pictures[0].DTS-list[0].DTS))
		if !stretch[0].Config || !stretch[1].Config {
			t.Errorf("stretch %d does not begin with the configurations", i)
		}
		if d := units(demux.Video, stretch)[0].DTS; d != 0 {
			t.Errorf("stretch %d begins at DTS %v", i, d)
		}
	}
	// A time inside of the gap: what comes behind it.
	frames = play(t, r.shelf, began[0].Add(time.Hour), false)
	if !frames[0].Wall.After(began[0].Add(30 * time.Hour)) {
		t.Errorf("from within the gap it begins at %v", frames[0].Wall)
	}
}

// A segment that is being written plays as far as it is durable, and on when more
// was written.
func TestPlayWhatIsBeingRecorded(t *testing.T) {
	list := media(t, testmedia.H264AAC, 8, testmedia.Options{GOP: 25})
	half := len(list) / 2
	r := newRecording(t, time.Hour)
	run := r.camera.StartRun()
	began := r.write(run, list[:half])
	r.flush()
	segs := r.segments()
	if len(segs) != 1 || !segs[0].Open {
		t.Fatalf("%d segments: %+v", len(segs), segs)
	}
	c, err := r.shelf.Play(t.Context(), began)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	frames := rest(t, c)
	before := len(units(demux.Video, frames))
	if before < 50 {
		t.Fatalf("%d pictures of the open segment", before)
	}
	for i := range list[half:] { // the clock stands: it is the same stream
		u := list[half+i]
		r.clock.add(max(0, u.DTS-list[half+i-1].DTS))
		if err := run.Write(&u); err != nil {
			t.Fatal(err)
		}
	}
	run.Close(recorder.CauseLink)
	r.flush()
	frames = append(frames, rest(t, c)...)
	pictures := of(demux.Video, list)
	compare(t, units(demux.Video, frames), pictures, began.Add(pictures[0].DTS-list[0].DTS))
}

// Only key pictures, and everything again behind the last one given.
func TestKeysOnly(t *testing.T) {
	list := media(t, testmedia.H264AAC, 6, testmedia.Options{GOP: 25})
	r := newRecording(t, 2*time.Second)
	run := r.camera.StartRun()
	began := r.write(run, list)
	run.Close(recorder.CauseCamera)
	r.flush()
	pictures := of(demux.Video, list)
	frames := play(t, r.shelf, began, true)
	keys := units(demux.Video, frames)
	if len(keys) != 6 || len(units(demux.Audio, frames)) != 0 {
		t.Fatalf("%d key pictures and %d sounds", len(keys), len(units(demux.Audio, frames)))
	}
	for i, k := range keys {
		if !k.Key || !bytes.Equal(k.Data, pictures[25*i].Data) {
			t.Errorf("key picture %d is another one", i)
		}
	}
	c, err := r.shelf.Play(t.Context(), began)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.KeysOnly(true)
	var f device.Frame
	for n := 0; n < 3; {
		if err := c.Next(t.Context(), &f); err != nil {
			t.Fatal(err)
		}
		if !f.Config {
			n++
		}
	}
	c.KeysOnly(false)
	got := units(demux.Video, rest(t, c))
	compare(t, got, pictures[51:], began.Add(pictures[51].DTS-list[0].DTS))
}

// A segment that was removed or damaged is a gap, not an end.
func TestPlayOverABrokenSegment(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"removed": os.Remove,
		"zeroed":  func(path string) error { return os.WriteFile(path, make([]byte, 100_000), 0o600) },
		"cut": func(path string) error {
			st, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, st.Size()/2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			list := media(t, testmedia.H264AAC, 6, testmedia.Options{GOP: 25})
			r := newRecording(t, 2*time.Second)
			run := r.camera.StartRun()
			began := r.write(run, list)
			run.Close(recorder.CauseCamera)
			r.flush()
			segs := r.segments()
			if len(segs) < 3 {
				t.Fatalf("%d segments", len(segs))
			}
			if err := spoil(segs[1].Path); err != nil {
				t.Fatal(err)
			}
			stretches := 0
			frames := play(t, r.shelf, began, false)
			for _, f := range frames {
				if f.Stretch {
					stretches++
				}
			}
			last := of(demux.Video, list)
			pictures := units(demux.Video, frames)
			if n := len(pictures); stretches != 2 || n >= len(last) || !bytes.Equal(pictures[n-1].Data, last[len(last)-1].Data) {
				t.Errorf("%d stretches, %d of %d pictures", stretches, n, len(last))
			}
		})
	}
}

// Files are found by the names that are listed, and by no others.
func TestFiles(t *testing.T) {
	list := media(t, testmedia.H264AAC, 6, testmedia.Options{GOP: 25})
	r := newRecording(t, 2*time.Second)
	run := r.camera.StartRun()
	began := r.write(run, list)
	r.flush()
	files, err := r.shelf.Recordings(t.Context(), began, began.Add(time.Minute), 100)
	if err != nil || len(files) < 3 {
		t.Fatalf("%+v, %v", files, err)
	}
	for i, seg := range r.segments() {
		f, err := r.shelf.OpenFile(t.Context(), files[i].Name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		f.Close()
		want, _ := os.ReadFile(seg.Path)
		if err != nil || int64(len(got)) != files[i].Size || !bytes.Equal(got, want[:len(got)]) {
			t.Errorf("%s: %d bytes, %v", files[i].Name, len(got), err)
		}
	}
	name := files[0].Name
	for _, bad := range []string{
		"", "x", "../" + name, name + "/../" + name, "../../../../etc/passwd", "index.db", name[:len(name)-4], "..\\" + name,
		name[:10] + "/" + name[11:], name[:23] + "/../../../index.db.mp4", "2026-11-24_17-05-99.123.mp4", "2031-01-01_00-00-00.000.mp4",
	} {
		if f, err := r.shelf.OpenFile(t.Context(), bad); !errors.Is(err, device.ErrNoRecording) {
			t.Errorf("%q: %v", bad, err)
			if err == nil {
				f.Close()
			}
		}
	}
	run.Close(recorder.CauseLink)
}
