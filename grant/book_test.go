// SPDX-License-Identifier: LGPL-2.1-or-later

package grant

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func openBook(t *testing.T, file string) *Book {
	t.Helper()
	b, err := OpenBook(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What one program writes, another that has the book open sees.
func TestBook(t *testing.T) {
	file := filepath.Join(t.TempDir(), BookFile)
	owner, camera := openBook(t, file), openBook(t, file)
	now := time.Now().UTC().Truncate(time.Second)
	a := Entry{ID: "a", Rights: []Right{Live}, Issued: now, Expires: now.Add(time.Hour), Viewer: "pin", Note: "the neighbour"}
	b := Entry{ID: "b", Rights: AllRights, Issued: now}
	for _, e := range []Entry{a, b} {
		if err := owner.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := owner.Add(a); err == nil {
		t.Error("one grant twice")
	}
	if camera.Revoked("a") {
		t.Error("revoked before it was")
	}
	// Also one that is not in the book.
	for _, e := range []Entry{a, {ID: "elsewhere", Rights: []Right{Voice}, Issued: now}} {
		if err := owner.Revoke(e, now); err != nil {
			t.Fatal(err)
		}
	}
	if !camera.Revoked("a") || camera.Revoked("b") || !camera.Revoked("elsewhere") {
		t.Error("the camera does not see what was revoked")
	}
	got, err := camera.Entries()
	if err != nil {
		t.Fatal(err)
	}
	a.Revoked = now
	want := []Entry{a, b, {ID: "elsewhere", Rights: []Right{Voice}, Issued: now, Revoked: now}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	var states []string
	for _, e := range got {
		states = append(states, e.State(now.Add(2*time.Hour)))
	}
	if !slices.Equal(states, []string{"revoked", "valid", "revoked"}) {
		t.Errorf("states %v", states)
	}
	if s := (Entry{Expires: now}).State(now); s != "expired" {
		t.Errorf("at its end a grant is %s", s)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A book that is damaged or gone takes back no revocation, and says so.
func TestBookFailsClosed(t *testing.T) {
	file := filepath.Join(t.TempDir(), BookFile)
	b := openBook(t, file)
	if err := b.Revoke(Entry{ID: "a"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"cut":     func() error { return os.Truncate(file, 10) },
		"garbage": func() error { return os.WriteFile(file, []byte("[]\n[]"), 0o600) },
		"gone":    func() error { return os.Remove(file) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if !b.Revoked("a") || b.Err() == nil || b.Add(Entry{ID: name}) == nil {
			t.Errorf("%s: revoked %v, error %v", name, b.Revoked("a"), b.Err())
		}
		if _, err := b.Entries(); err == nil {
			t.Errorf("%s: it can be listed", name)
		}
		os.WriteFile(file, []byte(`[{"id":"a","rights":null,"issued":"2026-01-01T00:00:00Z","revoked":"2026-01-02T00:00:00Z"}]`), 0o600)
		if !b.Revoked("a") || b.Err() != nil {
			t.Errorf("%s: not well again: %v", name, b.Err())
		}
	}
}

func TestBookRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"no list": `{"id":"a"}`, "no id": `[{"rights":[]}]`, "unknown key": `[{"id":"a","rights":[],"issued":"2026-01-01T00:00:00Z","x":1}]`,
		"no JSON": `[`, "too long": "[" + strings.Repeat(" ", maxBook) + "]",
	} {
		file := filepath.Join(t.TempDir(), BookFile)
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenBook(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Several programs at once lose nothing.
func TestBookManyWriters(t *testing.T) {
	file := filepath.Join(t.TempDir(), BookFile)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			b, err := OpenBook(file)
			for i := 0; i < 8 && err == nil; i++ {
				err = b.Add(Entry{ID: fmt.Sprint(w, "-", i)})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if e, err := openBook(t, file).Entries(); err != nil || len(e) != 32 {
		t.Errorf("%d entries, %v", len(e), err)
	}
}

func TestBookIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), BookFile)
	b := openBook(t, file)
	err := b.change(func([]Entry) ([]Entry, error) {
		l := make([]Entry, maxEntries)
		for i := range l {
			l[i] = Entry{ID: fmt.Sprint(i)}
		}
		l[0].Expires = time.Now().Add(-time.Hour)
		return l, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add(Entry{ID: "fits"}); err != nil {
		t.Errorf("in the place of an expired one: %v", err)
	}
	if err := b.Add(Entry{ID: "too many"}); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("one too many: %v", err)
	}
}

// FuzzBook: what is accepted is written and read as the same.
func FuzzBook(f *testing.F) {
	f.Add([]byte(`[{"id":"a","rights":["live"],"issued":"2026-01-01T00:00:00Z","revoked":"2026-01-02T00:00:00Z"}]`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseBook(data)
		if err != nil {
			return
		}
		file := filepath.Join(t.TempDir(), BookFile)
		if err := writeBook(file, entries); err != nil {
			return // a time that JSON has no form for
		}
		again, err := readBook(file)
		if err != nil || len(again) != len(entries) {
			t.Errorf("%+v became %+v, %v", entries, again, err)
		}
	})
}
