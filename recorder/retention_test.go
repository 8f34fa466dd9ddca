// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// still is a decoder's configuration and a picture that decodes by itself.
func still(t testing.TB, o testmedia.Options) (config, key *demux.Unit) {
	list := media(t, testmedia.H264, 1, o)
	for i := range list {
		u := &list[i]
		switch {
		case u.Kind != demux.Video:
		case u.Config && config == nil:
			config = u
		case u.Key && key == nil:
			key = u
		}
	}
	config.DTS, key.DTS, key.CTS = 0, 0, 0
	return config, key
}

// stills are n pictures, step apart, each of which decodes by itself.
func stills(t testing.TB, n int, step time.Duration) []demux.Unit {
	config, key := still(t, testmedia.Options{GOP: 25})
	out := []demux.Unit{*config}
	for i := range n {
		u := *key
		u.DTS = time.Duration(i) * step
		out = append(out, u)
	}
	return out
}

// notices collects what an archive tells.
type notices struct {
	mu   sync.Mutex
	list []Notice
}

func (n *notices) add(x Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, x)
}

// of are those of one kind.
func (n *notices) of(kind NoticeKind) (list []Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, x := range n.list {
		if x.Kind == kind {
			list = append(list, x)
		}
	}
	return list
}

// fakeFree is the operating system's file layer on a disk of a given size, of which
// the segments take theirs.
type fakeFree struct {
	osFS
	mu   sync.Mutex
	size int64
}

func (f *fakeFree) Free(dir string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	free := f.size
	filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && strings.HasSuffix(path, ".mp4") {
			free -= info.Size()
		}
		return nil
	})
	return free, nil
}

// sweeps runs sweeps until they have nothing left to do.
func sweeps(t testing.TB, a *Archive, n int) {
	t.Helper()
	for range n {
		for _, s := range a.storages {
			if err := s.on(t.Context(), func() error { s.sweep(); return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// trust lets the host's clock run long enough for age to be believed.
func trust(t testing.TB, a *Archive, clock *simulated) {
	t.Helper()
	sweeps(t, a, 1)
	clock.add(clockTrust)
}

// Each limit removes the oldest it is about, nothing else, and what explained it.
func TestLimits(t *testing.T) {
	const (
		second = time.Second
		cams   = 2 // of 20 segments of 2 s each, in turn 10 of one, 10 of the other
	)
	one := stills(t, 20, second) // 10 segments
	var size int64               // of a segment
	cases := []struct {
		name   string
		change func(*StorageConfig, *fakeFree)
		keep   func() map[string]Retention
		want   map[string]int // segments left, by camera
	}{
		{"no limit", nil, nil, map[string]int{"gate": 20, "yard": 20}},
		{"age", func(s *StorageConfig, _ *fakeFree) { s.MaxAge = clockTrust + 19*second }, nil, map[string]int{"gate": 0, "yard": 10}},
		{"age of one", nil, func() map[string]Retention { return map[string]Retention{"gate": {MaxAge: clockTrust + 19*second}} }, map[string]int{"gate": 0, "yard": 20}},
		{"no age for one", func(s *StorageConfig, _ *fakeFree) { s.MaxAge = clockTrust + 19*second }, func() map[string]Retention { return map[string]Retention{"gate": {MaxAge: -1}} }, map[string]int{"gate": 20, "yard": 10}},
		{"bytes of each", func(s *StorageConfig, _ *fakeFree) { s.MaxCameraBytes = 7 * size }, nil, map[string]int{"gate": 7, "yard": 7}},
		{"bytes of one", func(s *StorageConfig, _ *fakeFree) { s.MaxCameraBytes = 7 * size }, func() map[string]Retention { return map[string]Retention{"yard": {MaxBytes: 3 * size}} }, map[string]int{"gate": 7, "yard": 3}},
		{"bytes of all", func(s *StorageConfig, _ *fakeFree) { s.MaxBytes = 25 * size }, nil, map[string]int{"gate": 5, "yard": 20}},
		{"keep free", func(s *StorageConfig, f *fakeFree) { s.KeepFree = 1 << 20; f.size = 1<<20 + 22*size }, nil, map[string]int{"gate": 2, "yard": 20}},
	}
	for i := range cases {
		c := &cases[i]
		t.Run(c.name, func(t *testing.T) {
			clock, disk := newSimulated(), &fakeFree{size: 1 << 40}
			dir := t.TempDir()
			cfg := Config{Storages: []StorageConfig{{Dir: dir, Segment: 2 * second}}, Now: clock.now, FS: disk, settle: -1}
			record := func(a *Archive, name string) {
				// A second before the camera's slot begins: all segments are of 2 s.
				ms := clock.now().UnixMilli() + int64(nameHash(name))%2000
				clock.add(time.Duration(2000-ms%2000) * time.Millisecond)
				r := camera(t, a, name).StartRun()
				for k := range 2 {
					play(t, r, clock, shifted(one, time.Duration(k)*20*second))
					clock.add(second)
				}
				r.Close(CauseLink)
				flush(t, a)
			}
			a := openArchive(t, cfg)
			record(a, "gate")
			half := list(t, a, "gate")
			record(a, "yard")
			if len(half) != 20 {
				t.Fatalf("%d segments", len(half))
			}
			size = half[3].Bytes
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				c.change(&cfg.Storages[0], disk)
			}
			a = openArchive(t, cfg)
			if c.keep != nil {
				for name, r := range c.keep() {
					a.SetRetention(name, r)
				}
			}
			trust(t, a, clock)
			sweeps(t, a, 3)
			for name, want := range c.want {
				got := list(t, a, name)
				if len(got) != want {
					t.Errorf("%s: %d segments left, want %d", name, len(got), want)
				}
				last := time.Time{}
				for _, s := range got { // those that are left are the newest
					if !last.IsZero() && s.Start.After(last) {
						t.Errorf("%s: a hole before %v", name, s.Start)
					}
					last = s.End
				}
				for _, g := range gaps(t, a, name) {
					if len(got) > 0 && !g.To.IsZero() && g.To.Before(got[0].Start) {
						t.Errorf("%s: gap %+v is before all that is kept", name, g)
					}
				}
			}
			agree(t, dir, list(t, a, ""))
			st, err := a.Status(t.Context())
			if n := c.want["gate"] + c.want["yard"]; err != nil || st[0].Segments != int64(n) || st[0].Bytes != sumBytes(list(t, a, "")) {
				t.Errorf("status %+v, %v; %d segments of %d bytes", st, err, n, sumBytes(list(t, a, "")))
			}
		})
	}
}

func sumBytes(list []Segment) (n int64) {
	for _, s := range list {
		n += s.Bytes
	}
	return n
}

// A host whose clock was just set removes nothing for its age.
func TestAgeNeedsASteadyClock(t *testing.T) {
	clock := newSimulated()
	var notes notices
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 2 * time.Second, MaxAge: time.Hour}},
		Now: clock.now, elapsed: clock.elapsed, Notify: notes.add, settle: -1})
	r := camera(t, a, "cam").StartRun()
	play(t, r, clock, stills(t, 10, time.Second))
	r.Close(CauseLink)
	flush(t, a)
	n := len(list(t, a, ""))
	trust(t, a, clock)
	sweeps(t, a, 1)
	clock.set(30 * 365 * 24 * time.Hour) // a dead battery's idea of the year
	for range 5 {
		sweeps(t, a, 1)
		clock.add(time.Minute)
	}
	if got := len(list(t, a, "")); got != n {
		t.Fatalf("%d segments of %d are left", got, n)
	}
	if steps := notes.of(NoticeClock); len(steps) != 1 || steps[0].Step < time.Hour {
		t.Errorf("notices %+v", steps)
	}
	clock.set(-30 * 365 * 24 * time.Hour)
	sweeps(t, a, 1)
	clock.add(2 * time.Hour)
	sweeps(t, a, 1)
	if got := len(list(t, a, "")); got != 0 {
		t.Errorf("%d segments are left", got)
	}
}

// The oldest segments go when the limit is reached.
func TestRetention(t *testing.T) {
	list0 := media(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25})
	clock := newSimulated()
	dir := t.TempDir()
	const limit = 400 << 10
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: dir, Segment: time.Second, MaxBytes: limit}}, Now: clock.now, settle: -1})
	r := camera(t, a, "cam").StartRun()
	for i := range 10 {
		play(t, r, clock, shifted(list0, time.Duration(i)*4*time.Second))
		flush(t, a)
	}
	r.Close(CauseLink)
	flush(t, a)
	segs := list(t, a, "cam")
	total, most := int64(0), int64(0)
	for _, s := range segs {
		total, most = total+s.Bytes, max(most, s.Bytes)
	}
	if total > limit+2*most || len(segs) < 3 {
		t.Errorf("%d bytes in %d segments", total, len(segs))
	}
	agree(t, dir, segs)
	if !segs[len(segs)-1].End.Equal(clock.now()) && clock.now().Sub(segs[len(segs)-1].End) > time.Second {
		t.Error("the newest is gone")
	}
}
