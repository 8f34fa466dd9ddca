// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// faultFS is the operating system's file layer with faults put in.
type faultFS struct {
	osFS
	mu     sync.Mutex
	create func() error
	write  func() error // a write that fails writes half of its bytes first
	sync   func() error
	on     string // only in this directory; "": everywhere
}

func (f *faultFS) set(create, write, sync func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.create, f.write, f.sync = create, write, sync
}

func (f *faultFS) fault(which func(*faultFS) func() error) error {
	f.mu.Lock()
	hook := which(f)
	f.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook()
}

func (f *faultFS) Create(name string) (File, error) {
	if err := f.fault(func(f *faultFS) func() error { return f.create }); err != nil {
		return nil, err
	}
	file, err := f.osFS.Create(name)
	if !strings.HasPrefix(name, f.on) {
		return file, err
	}
	return &faultFile{file, f}, err
}

type faultFile struct {
	File
	fs *faultFS
}

func (f *faultFile) Writev(bufs [][]byte) (int64, error) {
	if err := f.fs.fault(func(f *faultFS) func() error { return f.write }); err != nil {
		n, _ := f.File.Writev([][]byte{bufs[0][:len(bufs[0])/2]})
		return n, err
	}
	return f.File.Writev(bufs)
}

func (f *faultFile) Sync() error {
	if err := f.fs.fault(func(f *faultFS) func() error { return f.sync }); err != nil {
		return err
	}
	return f.File.Sync()
}

func always(err error) func() error { return func() error { return err } }

// A storage that fails for a while costs that while: what was durable stays, the
// rest is a gap of cause disk, no file is empty, and recording goes on.
func TestStorageFails(t *testing.T) {
	cases := []struct {
		name                string
		create, write, sync func() error
	}{
		{"EIO on create", always(syscall.EIO), nil, nil},
		{"EIO on write", nil, always(syscall.EIO), nil},
		{"ENOSPC on write", nil, always(syscall.ENOSPC), nil},
		{"ENOSPC on everything", always(syscall.ENOSPC), always(syscall.ENOSPC), always(syscall.ENOSPC)},
		{"EIO on sync", nil, nil, always(syscall.EIO)},
		{"remounted read-only", always(syscall.EROFS), always(syscall.EROFS), nil},
	}
	list0 := media(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ffs := &faultFS{}
			clock := newSimulated()
			dir := t.TempDir()
			a := openArchive(t, Config{Storages: []StorageConfig{{Dir: dir, Segment: 2 * time.Second}}, Now: clock.now, FS: ffs, settle: -1})
			cam := camera(t, a, "cam")
			wanted := clock.now()
			r := cam.StartRun()
			play(t, r, clock, list0)
			flush(t, a)
			good := len(list(t, a, "cam"))
			ffs.set(c.create, c.write, c.sync)
			index := a.storages[0].index.w
			if c.name == "remounted read-only" { // the index is on the same disk
				if _, err := index.Exec("PRAGMA query_only=1"); err != nil {
					t.Fatal(err)
				}
			}
			for i := 1; i <= 3; i++ {
				play(t, r, clock, shifted(list0, time.Duration(i)*4*time.Second))
				flush(t, a)
			}
			if cam.Stats().Error == "" {
				t.Error("no error in the status")
			}
			explained(t, a, "cam", wanted, clock.now()) // while it fails, too
			ffs.set(nil, nil, nil)
			if _, err := index.Exec("PRAGMA query_only=0"); err != nil {
				t.Fatal(err)
			}
			clock.add(retryMost)
			r.Close(CauseCamera)
			r = cam.StartRun()
			for i := 0; i < 2; i++ {
				play(t, r, clock, shifted(list0, time.Duration(i)*4*time.Second))
				flush(t, a)
			}
			r.Close(CauseCamera)
			flush(t, a)
			segs := list(t, a, "cam")
			if len(segs) <= good {
				t.Errorf("%d segments, %d before the fault: it did not go on", len(segs), good)
			}
			explained(t, a, "cam", wanted, clock.now())
			disk := false
			for _, g := range gaps(t, a, "cam") {
				disk = disk || g.Cause == CauseDisk
			}
			if !disk {
				t.Errorf("no gap of cause disk: %+v", gaps(t, a, "cam"))
			}
			agree(t, dir, segs)
			for _, s := range segs {
				decodes(t, s.Path)
			}
		})
	}
}

// A disk that hangs costs the camera its share of memory and then whole groups of
// pictures; writers are not held up meanwhile.
func TestStorageHangs(t *testing.T) {
	ffs := &faultFS{}
	clock := newSimulated()
	dir := t.TempDir()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: dir}}, Now: clock.now, FS: ffs, settle: -1})
	cam := camera(t, a, "cam")
	wanted := clock.now()
	r := cam.StartRun()
	list0 := media(t, testmedia.H264, 4, testmedia.Options{GOP: 25, Kbits: 4000})
	hang, hangs := make(chan struct{}), make(chan struct{})
	hung := sync.OnceFunc(func() { close(hangs) })
	ffs.set(nil, nil, func() error { hung(); <-hang; return nil })
	for i := range 6 {
		play(t, r, clock, shifted(list0, time.Duration(i)*4*time.Second))
		<-hangs // by now
	}
	if n := cam.pending.Load(); n > maxPending {
		t.Errorf("%d bytes wait for the disk", n)
	}
	if cam.Stats().Dropped == 0 {
		t.Error("nothing was dropped")
	}
	close(hang)
	flush(t, a)
	for i := range 2 {
		play(t, r, clock, shifted(list0, time.Duration(6+i)*4*time.Second))
		flush(t, a)
	}
	r.Close(CauseCamera)
	flush(t, a)
	explained(t, a, "cam", wanted, clock.now())
	segs := list(t, a, "cam")
	if len(segs) < 2 {
		t.Errorf("%d segments", len(segs))
	}
	for _, s := range segs {
		decodes(t, s.Path)
	}
	agree(t, dir, segs)
}

// A disk that hangs stops the cameras on it alone.
func TestOneDiskHangs(t *testing.T) {
	ffs, clock := &faultFS{}, newSimulated()
	bad, good := t.TempDir(), t.TempDir()
	hang, hangs := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(hang) })
	defer release()
	hung := sync.OnceFunc(func() { close(hangs) })
	ffs.on = bad
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: bad}, {Dir: good}}, Now: clock.now, FS: ffs, settle: -1})
	wanted := clock.now()
	var onBad, onGood *CameraRecorder
	for i := 0; onBad == nil || onGood == nil; i++ {
		c := camera(t, a, fmt.Sprintf("cam%d", i))
		if c.storage.Dir == bad {
			onBad = c
		} else {
			onGood = c
		}
	}
	flush(t, a)
	ffs.set(nil, func() error { hung(); <-hang; return nil }, nil)
	list0 := media(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25})
	first, second := onBad.StartRun(), onGood.StartRun()
	for i := range 5 {
		play(t, first, clock, shifted(list0, time.Duration(i)*4*time.Second))
		clock.add(-4*time.Second + 40*time.Millisecond) // both at once
		play(t, second, clock, shifted(list0, time.Duration(i)*4*time.Second))
		if err := onGood.storage.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	<-hangs
	second.Close(CauseLink)
	if err := onGood.storage.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := list(t, a, onBad.Name()); len(n) != 0 {
		t.Errorf("the disk that hangs has %+v", n)
	}
	explained(t, a, onGood.Name(), wanted, clock.now())
	covered := a.Totals(onGood.Name(), time.Time{}, time.Time{})
	if len(covered) != 1 || covered[0].Recorded < 18*time.Second || onGood.Stats().Dropped > 0 {
		t.Errorf("%+v, %+v", covered, onGood.Stats())
	}
	release()
	first.Close(CauseLink)
	flush(t, a)
	explained(t, a, onBad.Name(), wanted, clock.now())
	for _, s := range list(t, a, "") {
		decodes(t, s.Path)
	}
}
