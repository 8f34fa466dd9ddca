// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
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
