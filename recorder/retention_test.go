// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
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

// Locked recordings are not removed by any limit. A disk that is full of them stops
// recording, says so, and goes on when one is unlocked.
func TestLocks(t *testing.T) {
	one := stills(t, 20, time.Second)
	for _, kind := range []string{"age", "camera", "total", "free"} {
		t.Run(kind, func(t *testing.T) {
			clock, disk, dir := newSimulated(), &fakeFree{size: 1 << 40}, t.TempDir()
			var notes notices
			cfg := Config{Storages: []StorageConfig{{Dir: dir, Segment: 2 * time.Second}}, Now: clock.now, FS: disk, Notify: notes.add, settle: -1}
			a := openArchive(t, cfg)
			r := camera(t, a, "cam").StartRun()
			play(t, r, clock, one)
			r.Close(CauseLink)
			flush(t, a)
			all := list(t, a, "cam")
			lock, err := a.Lock(t.Context(), Lock{Camera: "cam", From: all[2].Start.Add(time.Second), To: all[3].End, Note: "burglary"})
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			bytes := all[2].Bytes + all[3].Bytes
			switch kind {
			case "age":
				cfg.Storages[0].MaxAge = time.Second
			case "camera":
				cfg.Storages[0].MaxCameraBytes = 1
			case "total":
				cfg.Storages[0].MaxBytes = bytes - 1
			case "free":
				cfg.Storages[0].KeepFree, disk.size = 1<<20, 1<<20+bytes-1
			}
			a = openArchive(t, cfg)
			trust(t, a, clock)
			sweeps(t, a, 3)
			left := list(t, a, "cam")
			if len(left) != 2 || left[0].Path != all[2].Path || left[1].Path != all[3].Path {
				t.Fatalf("left are %+v", left)
			}
			agree(t, dir, left)

			full := kind == "total" || kind == "free"
			from := clock.now()
			r = camera(t, a, "cam").StartRun()
			play(t, r, clock, one)
			r.Close(CauseCamera)
			flush(t, a)
			st, err := a.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			f, err := a.Forecast(t.Context())
			if err != nil || f[0].Locked != bytes {
				t.Errorf("forecast %+v, %v", f, err)
			}
			if !full {
				if st[0].Error != "" || len(notes.of(NoticeFull)) > 0 {
					t.Errorf("status %+v, notices %+v", st, notes.of(NoticeFull))
				}
				return
			}
			if n := notes.of(NoticeFull); len(n) != 1 || !strings.Contains(n[0].Error, "locked") || !strings.Contains(st[0].Error, "unlock") {
				t.Errorf("notices %+v, status %+v", n, st)
			}
			disked := slices.ContainsFunc(gaps(t, a, "cam"), func(g Gap) bool { return g.Cause == CauseDisk && !g.To.Before(from) })
			if len(list(t, a, "cam")) != 2 || !disked {
				t.Errorf("%d segments, gaps %+v", len(list(t, a, "cam")), gaps(t, a, "cam"))
			}
			if err := a.Unlock(t.Context(), lock.ID); err != nil {
				t.Fatal(err)
			}
			clock.add(2 * retryMost)
			sweeps(t, a, 1)
			r = camera(t, a, "cam").StartRun()
			play(t, r, clock, one)
			r.Close(CauseCamera)
			flush(t, a)
			if got := list(t, a, "cam"); len(got) == 0 || got[len(got)-1].End.Before(from) || len(notes.of(NoticeWorks)) != 1 {
				t.Errorf("it does not go on: %+v", got)
			}
		})
	}
}

// Locks outlive an index that is lost, and a file of theirs that is lost or damaged.
func TestLocksAreKept(t *testing.T) {
	dir := t.TempDir()
	clock := newSimulated()
	cfg := Config{Storages: []StorageConfig{{Dir: dir, Segment: 2 * time.Second}}, Now: clock.now, settle: -1}
	a := openArchive(t, cfg)
	r := camera(t, a, "cam").StartRun()
	play(t, r, clock, stills(t, 10, time.Second))
	r.Close(CauseLink)
	var want []Lock
	for i := range 3 {
		l, err := a.Lock(t.Context(), Lock{Camera: "cam", From: clock.now().Add(-time.Duration(3-i) * time.Second), To: clock.now(), Note: "n"})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, l)
	}
	if err := a.Unlock(t.Context(), want[1].ID); err != nil {
		t.Fatal(err)
	}
	want = slices.Delete(want, 1, 2)
	file := filepath.Join(dir, "cam", locksName)
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"nothing", func() error { return nil }},
		{"index lost", func() error { return os.Remove(filepath.Join(dir, indexName)) }},
		{"file lost", func() error { return os.Remove(file) }},
		{"file damaged", func() error { return os.WriteFile(file, []byte("[{"), 0o600) }},
		{"file of another camera", func() error {
			return os.WriteFile(file, []byte(`[{"id":"1","camera":"other","from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}]`), 0o600)
		}},
	} {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		a = openArchive(t, cfg)
		got, err := a.Locks(t.Context(), "cam")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, want)
		}
		if l, err := readLocks(file, "cam"); err != nil || len(l) != 2 {
			t.Errorf("%s: the file has %+v, %v", c.name, l, err)
		}
	}
	for _, l := range want {
		if err := a.Unlock(t.Context(), l.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("file without locks: %v", err)
	}
}

func TestLockRefused(t *testing.T) {
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}})
	camera(t, a, "cam")
	now := time.Now()
	for name, c := range map[string]struct {
		lock Lock
		want string
	}{
		"backwards": {Lock{Camera: "cam", From: now, To: now}, "not behind"},
		"nobody":    {Lock{Camera: "other", From: now, To: now.Add(1e9)}, "no such camera"},
		"long note": {Lock{Camera: "cam", From: now, To: now.Add(1e9), Note: strings.Repeat("x", 2000)}, "note has 2000 bytes"},
	} {
		if _, err := a.Lock(t.Context(), c.lock); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.Unlock(t.Context(), "feed"); !errors.Is(err, ErrNoLock) {
		t.Errorf("unlock: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Lock(ctx, Lock{Camera: "cam", From: now, To: now.Add(1e9)}); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// FuzzLocks reads whatever a file of locks may have become.
func FuzzLocks(f *testing.F) {
	f.Add([]byte(`[{"id":"1","camera":"cam","from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z","note":"x"}]`))
	f.Add([]byte(`[{"id":"1","camera":"cam","from":"0001-01-01T00:00:00Z","to":"9999-01-02T00:00:00Z"},{}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseLocks(b, "cam")
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, l := range list {
			if l.Camera != "cam" || seen[l.ID] || !l.To.After(l.From) {
				t.Fatalf("%+v", list)
			}
			seen[l.ID] = true
		}
	})
}

func TestForecast(t *testing.T) {
	const mb = 1 << 20
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	full := func(d time.Duration) time.Time { return now.Add(d) }
	cases := []struct {
		name          string
		cfg           StorageConfig
		free          int64
		hours         int // of 30 MiB each, up to now
		locked        int64
		evicts, fills time.Time
		holds         time.Duration
	}{
		{"nothing yet", StorageConfig{}, 100 * mb, 0, 0, time.Time{}, time.Time{}, 0},
		{"no limit", StorageConfig{}, 300 * mb, 5, 0, time.Time{}, full(10 * time.Hour), 0},
		{"age later than full", StorageConfig{MaxAge: 48 * time.Hour}, 300 * mb, 5, 0, time.Time{}, full(10 * time.Hour), 0},
		{"age holds it", StorageConfig{MaxAge: 5 * time.Hour}, 300 * mb, 5, 0, time.Time{}, time.Time{}, 0},
		{"keep free", StorageConfig{KeepFree: 150 * mb}, 300 * mb, 5, 0, full(5 * time.Hour), time.Time{}, 10 * time.Hour},
		{"max bytes", StorageConfig{MaxBytes: 240 * mb}, 3600 * mb, 5, 0, full(3 * time.Hour), time.Time{}, 8 * time.Hour},
		{"reached", StorageConfig{MaxBytes: 150 * mb}, 3600 * mb, 5, 30 * mb, full(0), time.Time{}, 4 * time.Hour},
		{"locked", StorageConfig{MaxBytes: 150 * mb}, 3600 * mb, 5, 150 * mb, full(0), full(0), 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := &Archive{cfg: Config{Now: func() time.Time { return now }}}
			s := &storage{StorageConfig: c.cfg, archive: a, fs: &fakeFree{size: c.free}, tally: newTally()}
			s.Dir = t.TempDir()
			s.tally.named(1, "cam")
			for i := range c.hours * 60 {
				at := now.Add(-time.Duration(i+1) * time.Minute)
				s.tally.add(1, at, at.Add(time.Minute), 30*mb/60)
			}
			f, err := s.forecast(c.locked)
			if err != nil {
				t.Fatal(err)
			}
			near := func(x, y time.Time) bool {
				return x.IsZero() == y.IsZero() && x.Sub(y).Abs() < 2*time.Minute
			}
			if !near(f.Evicts, c.evicts) || !near(f.Full, c.fills) || (f.Holds-c.holds).Abs() > 2*time.Minute {
				t.Errorf("%+v", f)
			}
			if want := time.Duration(c.hours) * time.Hour; f.Measured != want {
				t.Errorf("measured over %v, want %v", f.Measured, want)
			}
		})
	}
}
