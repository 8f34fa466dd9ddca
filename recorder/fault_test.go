// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"errors"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// faultFS is the operating system's file layer with faults put in.
type faultFS struct {
	osFS
	mu     sync.Mutex
	create func() error
	write  func() error // a write that fails writes half of its bytes first
	sync   func() error
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
			for i := 1; i <= 3; i++ {
				play(t, r, clock, shifted(list0, time.Duration(i)*4*time.Second))
				flush(t, a)
			}
			if cam.Stats().Error == "" {
				t.Error("no error in the status")
			}
			ffs.set(nil, nil, nil)
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

// seedsVariable asks TestEveryInstantIsExplained for that many stories.
const seedsVariable = "XP2P_TEST_SEEDS"

// Whatever happens, segments and gaps together cover the time a camera was wanted.
func TestEveryInstantIsExplained(t *testing.T) {
	list0 := media(t, testmedia.H264AAC, 2, testmedia.Options{GOP: 12})
	for seed := range int64(testCount(t, seedsVariable, 12)) {
		rng := rand.New(rand.NewSource(seed))
		ffs := &faultFS{}
		clock := newSimulated()
		dir := t.TempDir()
		set := false // the host's clock was, so wall-clock time may be there twice
		cfg := Config{Storages: []StorageConfig{{Dir: dir, Segment: 3 * time.Second}}, Now: clock.now, elapsed: clock.elapsed, FS: ffs, settle: time.Duration(rng.Intn(2)*400-1) * time.Millisecond}
		if cfg.settle < 0 {
			cfg.settle = -1
		}
		a := openArchive(t, cfg)
		cam := camera(t, a, "cam")
		wanted := clock.now()
		r := cam.StartRun()
		at := time.Duration(0)
		for range 40 {
			switch rng.Intn(11) {
			case 0:
				r.Close([]Cause{CauseLink, CauseCamera}[rng.Intn(2)])
				clock.add(time.Duration(rng.Intn(5000)) * time.Millisecond)
				cam.Mark([]Cause{CauseLink, CauseCamera, CauseOverload}[rng.Intn(3)])
				clock.add(time.Duration(rng.Intn(5000)) * time.Millisecond)
				r, at = cam.StartRun(), 0
			case 1: // the camera's clock jumps, in either direction
				at += time.Duration(rng.Intn(200)-100) * time.Second
			case 2: // silence
				d := time.Duration(rng.Intn(8000)) * time.Millisecond
				clock.add(d)
				at += d
			case 3: // the camera's clock is not ours
				clock.add(time.Duration(rng.Intn(20)) * time.Millisecond)
			case 4:
				ffs.set(nil, always(syscall.ENOSPC), nil)
			case 5:
				ffs.set(nil, nil, always(syscall.EIO))
			case 6: // nothing of the sort
				clock.add(retryMost)
				at += retryMost
				ffs.set(nil, nil, nil)
			case 7: // stopped in good order and started again
				if err := a.Close(); err != nil && ffs.write == nil && ffs.sync == nil {
					t.Fatal(err)
				}
				clock.add(time.Duration(rng.Intn(5000)) * time.Millisecond)
				a = openArchive(t, cfg)
				cam = camera(t, a, "cam")
				r, at = cam.StartRun(), 0
			case 8: // killed and started again
				ffs.set(nil, nil, nil)
				flush(t, a) // the index is copied between two commits
				left := filepath.Join(t.TempDir(), "left")
				newCrashFS(seed).leave(t, dir, left, false)
				a.Close()
				clock.add(time.Duration(rng.Intn(5000)) * time.Millisecond)
				dir, cfg.Storages[0].Dir = left, left
				a = openArchive(t, cfg)
				cam = camera(t, a, "cam")
				r, at = cam.StartRun(), 0
			case 9: // the host's clock is set
				clock.set(time.Duration(rng.Intn(20000)-10000) * time.Millisecond)
				set = true
			}
			play(t, r, clock, shifted(list0, at))
			at += 2 * time.Second
			flush(t, a)
		}
		ffs.set(nil, nil, nil)
		clock.add(2 * retryMost)
		r.Close(CauseLink)
		flush(t, a)
		covers(t, a, "cam", wanted, clock.now())
		if !set {
			apart(t, a, "cam")
		}
		agree(t, dir, list(t, a, "cam"))
		a.Close()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

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

func TestStorageIdentity(t *testing.T) {
	dir := t.TempDir()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: dir}}})
	if _, err := Open(Config{Storages: []StorageConfig{{Dir: dir}}}); err == nil || !strings.Contains(err.Error(), "in use by another recorder") {
		t.Errorf("second recorder: %v", err)
	}
	st, err := a.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if b, err := Open(Config{Storages: []StorageConfig{{Dir: dir, ID: st[0].ID}}}); err != nil {
		t.Error(err)
	} else {
		b.Close()
	}
	if _, err := Open(Config{Storages: []StorageConfig{{Dir: dir, ID: "other"}}}); err == nil {
		t.Error("another disk is accepted")
	}
	if _, err := Open(Config{Storages: []StorageConfig{{Dir: t.TempDir(), ID: st[0].ID}}}); err == nil || !strings.Contains(err.Error(), "mounted") {
		t.Errorf("missing mount: %v", err)
	}
	os.Remove(filepath.Join(dir, identityName))
	if _, err := Open(Config{Storages: []StorageConfig{{Dir: dir}}}); err == nil {
		t.Error("an index without identity is accepted")
	}
}

// Files and index that do not agree at start.
func TestRecovery(t *testing.T) {
	list0 := media(t, testmedia.H264AAC, 6, testmedia.Options{GOP: 25})
	clock := newSimulated()
	dir := t.TempDir()
	cfg := Config{Storages: []StorageConfig{{Dir: dir, Segment: 2 * time.Second}}, Now: clock.now, settle: -1}
	a := openArchive(t, cfg)
	wanted := clock.now()
	r := camera(t, a, "cam").StartRun()
	play(t, r, clock, list0)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	reopen := func() []Segment {
		a = openArchive(t, cfg)
		camera(t, a, "cam")
		flush(t, a)
		segs := list(t, a, "cam")
		agree(t, dir, segs)
		explained(t, a, "cam", wanted, clock.now())
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		return segs
	}
	segs := reopen()
	if len(segs) < 3 {
		t.Fatalf("%d segments", len(segs))
	}
	t.Run("cut file", func(t *testing.T) {
		if err := os.Truncate(segs[1].Path, segs[1].Bytes-100); err != nil {
			t.Fatal(err)
		}
		got := reopen()
		if got[1].Bytes >= segs[1].Bytes || !got[1].End.Before(segs[1].End) {
			t.Errorf("%+v", got[1])
		}
		decodes(t, got[1].Path)
	})
	t.Run("missing file", func(t *testing.T) {
		os.Remove(segs[1].Path)
		if got := reopen(); len(got) != len(segs)-1 {
			t.Errorf("%d segments", len(got))
		}
	})
	t.Run("junk file", func(t *testing.T) {
		junk := filepath.Join(filepath.Dir(segs[0].Path), "20-00-00.000.mp4")
		os.WriteFile(junk, []byte("not a recording"), 0o600)
		reopen()
		if q, _ := filepath.Glob(filepath.Join(dir, quarantineName, "*20-00-00*")); len(q) != 1 {
			t.Errorf("quarantine: %v", q)
		}
	})
	t.Run("index gone", func(t *testing.T) {
		before := reopen()
		for _, f := range []string{"", "-wal", "-shm"} {
			os.Remove(filepath.Join(dir, indexName+f))
		}
		wanted = before[0].Start // the ledger before it went with the index
		after := reopen()
		if len(after) != len(before) || after[0].End != before[0].End || len(after[0].GOPs) != len(before[0].GOPs) {
			t.Errorf("before %+v\nafter %+v", before, after)
		}
	})
	t.Run("index damaged", func(t *testing.T) {
		os.WriteFile(filepath.Join(dir, indexName), []byte(strings.Repeat("damage", 1000)), 0o600)
		reopen()
	})
	t.Run("index of tomorrow", func(t *testing.T) {
		x, err := openIndex(filepath.Join(dir, indexName))
		if err != nil {
			t.Fatal(err)
		}
		x.w.Exec("PRAGMA user_version=99")
		x.close()
		if _, err := Open(cfg); !errors.Is(err, errIndexNewer) {
			t.Errorf("%v", err)
		}
	})
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
