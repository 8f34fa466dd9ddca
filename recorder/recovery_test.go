// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

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
		if len(after) != len(before) || after[0].End != before[0].End || len(after[0].GOPs()) != len(before[0].GOPs()) {
			t.Errorf("before %+v\nafter %+v", before, after)
		}
	})
	t.Run("index damaged", func(t *testing.T) {
		os.WriteFile(filepath.Join(dir, indexName), []byte(strings.Repeat("damage", 1000)), 0o600)
		reopen()
	})
	t.Run("a page of the index damaged", func(t *testing.T) {
		before := reopen()
		b, err := os.ReadFile(filepath.Join(dir, indexName))
		must(t, err)
		for page := 1; page < len(b)/4096; page++ { // every one but that of the header
			spoilt := bytes.Clone(b)
			for i := range 4096 {
				spoilt[page*4096+i] ^= 0xa5
			}
			must(t, os.WriteFile(filepath.Join(dir, indexName), spoilt, 0o600))
			wanted = before[0].Start // the ledger may be lost with it
			if after := reopen(); len(after) != len(before) {
				t.Errorf("page %d: %d segments of %d", page, len(after), len(before))
			}
		}
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
