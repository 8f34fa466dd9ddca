// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What somebody takes away from under a recorder is noticed with the next part, nothing
// is written beside it, and recording goes on where that is possible.
func TestTakenAway(t *testing.T) {
	one := stills(t, 10, time.Second)
	type scene struct {
		dir, aside string
		a          *Archive
		clock      *simulated
	}
	cases := []struct {
		name    string
		take    func(t *testing.T, s scene)
		back    func(t *testing.T, s scene) // nil: it goes on without
		say     string
		notices int // of kind failed
	}{
		{"the directory", func(t *testing.T, s scene) { must(t, os.Rename(s.dir, s.aside)) },
			func(t *testing.T, s scene) {
				if _, err := os.Lstat(s.dir); !os.IsNotExist(err) {
					t.Errorf("the recorder made the directory anew (%v)", err)
				}
				must(t, os.Rename(s.aside, s.dir))
			}, "is its disk mounted?", 1},
		{"the directory, for another storage", func(t *testing.T, s scene) {
			must(t, os.Rename(s.dir, s.aside))
			b := openArchive(t, Config{Storages: []StorageConfig{{Dir: s.dir}}})
			must(t, b.Close())
		}, func(t *testing.T, s scene) {
			if files, _ := filepath.Glob(filepath.Join(s.dir, "*", "*", "*.mp4")); len(files) > 0 {
				t.Errorf("recorded to the other storage: %v", files)
			}
			must(t, os.RemoveAll(s.dir))
			must(t, os.Rename(s.aside, s.dir))
		}, "is its disk mounted?", 1},
		{"the identity", func(t *testing.T, s scene) { must(t, os.Rename(filepath.Join(s.dir, identityName), s.aside)) },
			func(t *testing.T, s scene) { must(t, os.Rename(s.aside, filepath.Join(s.dir, identityName))) }, "is its disk mounted?", 1},
		{"the file that is written", func(t *testing.T, s scene) {
			l := list(t, s.a, "cam")
			must(t, os.Remove(l[len(l)-1].Path))
		}, nil, "removed while it was recorded", 1},
		{"the camera's directory", func(t *testing.T, s scene) { must(t, os.RemoveAll(filepath.Join(s.dir, "cam"))) }, nil, "removed while it was recorded", 1},
		{"the index", func(t *testing.T, s scene) {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				must(t, os.Remove(filepath.Join(s.dir, indexName+suffix)))
			}
		}, nil, "", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			s := scene{dir: filepath.Join(root, "archive"), aside: filepath.Join(root, "aside"), clock: newSimulated()}
			var notes notices
			cfg := Config{Storages: []StorageConfig{{Dir: s.dir}}, Now: s.clock.now, Notify: notes.add, settle: -1}
			s.a = openArchive(t, cfg)
			cam := camera(t, s.a, "cam")
			wanted := s.clock.now()
			r := cam.StartRun()
			at := time.Duration(0)
			record := func(seconds int) {
				for i := range seconds {
					// Bit by bit, so that the committer keeps up with simulated time.
					play(t, r, s.clock, shifted(one[1+i%10:2+i%10], at-one[1+i%10].DTS))
					at += time.Second
					s.clock.add(time.Second)
					flush(t, s.a)
				}
			}
			play(t, r, s.clock, one[:1])
			record(10)
			c.take(t, s)
			record(10)
			failed := notes.of(NoticeFailed)
			said := slices.ContainsFunc(failed, func(n Notice) bool { return strings.Contains(n.Error, c.say) })
			if len(failed) != c.notices || c.notices > 0 && !said {
				t.Errorf("notices %+v", failed)
			}
			if c.back != nil {
				if e := cam.Stats().Error; !strings.Contains(e, c.say) {
					t.Errorf("the camera's error is %q", e)
				}
				c.back(t, s)
			}
			record(25)
			r.Close(CauseLink)
			flush(t, s.a)
			if c.notices != len(notes.of(NoticeWorks)) {
				t.Errorf("%d times it works again", len(notes.of(NoticeWorks)))
			}
			must(t, s.a.Close())
			// The next start finds files and index, and has a reason for what is missing.
			s.a = openArchive(t, cfg)
			camera(t, s.a, "cam")
			flush(t, s.a)
			segs := list(t, s.a, "cam")
			agree(t, s.dir, segs)
			if c.name == "the index" {
				wanted = segs[0].Start // the ledger went with it
			}
			explained(t, s.a, "cam", wanted, s.clock.now())
			if len(segs) == 0 || s.clock.now().Sub(segs[len(segs)-1].End) > 2*time.Second {
				t.Errorf("it did not go on: %+v", segs)
			}
			lost := time.Duration(0)
			for _, g := range gaps(t, s.a, "cam") {
				if !g.To.IsZero() {
					lost += g.To.Sub(g.From)
				}
			}
			if most := 10*time.Second + 2*retryMost; lost > most {
				t.Errorf("%v are missing", lost)
			}
			for _, x := range segs {
				decodes(t, x.Path)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
