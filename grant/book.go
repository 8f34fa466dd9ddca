// SPDX-License-Identifier: LGPL-2.1-or-later

package grant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// BookFile is the name of a camera's book within its state directory.
const BookFile = "grants.json"

const (
	// maxEntries bounds a book. Entries whose grants have expired make room for new
	// ones; a camera with as many grants in force has none that could be dropped.
	maxEntries = 10_000
	maxBook    = 8 << 20 // bytes of the file
)

// Entry is one grant that a camera has issued, as its owner sees it. The
// xp2pInfo itself is not kept: it is a key.
type Entry struct {
	ID      string    `json:"id"`
	Rights  []Right   `json:"rights"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	Viewer  string    `json:"viewer,omitempty"` // pin of the only viewer's key
	Note    string    `json:"note,omitempty"`
	Revoked time.Time `json:"revoked,omitzero"` // zero: it was not
}

// EntryOf describes a grant.
func EntryOf(g *Grant, note string) Entry {
	return Entry{ID: g.ID, Rights: g.Rights, Issued: g.Issued.UTC(), Expires: utc(g.Expires), Viewer: g.Viewer, Note: note}
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

// State of a grant at a time: "valid", "expired" or "revoked".
func (e Entry) State(now time.Time) string {
	switch {
	case !e.Revoked.IsZero():
		return "revoked"
	case !e.Expires.IsZero() && !now.Before(e.Expires):
		return "expired"
	}
	return "valid"
}

// Book is the file in which a camera's owner keeps the grants that were issued and
// revoked. One program changes it while another reads it: it is replaced as a
// whole, and read again when it was.
type Book struct {
	file string

	mu      sync.Mutex // guards all below
	read    fs.FileInfo
	entries []Entry
	revoked map[string]bool
}

// OpenBook reads a book; a file that is not there is an empty one.
func OpenBook(file string) (*Book, error) {
	b := &Book{file: file}
	_, err := b.refresh()
	return b, err
}

// Entries are all grants in the book, the oldest first.
func (b *Book) Entries() ([]Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.refreshLocked(); err != nil {
		return nil, err
	}
	return slices.Clone(b.entries), nil
}

// Revoked says whether a grant was revoked, by the file as it is now. Where the
// file cannot be read any more, what was revoked before stays so.
func (b *Book) Revoked(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refreshLocked()
	return b.revoked[id]
}

// Err says why the book cannot be read now; nil: it can.
func (b *Book) Err() error {
	_, err := b.refresh()
	return err
}

func (b *Book) refresh() (changed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refreshLocked()
}

func (b *Book) refreshLocked() (changed bool, err error) {
	info, err := os.Stat(b.file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && b.read == nil:
		return false, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("the book of grants %s is gone: put it back; until then what it revoked stays revoked", b.file)
	case err != nil:
		return false, fmt.Errorf("book of grants: %w", err)
	}
	if b.read != nil && os.SameFile(info, b.read) && info.ModTime().Equal(b.read.ModTime()) && info.Size() == b.read.Size() {
		return false, nil
	}
	entries, err := readBook(b.file)
	if err != nil {
		return false, err
	}
	b.read, b.entries, b.revoked = info, entries, map[string]bool{}
	for _, e := range entries {
		if !e.Revoked.IsZero() {
			b.revoked[e.ID] = true
		}
	}
	return true, nil
}

// Add enters a new grant.
func (b *Book) Add(e Entry) error {
	return b.change(func(entries []Entry) ([]Entry, error) {
		if slices.ContainsFunc(entries, func(o Entry) bool { return o.ID == e.ID }) {
			return nil, fmt.Errorf("the grant %s is in the book already", e.ID)
		}
		return append(entries, e), nil
	})
}

// Revoke marks grants as revoked. One that is not in the book is entered, so that
// a grant made elsewhere with the camera's key can be revoked too.
func (b *Book) Revoke(e Entry, now time.Time) error {
	return b.change(func(entries []Entry) ([]Entry, error) {
		i := slices.IndexFunc(entries, func(o Entry) bool { return o.ID == e.ID })
		if i < 0 {
			entries, i = append(entries, e), len(entries)
		}
		if entries[i].Revoked.IsZero() {
			entries[i].Revoked = now.UTC().Truncate(time.Second)
		}
		return entries, nil
	})
}

// change replaces the file by what f makes of its entries. Changes by several
// programs follow one another.
func (b *Book) change(f func([]Entry) ([]Entry, error)) error {
	unlock, err := lock(b.file + ".lock")
	if err != nil {
		return fmt.Errorf("book of grants: %w", err)
	}
	defer unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.refreshLocked(); err != nil {
		return err
	}
	entries, err := f(slices.Clone(b.entries))
	if err != nil {
		return err
	}
	if len(entries) > maxEntries {
		now := time.Now()
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return !e.Expires.IsZero() && now.After(e.Expires) })
	}
	if len(entries) > maxEntries {
		return fmt.Errorf("the book of grants is full: %d are in force", maxEntries)
	}
	if err := writeBook(b.file, entries); err != nil {
		return err
	}
	_, err = b.refreshLocked()
	return err
}

func readBook(file string) ([]Entry, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("book of grants: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBook+1))
	if err != nil {
		return nil, fmt.Errorf("book of grants: %w", err)
	}
	entries, err := parseBook(data)
	if err != nil {
		return nil, fmt.Errorf("book of grants %s: %w", file, err)
	}
	return entries, nil
}

func parseBook(data []byte) ([]Entry, error) {
	if len(data) > maxBook {
		return nil, fmt.Errorf("it is longer than %d bytes", maxBook)
	}
	var entries []Entry
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&entries); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is something behind the list of grants")
	}
	for i, e := range entries {
		if e.ID == "" {
			return nil, fmt.Errorf("grant %d has no id", i)
		}
	}
	return entries, nil
}

// writeBook replaces the file: whoever reads it sees the old one or the new one,
// also after a power cut.
func writeBook(file string, entries []Entry) error {
	data, err := json.MarshalIndent(entries, "", " ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, ".grants-*") // mode 0600
	if err != nil {
		return fmt.Errorf("book of grants: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("book of grants: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("book of grants: %w", err)
	}
	defer d.Close()
	return d.Sync()
}

// lock waits for the file's lock, which the kernel gives back when its holder dies.
func lock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
