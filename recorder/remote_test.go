// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// farStore is a remote store in memory that can be away.
type farStore struct {
	mu    sync.Mutex
	files map[string][]byte
	sums  map[string]string // SHA-256 of what was put
	away  error
	reads int // requests for bytes
}

func newFarStore() *farStore { return &farStore{files: map[string][]byte{}, sums: map[string]string{}} }

func (f *farStore) Put(_ context.Context, key string, file io.ReaderAt, size int64) error {
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil && err != io.EOF {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away == nil {
		f.files[key], f.sums[key] = b, fmt.Sprintf("%x", sha256.Sum256(b))
	}
	return f.away
}

func (f *farStore) Open(_ context.Context, key string) (ReadFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.files[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return farFile{f, bytes.NewReader(b)}, f.away
}

func (f *farStore) Remove(_ context.Context, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away == nil {
		delete(f.files, key)
	}
	return f.away
}

func (f *farStore) List(_ context.Context, prefix string, each func(key string, size int64) error) error {
	f.mu.Lock()
	sizes, away := map[string]int64{}, f.away
	for key, b := range f.files {
		if strings.HasPrefix(key, prefix) {
			sizes[key] = int64(len(b))
		}
	}
	f.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(sizes)) {
		if err := each(key, sizes[key]); err != nil {
			return err
		}
	}
	return away
}

func (f *farStore) Fetch(_ context.Context, key string, w io.Writer) (string, error) {
	f.mu.Lock()
	b, ok := f.files[key]
	sum, away := f.sums[key], f.away
	f.mu.Unlock()
	if !ok {
		return "", fs.ErrNotExist
	}
	if _, err := w.Write(b); err != nil {
		return "", err
	}
	return sum, away
}

func (f *farStore) leave(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = err
}

func (f *farStore) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.files)
}

type farFile struct {
	of *farStore
	r  *bytes.Reader
}

func (f farFile) ReadAt(b []byte, off int64) (int, error) {
	f.of.mu.Lock()
	f.of.reads++
	f.of.mu.Unlock()
	return f.r.ReadAt(b, off)
}
func (f farFile) Size() (int64, error) { return f.r.Size(), nil }
func (f farFile) Close() error         { return nil }

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func remoteStatus(t testing.TB, a *Archive) RemoteStatus {
	t.Helper()
	st, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return *st[0].Remote
}

// tenSegments records ten segments of 2 s of a camera.
func tenSegments(t testing.TB, a *Archive, clock *simulated, name string) {
	t.Helper()
	ms := clock.now().UnixMilli() + int64(nameHash(name))%2000
	clock.add(time.Duration(2000-ms%2000) * time.Millisecond)
	r := camera(t, a, name).StartRun()
	play(t, r, clock, stills(t, 20, time.Second))
	clock.add(time.Second)
	r.Close(CauseLink)
	flush(t, a)
}

// wholeFile reads all of a segment.
func wholeFile(t testing.TB, s *Segment) []byte {
	t.Helper()
	f, err := s.OpenFile(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", s.Path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, s.Bytes))
	if err != nil || int64(len(b)) != s.Bytes {
		t.Fatalf("%s: %d of %d bytes, %v", s.Path, len(b), s.Bytes, err)
	}
	return b
}

// What limits remove here is in the remote store: it is listed and read as before, over
// restarts too, until it is too old there.
func TestRemote(t *testing.T) {
	clock, far := newSimulated(), newFarStore()
	dir := t.TempDir()
	cfg := Config{Storages: []StorageConfig{{Dir: dir, Segment: 2 * time.Second}}, Now: clock.now, elapsed: clock.elapsed, settle: -1,
		Remote: &RemoteConfig{Store: far, Cameras: []string{"gate"}}}
	a := openArchive(t, cfg)
	tenSegments(t, a, clock, "gate")
	tenSegments(t, a, clock, "yard") // is not sent
	eventually(t, "all is copied", func() bool { return remoteStatus(t, a).Waiting == 0 && far.count() == 10 })
	before := list(t, a, "")
	want := map[string][]byte{}
	for i := range before {
		b, err := os.ReadFile(before[i].Path)
		if err != nil {
			t.Fatal(err)
		}
		want[before[i].Path] = b
	}
	spans, days := a.Spans("gate", time.Time{}, time.Time{}, 0), a.Calendar("gate", 2026, time.November, time.UTC)

	out := t.TempDir()
	exported := func(a *Archive) []byte {
		t.Helper()
		file := filepath.Join(out, "clip.mp4")
		if _, err := a.Export(t.Context(), ExportRequest{Camera: "gate", From: before[0].Start, To: clock.now(), Path: file, Overwrite: true}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	clip := exported(a)

	check := func(a *Archive, awayGate, yard int) {
		t.Helper()
		if !bytes.Equal(exported(a), clip) {
			t.Error("an export has other bytes")
		}
		after := list(t, a, "gate")
		n := 0
		for i := range after {
			s := &after[i]
			_, err := os.Stat(s.Path)
			if s.Remote != errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: remote %v, but %v", s.Path, s.Remote, err)
			}
			if s.Remote {
				n++
			}
			if !bytes.Equal(wholeFile(t, s), want[s.Path]) {
				t.Errorf("%s has other bytes", s.Path)
			}
		}
		if len(after) != 10 || n != awayGate || len(list(t, a, "yard")) != yard {
			t.Errorf("%d segments of gate, %d of them away, want 10 and %d; %d of yard, want %d", len(after), n, awayGate, len(list(t, a, "yard")), yard)
		}
		if got := a.Spans("gate", time.Time{}, time.Time{}, 0); len(got) != len(spans) || got[0] != spans[0] {
			t.Errorf("spans %+v, want %+v", got, spans)
		}
		if got := a.Calendar("gate", 2026, time.November, time.UTC); len(got) != len(days) {
			t.Errorf("days %v", got)
		}
		if st := remoteStatus(t, a); st.Away != int64(awayGate) || st.Error != "" {
			t.Errorf("%+v", st)
		}
	}
	check(a, 0, 10)
	size := before[3].Bytes
	a.SetRetention("gate", Retention{MaxBytes: 4 * size})
	a.SetRetention("yard", Retention{MaxBytes: 4 * size})
	sweeps(t, a, 3)
	check(a, 6, 4)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = openArchive(t, cfg)
	check(a, 6, 4)

	// A file that a crash left behind its row goes.
	gone := list(t, a, "gate")[0]
	a.Close()
	if err := os.MkdirAll(filepath.Dir(gone.Path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(gone.Path, want[gone.Path], 0o640); err != nil {
		t.Fatal(err)
	}
	a = openArchive(t, cfg)
	check(a, 6, 4)

	// A directory that somebody removed is in the remote store.
	a.Close()
	if err := os.RemoveAll(filepath.Join(dir, "gate")); err != nil {
		t.Fatal(err)
	}
	a = openArchive(t, cfg)
	check(a, 10, 4)
	a.Close()

	cfg.Remote = &RemoteConfig{Store: far, Cameras: []string{"gate"}, MaxAge: time.Hour}
	lock := Lock{Camera: "gate", From: before[0].Start, To: before[0].End.Add(-time.Millisecond), Note: "evidence"}
	clock.add(2 * time.Hour)
	cfg.Remote.MaxAge = 1000 * time.Hour
	a = openArchive(t, cfg)
	if _, err := a.Lock(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	a.Close()
	cfg.Remote.MaxAge = time.Hour
	a = openArchive(t, cfg)
	eventually(t, "what is too old went", func() bool { return far.count() == 1 && len(list(t, a, "gate")) == 1 })
	if got := list(t, a, "gate")[0]; got.Path != before[0].Path {
		t.Errorf("%s is left, want the locked %s", got.Path, before[0].Path)
	}
	if got := a.Spans("gate", time.Time{}, time.Time{}, 0); len(got) != 1 || !got[0].To.Equal(before[0].End) {
		t.Errorf("spans %+v", got)
	}
}

// While the store is away nothing goes that is not there, save from a disk that is full.
func TestRemoteAway(t *testing.T) {
	clock, far, disk, said := newSimulated(), newFarStore(), &fakeFree{size: 1 << 40}, &notices{}
	far.leave(errors.New("the store is away"))
	cfg := Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 2 * time.Second}}, Now: clock.now, elapsed: clock.elapsed, FS: disk, settle: -1,
		Notify: said.add, Remote: &RemoteConfig{Store: far}}
	a := openArchive(t, cfg)
	tenSegments(t, a, clock, "gate")
	size := list(t, a, "gate")[3].Bytes
	eventually(t, "it is said", func() bool { return len(said.of(NoticeRemoteFailed)) == 1 })
	if st := remoteStatus(t, a); st.Waiting != 10 || st.Away != 0 || !strings.Contains(st.Error, "away") {
		t.Errorf("%+v", st)
	}
	a.Close()
	cfg.Storages[0].MaxBytes, cfg.Storages[0].MaxCameraBytes, cfg.Storages[0].MaxAge = 4*size, 4*size, time.Minute
	a = openArchive(t, cfg)
	trust(t, a, clock)
	sweeps(t, a, 3)
	if got := list(t, a, "gate"); len(got) != 10 {
		t.Fatalf("%d segments are left of 10 that have no copy", len(got))
	}
	tenSegments(t, a, clock, "gate") // recording goes on
	if got := list(t, a, "gate"); len(got) != 20 {
		t.Fatalf("%d segments of 20", len(got))
	}
	for _, g := range gaps(t, a, "gate") {
		if g.Cause == CauseDisk {
			t.Errorf("gap %+v", g)
		}
	}
	a.Close()

	cfg.Storages[0].KeepFree = 1 << 20
	disk.mu.Lock()
	disk.size = 1<<20 + 15*size
	disk.mu.Unlock()
	a = openArchive(t, cfg)
	sweeps(t, a, 3)
	if got := list(t, a, "gate"); len(got) < 10 || len(got) > 16 {
		t.Errorf("a full disk has %d segments", len(got))
	}
	left := len(list(t, a, "gate"))
	a.Close()

	far.leave(nil)
	a = openArchive(t, cfg)
	eventually(t, "all is copied", func() bool { return remoteStatus(t, a).Waiting == 0 })
	sweeps(t, a, 10)
	if got := list(t, a, "gate"); len(got) != left || far.count() != left {
		t.Errorf("%d segments, %d copies, want %d", len(got), far.count(), left)
	}
	if st := remoteStatus(t, a); st.Away == 0 {
		t.Errorf("%+v: limits removed nothing", st)
	}
}

// The store comes back while the recorder runs.
func TestRemoteComesBack(t *testing.T) {
	clock, far, said := newSimulated(), newFarStore(), &notices{}
	far.leave(errors.New("the store is away"))
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 2 * time.Second}}, Now: clock.now, settle: -1,
		Notify: said.add, Remote: &RemoteConfig{Store: far}})
	tenSegments(t, a, clock, "gate")
	eventually(t, "it is said", func() bool { return len(said.of(NoticeRemoteFailed)) == 1 })
	far.leave(nil)
	eventually(t, "all is copied", func() bool { return far.count() == 10 && len(said.of(NoticeRemoteWorks)) == 1 })
	// A file that somebody removed before it was copied is lost, and holds up nothing.
	far.leave(errors.New("away again"))
	tenSegments(t, a, clock, "gate")
	all := list(t, a, "gate")
	for _, s := range all[10:16] {
		if err := os.Remove(s.Path); err != nil {
			t.Fatal(err)
		}
	}
	far.leave(nil)
	eventually(t, "the rest is copied", func() bool { return far.count() == 14 && remoteStatus(t, a).Waiting == 0 })
	if got := list(t, a, "gate"); len(got) != 14 {
		t.Errorf("%d segments, want 14", len(got))
	}
	lostTime := time.Duration(0)
	for _, g := range gaps(t, a, "gate") {
		if g.Cause == CauseCrash {
			lostTime += g.To.Sub(g.From)
		}
	}
	if lostTime != all[15].End.Sub(all[10].Start) {
		t.Errorf("the ledger says that %v are lost", lostTime)
	}
}

func TestPagedFile(t *testing.T) {
	far := newFarStore()
	file := make([]byte, 5*pageSize+1000)
	for i := range file {
		file[i] = byte(i * 7)
	}
	far.files["x"] = file
	f, err := far.Open(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	p := &pagedFile{ReadFile: f}
	got, err := io.ReadAll(io.NewSectionReader(p, 0, int64(len(file))))
	if err != nil || !bytes.Equal(got, file) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if far.reads != 6 {
		t.Errorf("%d requests for 6 pages", far.reads)
	}
	for _, c := range []struct {
		off, n, want int
		err          error
	}{{pageSize - 5, 10, 10, nil}, {len(file) - 5, 10, 5, io.EOF}, {len(file), 10, 0, io.EOF}, {len(file) + 5, 10, 0, io.EOF}, {3*pageSize - 1, 2*pageSize + 2, 2*pageSize + 2, nil}} {
		b := make([]byte, c.n)
		n, err := p.ReadAt(b, int64(c.off))
		if n != c.want || err != c.err || !bytes.Equal(b[:n], file[min(c.off, len(file)):][:n]) {
			t.Errorf("%d bytes at %d: %d, %v", c.n, c.off, n, err)
		}
	}
	if len(p.pages) > maxPages {
		t.Errorf("%d pages are kept", len(p.pages))
	}
}
