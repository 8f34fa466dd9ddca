// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lostDisk is what is in the remote store when the disk with the recordings of two
// cameras is lost; listed is what there was of them.
func lostDisk(t *testing.T) (far *farStore, clock *simulated, cfg Config, id string, listed []Segment, files map[string][]byte) {
	t.Helper()
	clock, far = newSimulated(), newFarStore()
	cfg = Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 2 * time.Second}}, Now: clock.now, settle: -1, Remote: &RemoteConfig{Store: far}}
	a := openArchive(t, cfg)
	tenSegments(t, a, clock, "gate")
	clock.add(30 * time.Second)
	tenSegments(t, a, clock, "gate")
	tenSegments(t, a, clock, "yard")
	eventually(t, "all is copied", func() bool { return remoteStatus(t, a).Waiting == 0 && far.count() == 30 })
	listed = list(t, a, "")
	files = map[string][]byte{}
	for i := range listed {
		files[listed[i].name] = wholeFile(t, &listed[i])
	}
	st, err := a.Status(t.Context())
	must(t, err)
	must(t, a.Close())
	cfg.Storages[0].Dir = t.TempDir()
	return far, clock, cfg, st[0].ID, listed, files
}

// What a lost disk had is listed, read and exported from the remote store again; every
// moment of it is explained, and a second time there is nothing to do.
func TestRestore(t *testing.T) {
	far, clock, cfg, id, listed, files := lostDisk(t)
	found, err := RemoteStorages(t.Context(), far)
	if err != nil || !cmp.Equal(found, map[string]int64{id: 30}) {
		t.Fatalf("the store has %v, %v", found, err)
	}
	must(t, MakeStorage(cfg.Storages[0].Dir, id))
	a := openArchive(t, cfg)
	told := int64(0)
	got, err := a.Restore(t.Context(), func(r Restored) { told = r.Files })
	must(t, err)
	if got.Files != 30 || got.Known != 0 || len(got.Refused) > 0 || told != 30 {
		t.Errorf("%+v, told of %d", got, told)
	}
	check := func(a *Archive) {
		t.Helper()
		again := list(t, a, "")
		if len(again) != len(listed) {
			t.Fatalf("%d segments of %d", len(again), len(listed))
		}
		for i := range again {
			was, is := listed[i], again[i]
			if !is.Remote || is.name != was.name || !is.Start.Equal(was.Start) || is.Bytes != was.Bytes || is.End.Sub(was.End).Abs() > time.Millisecond || len(is.GOPs()) != len(was.GOPs()) {
				t.Errorf("segment %d is %+v, was %+v", i, is, was)
			}
			if !bytes.Equal(wholeFile(t, &is), files[is.name]) {
				t.Errorf("%s is another file", is.name)
			}
		}
		for _, name := range []string{"gate", "yard"} {
			first := slices.IndexFunc(again, func(s Segment) bool { return s.Camera == name })
			last := len(again) - 1
			for again[last].Camera != name {
				last--
			}
			explained(t, a, name, again[first].Start, again[last].End)
		}
	}
	check(a)
	runs := map[int64]bool{}
	for _, s := range list(t, a, "gate") {
		runs[s.Run] = true
	}
	if len(runs) != 2 || len(a.Spans("gate", time.Time{}, time.Time{}, time.Second)) != 2 {
		t.Errorf("%d runs of gate, spans %v", len(runs), a.Spans("gate", time.Time{}, time.Time{}, time.Second))
	}
	file := filepath.Join(t.TempDir(), "clip.mp4")
	if _, err := a.Export(t.Context(), ExportRequest{Camera: "gate", From: listed[0].Start, To: clock.now(), Path: file}); err != nil {
		t.Error(err)
	}
	decodes(t, file)
	if again, err := a.Restore(t.Context(), nil); err != nil || again.Files != 0 || again.Known != 30 {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	must(t, a.Close())
	a = openArchive(t, cfg) // what was restored outlives a restart, and recording goes on
	check(a)
	tenSegments(t, a, clock, "gate")
	if n := len(list(t, a, "gate")); n != 30 {
		t.Errorf("%d segments of gate, want 30", n)
	}
	for _, e := range must1(os.ReadDir(cfg.Storages[0].Dir)) {
		if strings.HasPrefix(e.Name(), ".restore") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// What was changed in the store, cut, or is no recording is refused and named; the rest is
// restored. A store that is away breaks it off, and it goes on later.
func TestRestoreRefuses(t *testing.T) {
	far, _, cfg, id, listed, _ := lostDisk(t)
	changed, cut, noHash := id+"/"+listed[0].name, id+"/"+listed[1].name, id+"/"+listed[2].name
	far.mu.Lock()
	far.files[changed] = bytes.Clone(far.files[changed])
	far.files[changed][len(far.files[changed])-1] ^= 1
	far.files[cut] = far.files[cut][:len(far.files[cut])-10]
	delete(far.sums, noHash)
	delete(far.sums, cut)
	far.files[id+"/gate/2026-11-24/garbage.mp4"] = []byte("garbage")
	far.files[id+"/../../etc/2026-11-24/17-05-03.123.mp4"] = []byte("garbage")
	far.files[id+"/gate/2026-11-24/17-05-03.999.mp4"] = []byte("no recording at all")
	far.files["0123456789abcdef/gate/2026-11-24/17-05-03.123.mp4"] = []byte("another storage's")
	far.mu.Unlock()
	must(t, MakeStorage(cfg.Storages[0].Dir, id))
	a := openArchive(t, cfg)
	errAway := errors.New("the store is away")
	far.leave(errAway)
	if _, err := a.Restore(t.Context(), nil); !errors.Is(err, errAway) {
		t.Errorf("away: %v", err)
	}
	far.leave(nil)
	got, err := a.Restore(t.Context(), nil)
	must(t, err)
	var refused []string
	for _, r := range got.Refused {
		refused = append(refused, strings.TrimPrefix(r.Key, id+"/"))
	}
	slices.Sort(refused)
	want := []string{"../../etc/2026-11-24/17-05-03.123.mp4", "gate/2026-11-24/17-05-03.999.mp4", "gate/2026-11-24/garbage.mp4", listed[0].name, listed[1].name}
	slices.Sort(want)
	if !slices.Equal(refused, want) || got.Files != 28 {
		t.Errorf("%d restored, refused %+v, want %q", got.Files, got.Refused, want)
	}
	if n := len(list(t, a, "")); n != 28 {
		t.Errorf("%d are listed", n)
	}
}

// A storage that is there keeps its identity, and nothing but one can be given.
func TestMakeStorage(t *testing.T) {
	dir := t.TempDir()
	if err := MakeStorage(dir, "../x"); err == nil {
		t.Error("an id that is none was taken")
	}
	must(t, MakeStorage(dir, "0123456789abcdef"))
	must(t, MakeStorage(dir, "0123456789abcdef"))
	if err := MakeStorage(dir, "fedcba9876543210"); err == nil || !strings.Contains(err.Error(), "0123456789abcdef") {
		t.Errorf("another id for a storage that has one: %v", err)
	}
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: dir, ID: "0123456789abcdef"}}})
	if _, err := a.Restore(t.Context(), nil); !errors.Is(err, ErrNoRemote) {
		t.Errorf("without a remote store: %v", err)
	}
}
