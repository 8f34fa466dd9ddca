// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"syscall"
	"testing"
	"time"
)

// What is being written counts as far as it is durable, and apart from what is complete.
func TestStatusCountsWhatIsOpen(t *testing.T) {
	clock := newSimulated()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}, {Dir: t.TempDir()}}, Now: clock.now, settle: -1})
	r := camera(t, a, "cam").StartRun()
	play(t, r, clock, stills(t, 5, time.Second))
	flush(t, a)
	open := list(t, a, "cam")[0]
	st, err := a.Status(t.Context())
	must(t, err)
	if n := st[0].OpenBytes + st[1].OpenBytes; n != open.Bytes || n == 0 || st[0].OpenBytes != 0 && st[1].OpenBytes != 0 || st[0].Bytes+st[1].Bytes != 0 {
		t.Errorf("%+v, want %d open", st, open.Bytes)
	}
	r.Close(CauseRestart)
	flush(t, a)
	if st, err = a.Status(t.Context()); err != nil || st[0].OpenBytes+st[1].OpenBytes != 0 || st[0].Bytes+st[1].Bytes < open.Bytes {
		t.Errorf("complete: %+v, %v", st, err)
	}
}

// A forecast does not wait for the committer, which may wait for its disk.
func TestForecastWithoutTheCommitter(t *testing.T) {
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}})
	busy, free := make(chan struct{}), make(chan struct{})
	s := a.storages[0]
	s.queue.push(job{do: func() { close(busy); <-free }})
	defer close(free)
	<-busy
	if f, err := a.Forecast(t.Context()); err != nil || len(f) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
}

// What is complete while the index takes no rows is listed as it is, and counts once.
func TestListWhileTheIndexFails(t *testing.T) {
	clock := newSimulated()
	ffs := &faultFS{}
	dir := t.TempDir()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: dir}}, Now: clock.now, FS: ffs, settle: -1})
	cam := camera(t, a, "cam")
	wanted := clock.now()
	r := cam.StartRun()
	play(t, r, clock, stills(t, 8, time.Second))
	flush(t, a)
	index := a.storages[0].index.w
	_, err := index.Exec("PRAGMA query_only=1")
	must(t, err)
	ffs.set(nil, nil, always(syscall.EIO))
	clock.add(time.Second)
	play(t, r, clock, shifted(stills(t, 8, time.Second), 8*time.Second))
	flush(t, a)
	check := func(when string) {
		t.Helper()
		explained(t, a, "cam", wanted, clock.now())
		segs := list(t, a, "cam")
		st, err := a.Status(t.Context())
		must(t, err)
		for i := range segs {
			if segs[i].Open {
				t.Errorf("%s: %+v is open", when, segs[i])
			}
		}
		if len(segs) == 0 || st[0].Bytes != sumBytes(segs) || st[0].OpenBytes != 0 {
			t.Errorf("%s: %+v, status %+v", when, segs, st)
		}
		if total := a.Totals("cam", time.Time{}, time.Time{}); len(total) != 1 || total[0].Bytes != sumBytes(segs) {
			t.Errorf("%s: totals %+v", when, total)
		}
	}
	check("while it fails")
	ffs.set(nil, nil, nil)
	_, err = index.Exec("PRAGMA query_only=0")
	must(t, err)
	r.Close(CauseCamera)
	must(t, a.storages[0].on(t.Context(), func() error { a.storages[0].payRows(); return nil }))
	check("behind it")
	if n := len(a.liveSegments()); n != 0 {
		t.Errorf("%d are shown beside the index", n)
	}
}
