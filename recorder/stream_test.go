// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// What a camera may do to its timestamps and decoder, and what becomes of it.
func TestTimestampsAndConfigurations(t *testing.T) {
	base := media(t, testmedia.H264AAC, 3, testmedia.Options{GOP: 25})
	other := media(t, testmedia.H264AAC, 3, testmedia.Options{GOP: 25, Width: 640, Height: 360})
	mute := media(t, testmedia.H264, 3, testmedia.Options{GOP: 25})
	late := func(list []demux.Unit, d time.Duration) []demux.Unit { return shifted(list, d) }
	const second = time.Second
	cases := []struct {
		name     string
		parts    [][]demux.Unit
		runs     int
		segments int
		tracks   []string // a piece of each segment's tracks
		cause    Cause    // of a gap; "": there is none behind the first segment
	}{
		{"one stream", [][]demux.Unit{base, late(base, 3*second)}, 1, 1, []string{"aac"}, ""},
		{"jump forward", [][]demux.Unit{base, late(base, 1000*second)}, 2, 2, nil, CauseClock},
		{"jump back", [][]demux.Unit{late(base, 1000*second), base}, 2, 2, nil, CauseClock},
		{"repeated timestamps", [][]demux.Unit{base, late(base, 3*second-200*time.Millisecond)}, 1, 1, nil, ""},
		{"resolution change", [][]demux.Unit{base, late(other, 3*second)}, 1, 2, []string{"320x180", "640x360"}, ""},
		{"late audio", [][]demux.Unit{mute, late(base, 3*second)}, 1, 2, []string{"h264 320x180", "aac"}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			clock := newSimulated()
			a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}, Now: clock.now, settle: -1})
			r := camera(t, a, "cam").StartRun()
			wanted := clock.now()
			for _, p := range c.parts {
				play(t, r, clock, p)
				clock.add(40 * time.Millisecond)
			}
			r.Close(CauseLink)
			flush(t, a)
			segs := list(t, a, "cam")
			runs := map[int64]bool{}
			for i, s := range segs {
				runs[s.Run] = true
				decodesIrregular(t, s.Path)
				if i < len(c.tracks) && !strings.Contains(s.Tracks, c.tracks[i]) {
					t.Errorf("segment %d has %q, want %q", i, s.Tracks, c.tracks[i])
				}
			}
			// A cut at a key frame of the wall-clock grid may add one.
			if len(runs) != c.runs || len(segs) < c.segments || len(segs) > c.segments+1 {
				t.Errorf("%d runs, %d segments", len(runs), len(segs))
			}
			explained(t, a, "cam", wanted, clock.now())
			for _, g := range gaps(t, a, "cam") {
				if inside := g.From.After(segs[0].Start) && g.To.After(g.From); inside && g.Cause != c.cause {
					t.Errorf("gap %+v", g)
				}
			}
		})
	}
}

func TestHostileConfigurations(t *testing.T) {
	clock := newSimulated()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}, Now: clock.now})
	r := camera(t, a, "cam").StartRun()
	var config *ConfigError
	if err := r.Write(&demux.Unit{Kind: demux.Video, Codec: demux.H265, Config: true, Data: make([]byte, 60000)}); !errors.As(err, &config) {
		t.Errorf("bad hvcC: %v", err)
	}
	one := media(t, testmedia.H264, 1, testmedia.Options{})
	two := media(t, testmedia.H264, 1, testmedia.Options{Width: 640, Height: 360})
	var err error
	for i := 0; i < 1000 && err == nil; i++ {
		for _, u := range [][]demux.Unit{one, two}[i%2] {
			if u.Config && err == nil {
				err = r.Write(&u)
			}
		}
	}
	if !errors.Is(err, errUnstable) {
		t.Errorf("changing decoder: %v", err)
	}
}

// Ten hours of a camera whose 32-bit timestamps wrap in the middle, and whose sound
// begins after a minute, are one run.
func TestTenHoursOverTheWrap(t *testing.T) {
	hours := 10
	if testing.Short() {
		hours = 1
	}
	config, key := still(t, testmedia.Options{GOP: 25, Width: 64, Height: 64})
	var sound []demux.Unit
	for _, u := range media(t, testmedia.ALaw, 1, testmedia.Options{}) {
		if u.Kind == demux.Audio && !u.Config {
			u.Data = u.Data[:min(len(u.Data), 160)]
			sound = append(sound, u)
		}
	}
	clock := newSimulated()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 10 * time.Minute, Part: 10 * time.Second}}, Now: clock.now, FS: lazyFS{}, settle: -1})
	wanted := clock.now()
	r := camera(t, a, "cam").StartRun()
	pr, pw := io.Pipe()
	seconds := hours * 3600
	sent := make(chan error, 1)
	first := time.Duration(1<<32)*time.Millisecond - time.Duration(seconds/2)*time.Second
	go func() {
		w := flv.NewWriter(pw, flv.WriteOptions{})
		send := func(u demux.Unit, at time.Duration) error {
			u.DTS = at % (1 << 32 * time.Millisecond) // as the wire has it
			return w.WriteUnit(&u)
		}
		err := w.WriteHeader(true, true)
		for i := 0; i < seconds && err == nil; i++ {
			at := first + time.Duration(i)*time.Second
			if i == 0 {
				err = send(*config, at)
			}
			if err == nil {
				err = send(*key, at)
			}
			for k := 0; k < 2 && i > 60 && err == nil; k++ { // a packet is 20 ms: holes, but sound
				err = send(sound[k%len(sound)], at+time.Duration(k)*20*time.Millisecond)
			}
		}
		pw.CloseWithError(err)
		sent <- err
	}()
	reader := flv.NewReader(pr, flv.Options{})
	pictures, last := 0, time.Duration(-1)
	for {
		var tag flv.Tag
		var u demux.Unit
		if err := reader.Next(&tag, &u); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if last >= 0 && u.DTS > last {
			clock.add(u.DTS - last)
		}
		last = u.DTS
		if err := r.Write(&u); err != nil {
			t.Fatal(err)
		}
		if u.Kind == demux.Video && !u.Config {
			if pictures++; pictures%300 == 0 {
				flush(t, a)
			}
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	r.Close(CauseLink)
	flush(t, a)
	segs := list(t, a, "cam")
	keys := 0
	for i, s := range segs {
		keys += len(s.GOPs())
		if s.Run != segs[0].Run {
			t.Errorf("a new run at %v", s.Start)
		}
		if late := s.Start.Sub(wanted) > 2*time.Minute; late && !strings.Contains(s.Tracks, "alaw") {
			t.Errorf("segment %d of %v has %q", i, s.Start.Sub(wanted), s.Tracks)
		}
		if i == 0 || i == len(segs)/2 || i == len(segs)-1 {
			decodesIrregular(t, s.Path)
		}
	}
	if keys != seconds || pictures != seconds {
		t.Errorf("%d of %d pictures, %d were sent", keys, pictures, seconds)
	}
	explained(t, a, "cam", wanted, clock.now())
	if n := gaps(t, a, "cam"); len(n) > 2 {
		t.Errorf("gaps %+v", n)
	}
}

// A camera that sends a hundred times what it should costs its share of memory and
// then groups of pictures of its own; the camera beside it loses nothing.
func TestHundredfoldBitrate(t *testing.T) {
	ffs, clock := &faultFS{}, newSimulated()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}, Now: clock.now, FS: ffs, settle: -1})
	wanted := clock.now()
	list0 := media(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25})
	gate := make(chan struct{})
	ffs.set(nil, func() error { <-gate; return nil }, nil) // the disk is busy for a while
	flood, calm := camera(t, a, "flood"), camera(t, a, "calm")
	r, q := flood.StartRun(), calm.StartRun()
	const filler = 200 << 10                                        // bytes for each picture: 40 Mbit/s
	nal := append(binary.BigEndian.AppendUint32(nil, filler+1), 12) // filler data, by its type
	nal = append(nal, bytes.Repeat([]byte{0x5a}, filler)...)
	for i := range 5 {
		play(t, q, clock, shifted(list0, time.Duration(i)*4*time.Second))
		clock.add(40 * time.Millisecond)
		for _, u := range shifted(list0, time.Duration(i)*4*time.Second) {
			if u.Kind == demux.Video && !u.Config {
				u.Data = append(append([]byte(nil), u.Data...), nal...)
			}
			if err := r.Write(&u); err != nil {
				t.Fatal(err)
			}
			if n := flood.pending.Load(); n > maxPending {
				t.Fatalf("%d bytes wait for the disk", n)
			}
		}
	}
	if flood.Stats().Dropped == 0 || calm.Stats().Dropped > 0 {
		t.Errorf("dropped: %d of the one, %d of the other", flood.Stats().Dropped, calm.Stats().Dropped)
	}
	close(gate)
	flush(t, a)
	play(t, q, clock, shifted(list0, 20*time.Second))
	r.Close(CauseLink)
	q.Close(CauseLink)
	flush(t, a)
	for _, name := range []string{"flood", "calm"} {
		explained(t, a, name, wanted, clock.now())
	}
	for _, g := range gaps(t, a, "calm") {
		if !g.To.IsZero() && g.To.Sub(g.From) > time.Second {
			t.Errorf("the camera beside it has %+v", g)
		}
	}
	for _, s := range list(t, a, "") {
		decodes(t, s.Path)
	}
}

// Sound that comes before the first picture, or without end before it is known that none come,
// is not kept without bound, nor for a clock that is another's.
func TestEarlySound(t *testing.T) {
	loud := func(at time.Duration, bytes int) *demux.Unit {
		return &demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Key: true, Rate: 8000, Channels: 1, DTS: at, Data: make([]byte, bytes)}
	}
	for _, c := range []struct {
		name  string
		write func(*Run)
		want  int // units kept
	}{
		{"a second", func(r *Run) {
			for i := range 10 {
				r.Write(loud(time.Duration(i)*100*time.Millisecond, 800))
			}
		}, 10},
		{"more than there is room for", func(r *Run) {
			for i := range 20 {
				r.Write(loud(time.Duration(i)*time.Millisecond, maxEarly/8))
			}
		}, 4},
		{"the clock goes back", func(r *Run) {
			r.Write(loud(time.Minute, 800))
			r.Write(loud(time.Second, 800))
		}, 1},
		{"pictures come", func(r *Run) {
			r.Write(loud(0, 800))
			for _, u := range media(t, testmedia.H264, 1, testmedia.Options{}) {
				if u.Config {
					r.Write(&u)
				}
			}
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}, Now: newSimulated().now, settle: -1})
			r := camera(t, a, "cam").StartRun()
			c.write(r)
			bytes := 0
			for _, e := range r.early {
				bytes += len(e.unit.Data)
			}
			if len(r.early) != c.want || bytes != r.earlyBytes || bytes > maxEarly {
				t.Errorf("%d units of %d bytes are kept (%d counted), want %d", len(r.early), bytes, r.earlyBytes, c.want)
			}
			r.Close(CauseLink)
		})
	}
}
