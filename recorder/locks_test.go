// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

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
