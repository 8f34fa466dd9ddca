// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"io/fs"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// crashFS is the operating system's file layer on a machine that can die at any
// moment: it knows what of a storage is durable and makes copies of what a crash
// would leave. The index is not on it; it is copied between two of its commits,
// each of which SQLite makes durable.
type crashFS struct {
	osFS
	mu    sync.Mutex
	rng   *rand.Rand
	files map[string]*crashFile // those made through it
	dead  map[string][]byte     // removed, which is not durable yet
	// moment is called in the middle of everything that changes the storage.
	moment func()
}

// crashFile is a file with what is durable of it.
type crashFile struct {
	File
	fs            *crashFS
	size, durable int64
	longest       int64 // it was since the last sync
	named         bool  // its name is durable
}

func newCrashFS(seed int64) *crashFS {
	return &crashFS{rng: rand.New(rand.NewSource(seed)), files: map[string]*crashFile{}, dead: map[string][]byte{}}
}

func (c *crashFS) now() {
	if c.moment != nil {
		c.moment()
	}
}

func (c *crashFS) Create(name string) (File, error) {
	c.now()
	f, err := c.osFS.Create(name)
	if err != nil {
		return nil, err
	}
	cf := &crashFile{File: f, fs: c}
	c.mu.Lock()
	c.files[name] = cf
	c.mu.Unlock()
	c.now()
	return cf, nil
}

func (c *crashFS) Remove(name string) error {
	b, _ := os.ReadFile(name)
	err := c.osFS.Remove(name)
	if err == nil && strings.HasSuffix(name, ".mp4") {
		c.mu.Lock()
		delete(c.files, name)
		c.dead[name] = b
		c.mu.Unlock()
	}
	c.now()
	return err
}

func (c *crashFS) Rename(from, to string) error {
	c.now()
	err := c.osFS.Rename(from, to)
	c.now()
	return err
}

func (c *crashFS) SyncDir(dir string) error {
	c.now()
	err := c.osFS.SyncDir(dir)
	c.mu.Lock()
	for name, f := range c.files {
		f.named = f.named || filepath.Dir(name) == dir
	}
	for name := range c.dead {
		if filepath.Dir(name) == dir {
			delete(c.dead, name)
		}
	}
	c.mu.Unlock()
	return err
}

// Writev is torn: the moment is when some of it is written.
func (f *crashFile) Writev(bufs [][]byte) (int64, error) {
	var all []byte
	for _, b := range bufs {
		all = append(all, b...)
	}
	cut := f.fs.rng.Intn(len(all) + 1)
	for _, b := range [][]byte{all[:cut], all[cut:]} {
		if _, err := f.File.Writev([][]byte{b}); err != nil {
			return 0, err
		}
		f.grow(int64(len(b)))
		f.fs.now()
	}
	return int64(len(all)), nil
}

func (f *crashFile) grow(n int64) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.size += n
	f.longest = max(f.longest, f.size)
}

func (f *crashFile) Sync() error {
	f.fs.now()
	err := f.File.Sync()
	f.fs.mu.Lock()
	f.durable, f.longest = f.size, f.size
	f.fs.mu.Unlock()
	f.fs.now()
	return err
}

func (f *crashFile) Truncate(size int64) error {
	err := f.File.Truncate(size)
	f.fs.mu.Lock()
	f.size = size
	f.fs.mu.Unlock()
	f.fs.now()
	return err
}

// leave copies dir to to as it is after a crash: of the process (everything that
// was written is there) or of the power (what was not synced is there, is not, or is
// torn).
func (c *crashFS) leave(t testing.TB, dir, to string, power bool) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	write := func(name string, b []byte) {
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		full := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "-shm") {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if f := c.files[name]; f != nil && power {
			if !f.named && c.rng.Intn(2) == 0 {
				return nil
			}
			b = c.torn(b, f)
		}
		write(name, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range c.dead {
		if power && c.rng.Intn(2) == 0 {
			write(name, b)
		}
	}
}

// torn is a file of which only f.durable bytes are certain: what is behind them was
// written in some blocks, and others hold zeros or what was there before.
func (c *crashFS) torn(b []byte, f *crashFile) []byte {
	size := f.durable + c.rng.Int63n(f.longest-f.durable+1)
	out := make([]byte, size)
	copy(out, b)
	const block = 512
	for at := f.durable; at < size; at += block {
		end := min(at+block, size)
		switch c.rng.Intn(4) {
		case 0:
			clear(out[at:end])
		case 1:
			c.rng.Read(out[at:end])
		}
	}
	return out
}

// testCount is how often a test of chance runs: the number in an environment variable,
// or ordinarily fewer.
func testCount(t testing.TB, variable string, ordinarily int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return ordinarily
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no number", variable, text)
	}
	return n
}

// crashesVariable asks TestCrashAtAnyMoment for that many crashes.
const crashesVariable = "XP2P_TEST_CRASHES"

// clone is a store of its own with the same files.
func (f *farStore) clone() *farStore {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &farStore{files: maps.Clone(f.files), sums: maps.Clone(f.sums)}
}

// Whatever the moment at which the process or the power fails, what was listed is
// there afterwards, files and index agree, and every instant has an explanation.
func TestCrashAtAnyMoment(t *testing.T) {
	want := testCount(t, crashesVariable, 120)
	small := media(t, testmedia.H264AAC, 2, testmedia.Options{GOP: 12, Width: 64, Height: 64})
	large := media(t, testmedia.H264AAC, 2, testmedia.Options{GOP: 12, Width: 96, Height: 64})
	for seed, done := int64(0), 0; done < want; seed++ {
		done += crashes(t, seed, want-done, small, large)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// crashes is one recording with at most n crashes in it; it says how many there were.
func crashes(t *testing.T, seed int64, n int, small, large []demux.Unit) int {
	rng := rand.New(rand.NewSource(seed))
	files, clock, dir := newCrashFS(seed), newSimulated(), t.TempDir()
	cfg := Config{Storages: []StorageConfig{{Dir: dir, Segment: 3 * time.Second, MaxBytes: 300 << 10}}, Now: clock.now, FS: files, settle: -1}
	if seed%2 == 1 { // what the limits remove is elsewhere
		cfg.Remote = &RemoteConfig{Store: newFarStore()}
	}
	a := openArchive(t, cfg)
	wanted := clock.now()
	names := []string{"gate", "yard"}
	var runs []*Run
	for _, name := range names {
		runs = append(runs, camera(t, a, name).StartRun())
	}
	count, promised := 0, 0
	moments := rand.New(rand.NewSource(^seed)) // the committer's, while rng is this goroutine's
	files.moment = func() {
		if count >= n || t.Failed() || moments.Intn(12) != 0 {
			return
		}
		count++
		promised += crash(t, a, files, cfg, names, wanted, moments.Intn(3) > 0)
	}
	at := make([]time.Duration, len(names))
	for range 12 {
		i := rng.Intn(len(names))
		list := small
		switch rng.Intn(7) {
		case 0:
			runs[i].Close(CauseLink)
			clock.add(time.Duration(rng.Intn(3000)) * time.Millisecond)
			flush(t, a) // the moment must not come while Camera waits for the committer
			runs[i], at[i] = camera(t, a, names[i]).StartRun(), 0
		case 1:
			list = large
		case 2:
			l, err := a.Lock(context.Background(), Lock{Camera: names[i], From: clock.now().Add(-time.Second), To: clock.now()})
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Unlock(context.Background(), l.ID); err != nil {
				t.Fatal(err)
			}
		}
		play(t, runs[i], clock, shifted(list, at[i]))
		at[i] += 2 * time.Second
		flush(t, a)
	}
	for _, r := range runs {
		r.Close(CauseRestart)
	}
	flush(t, a)
	if l := list(t, a, ""); len(l) > 0 && !l[len(l)-1].Remote {
		decodesIrregular(t, l[len(l)-1].Path)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if count > 10 && promised == 0 {
		t.Error("nothing was promised at any crash")
	}
	return count
}

// crash opens what a crash leaves now, and says how many segments had to be there.
func crash(t *testing.T, a *Archive, files *crashFS, cfg Config, names []string, wanted time.Time, power bool) (promised int) {
	dir := cfg.Storages[0].Dir
	to, err := os.MkdirTemp(filepath.Dir(dir), "crash")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(to)
	before := list(t, a, "")
	files.leave(t, dir, to, power)

	cfg.FS, cfg.Notify = nil, nil
	if cfg.Remote != nil { // it does not crash, and what is done with this copy is not the other's
		cfg.Remote = &RemoteConfig{Store: cfg.Remote.Store.(*farStore).clone()}
	}
	cfg.Storages = append([]StorageConfig(nil), cfg.Storages...)
	cfg.Storages[0].Dir, cfg.Storages[0].MaxBytes = to, 0
	b, err := Open(cfg)
	if err != nil {
		t.Errorf("after a crash (power %v): %v", power, err)
		return 0
	}
	defer b.Close()
	for _, name := range names {
		if _, err := b.Camera(name); err != nil {
			t.Error(err)
		}
	}
	if err := b.Flush(context.Background()); err != nil {
		t.Error(err)
	}
	after := map[string]Segment{}
	for _, s := range list(t, b, "") {
		rel, _ := filepath.Rel(to, s.Path)
		after[rel] = s
	}
	for _, s := range before {
		rel, _ := filepath.Rel(dir, s.Path)
		if got := after[rel]; got.Bytes < s.Bytes || got.End.Before(s.End) {
			t.Errorf("power %v: of %s %d bytes to %v were listed, %d to %v are there", power, rel, s.Bytes, s.End, got.Bytes, got.End)
		}
	}
	here := list(t, b, "")
	for _, s := range here {
		if f, err := s.OpenFile(t.Context()); err != nil {
			t.Errorf("power %v: %s, remote %v: %v", power, s.Path, s.Remote, err)
		} else {
			f.Close()
		}
	}
	agree(t, to, slices.DeleteFunc(here, func(s Segment) bool { return s.Remote }))
	for _, name := range names {
		if first, ok := earliest(t, b, name); ok && !first.Before(wanted) { // retention may have removed the beginning
			explained(t, b, name, first, cfg.Now())
		} else {
			t.Errorf("%s: nothing is explained (%v)", name, first)
		}
	}
	return len(before)
}

// earliest is where what is known of a camera begins.
func earliest(t testing.TB, a *Archive, camera string) (first time.Time, ok bool) {
	if segments := list(t, a, camera); len(segments) > 0 {
		first, ok = segments[0].Start, true
	}
	if all := gaps(t, a, camera); len(all) > 0 && (!ok || all[0].From.Before(first)) {
		first, ok = all[0].From, true
	}
	return first, ok
}
