// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// countingFS counts syncs of files.
type countingFS struct {
	osFS
	syncs atomic.Int64
}

func (c *countingFS) Create(name string) (File, error) {
	f, err := c.osFS.Create(name)
	return countedFile{f, c}, err
}

type countedFile struct {
	File
	fs *countingFS
}

func (f countedFile) Sync() error {
	f.fs.syncs.Add(1)
	return f.File.Sync()
}

// settle waits until the committer has taken what is queued, without a sync that is not due.
func settle(t testing.TB, a *Archive) {
	t.Helper()
	for _, s := range a.storages {
		for range 2 { // the second is behind what the first one's batch had due
			if err := s.on(t.Context(), func() error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Files are synced as often as the policy says, and a segment's end always.
func TestSyncPolicy(t *testing.T) {
	const seconds, segment = 60, 20 // 3 or 4 segments
	for _, c := range []struct {
		policy      SyncPolicy
		least, most int64 // syncs
		lag         time.Duration
	}{
		{"", seconds - 2, seconds + 4, 3 * time.Second},
		{SyncPart, seconds - 2, seconds + 4, 3 * time.Second},
		{"5s", 3 + seconds/6 - 4, seconds/5 + 8, 8 * time.Second},
		{"10m", 3, 4, seconds * time.Second},
		{SyncSegment, 3, 4, 3 * time.Second},
	} {
		t.Run(fmt.Sprintf("%q", c.policy), func(t *testing.T) {
			clock, files := newSimulated(), &countingFS{}
			a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: segment * time.Second, Sync: c.policy}},
				Now: clock.now, elapsed: clock.elapsed, FS: files, settle: -1})
			r := camera(t, a, "cam").StartRun()
			began := clock.now()
			one := stills(t, seconds, time.Second)
			for i := range one {
				play(t, r, clock, one[i:i+1])
				if i > 1 {
					clock.add(time.Second)
				}
				settle(t, a)
				end := began
				if l := list(t, a, "cam"); len(l) > 0 {
					end = l[len(l)-1].End
				}
				if lag := clock.now().Sub(end); lag > c.lag+time.Second {
					t.Errorf("at %v the last %v are not listed", clock.now().Sub(began), lag)
				}
			}
			r.Close(CauseLink)
			flush(t, a)
			if n := files.syncs.Load(); n < c.least || n > c.most {
				t.Errorf("%d syncs, want %d to %d", n, c.least, c.most)
			}
			explained(t, a, "cam", began, clock.now())
		})
	}
}

func TestSyncPolicyRefused(t *testing.T) {
	for _, p := range []SyncPolicy{"never", "5", "0s", "100ms", "2h", "-3s"} {
		if _, err := Open(Config{Storages: []StorageConfig{{Dir: t.TempDir(), Sync: p}}}); err == nil || !strings.Contains(err.Error(), "sync: ") {
			t.Errorf("%q: %v", p, err)
		}
	}
}

// A storage that is added takes new cameras; the others go on where they are, and
// their ledgers with them.
func TestStorageAdded(t *testing.T) {
	clock := newSimulated()
	one := []StorageConfig{{Dir: t.TempDir()}}
	two := append(one, StorageConfig{Dir: t.TempDir()})
	var names []string
	for i := range 8 {
		names = append(names, fmt.Sprintf("cam%d", i))
	}
	wanted := clock.now()
	units := stills(t, 3, time.Second)
	for _, cfg := range [][]StorageConfig{one, two} {
		a := openArchive(t, Config{Storages: cfg, Now: clock.now, settle: -1})
		for _, n := range names {
			camera(t, a, n)
		}
		for _, n := range names {
			r := camera(t, a, n).StartRun()
			play(t, r, clock, units)
			r.Close(CauseLink)
		}
		flush(t, a)
		for _, n := range names {
			explained(t, a, n, wanted, clock.now())
			for _, s := range list(t, a, n) {
				if !strings.HasPrefix(s.Path, one[0].Dir) {
					t.Errorf("%s moved to %s", n, s.Path)
				}
			}
		}
		if len(cfg) == 2 {
			used := map[*storage]bool{}
			for i := range 20 {
				used[camera(t, a, fmt.Sprintf("new%d", i)).storage] = true
			}
			if len(used) != 2 {
				t.Error("new cameras are all on one storage")
			}
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(Config{Storages: append(one, one...)}); err == nil || !strings.Contains(err.Error(), "in use by another recorder") {
		t.Errorf("one directory twice: %v", err)
	}
}
