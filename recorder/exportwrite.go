// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// What an export that is not whole is called.
const (
	partialSuffix = ".partial"
	journalSuffix = ".partial.json"
)

// exportSync is how much is written between two entries of the journal: what an export
// that is broken off by a power failure does again.
const exportSync = 64 << 20

// journal says how far an export is, so that the same one goes on from there.
type journal struct {
	Plan  string         `json:"plan"`  // fingerprint of what is to be written
	Files []ExportedFile `json:"files"` // whole
	// Of the file being written, everything up to Bytes is on the disk; Piece is the
	// first piece behind it, and Hash the state of its SHA-256.
	Bytes int64  `json:"bytes"`
	Piece int    `json:"piece"`
	Hash  []byte `json:"hash,omitempty"`
}

const maxJournal = 64 << 20

// fingerprint tells plans apart: the headers have every sample's size and place.
func (x *planner) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %v\n", x.Camera, x.Sum)
	for _, o := range x.files {
		fmt.Fprintf(h, "%q %d\n", o.Path, len(o.head))
		h.Write(o.head)
		for _, p := range o.pieces {
			fmt.Fprintf(h, "%q %d %d\n", p.name(), p.at, p.n)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// name is where a piece comes from.
func (p *piece) name() string {
	if p.seg == nil {
		return "sound as AAC"
	}
	return p.seg.Path
}

// write writes the planned files, from where a journal of the same plan left off.
func (x *planner) write(ctx context.Context) ([]ExportedFile, error) {
	w := &exportWriter{request: &x.ExportRequest, journal: journal{Plan: x.fingerprint()}}
	for _, o := range x.files {
		w.total += o.Bytes
	}
	w.resume()
	for i, o := range x.files {
		if i < len(w.journal.Files) {
			w.done += o.Bytes
			continue
		}
		if err := x.free(o.Path); err != nil {
			return nil, err
		}
	}
	for _, o := range x.files[len(w.journal.Files):] {
		if err := w.file(ctx, o); err != nil {
			return nil, err
		}
	}
	files := make([]ExportedFile, len(x.files))
	for i, o := range x.files {
		files[i] = o.ExportedFile // JSON does not keep all of it
		files[i].SHA256 = w.journal.Files[i].SHA256
	}
	return files, nil
}

// forget removes the journal of an export that is done.
func (r *ExportRequest) forget() error {
	return errors.Join(os.Remove(r.Path+journalSuffix), osFS{}.SyncDir(filepath.Dir(r.Path)))
}

// exportWriter is an export being written.
type exportWriter struct {
	request     *ExportRequest
	journal     journal
	total, done int64

	f      *os.File
	sum    hash.Hash // nil: not wanted
	source ReadFile  // of the last piece, open, and
	from   *Segment  // whose it is
	buf    []byte
	torn   bool // the hash is ahead of the file
}

func (w *exportWriter) journalPath() string { return w.request.Path + journalSuffix }

// resume takes over the journal of the same plan. Any other one is of something else,
// and worth nothing.
func (w *exportWriter) resume() {
	st, err := os.Stat(w.journalPath())
	if err != nil || st.Size() > maxJournal {
		return
	}
	b, err := os.ReadFile(w.journalPath())
	var j journal
	if err != nil || json.Unmarshal(b, &j) != nil || j.Plan != w.journal.Plan || j.Bytes < 0 || j.Piece < 0 {
		return
	}
	for i := range j.Files {
		if st, err := os.Stat(j.Files[i].Path); err != nil || st.Size() != j.Files[i].Bytes {
			return
		}
	}
	w.journal = j
}

// file writes one file, or the rest of it.
func (w *exportWriter) file(ctx context.Context, o *plannedFile) (err error) {
	partial := o.Path + partialSuffix
	if w.f, err = os.OpenFile(partial, os.O_RDWR|os.O_CREATE, 0o640); err != nil {
		return err
	}
	defer func() {
		if w.source != nil {
			w.source.Close()
			w.source = nil
		}
		if w.f == nil {
			return
		}
		if err != nil {
			err = errors.Join(err, w.leave(partial))
		}
		w.f.Close()
	}()
	if err := unix.Flock(int(w.f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		w.f.Close()
		w.f = nil
		return fmt.Errorf("%s is being written by another export", partial)
	}
	w.sum, w.torn = nil, false
	if w.request.Sum {
		w.sum = sha256.New()
	}
	if !w.position(o) {
		w.journal.Bytes, w.journal.Piece, w.journal.Hash = 0, 0, nil
		if err := w.f.Truncate(0); err != nil {
			return err
		}
		if err := w.put(o.head); err != nil {
			return err
		}
		w.journal.Bytes = int64(len(o.head))
	} else {
		w.progress(w.journal.Bytes)
	}
	unsaved := int64(0)
	for i := w.journal.Piece; i < len(o.pieces); i++ {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		p := &o.pieces[i]
		if err := w.copy(ctx, o, p); err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
		w.journal.Piece, w.journal.Bytes = i+1, w.journal.Bytes+p.n
		if unsaved += p.n; unsaved >= exportSync {
			unsaved = 0
			if err := w.save(); err != nil {
				return err
			}
		}
	}
	return w.settle(o, partial)
}

// position goes to where the journal left the file; false: it cannot be gone on with.
func (w *exportWriter) position(o *plannedFile) bool {
	j := &w.journal
	want := int64(len(o.head))
	for i := range min(j.Piece, len(o.pieces)) {
		want += o.pieces[i].n
	}
	st, err := w.f.Stat()
	if j.Piece == 0 || j.Piece > len(o.pieces) || j.Bytes != want || err != nil || st.Size() < want {
		return false
	}
	if w.sum != nil {
		if u, ok := w.sum.(encoding.BinaryUnmarshaler); !ok || u.UnmarshalBinary(j.Hash) != nil {
			w.sum.Reset()
			return false
		}
	}
	if w.f.Truncate(want) != nil {
		return false
	}
	_, err = w.f.Seek(want, io.SeekStart)
	return err == nil
}

func (w *exportWriter) put(b []byte) error {
	if w.sum != nil {
		w.sum.Write(b)
	}
	n, err := w.f.Write(b)
	w.progress(int64(n))
	w.torn = err != nil
	return err
}

// copy copies a piece: by the kernel where nobody needs to see the bytes.
func (w *exportWriter) copy(ctx context.Context, o *plannedFile, p *piece) error {
	source, err := w.open(ctx, o, p)
	if err != nil {
		return err
	}
	if local, ok := source.(osReadFile); ok && w.sum == nil {
		if _, err := local.Seek(p.at, io.SeekStart); err != nil {
			return err
		}
		n, err := w.f.ReadFrom(io.LimitReader(local.File, p.n))
		w.progress(n)
		if err == nil && n < p.n {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if int64(len(w.buf)) < p.n {
		w.buf = make([]byte, p.n)
	}
	b := w.buf[:p.n]
	if _, err := source.ReadAt(b, p.at); err != nil {
		return err
	}
	return w.put(b)
}

// open gives the file that a piece is of. The last segment stays open: its pieces alternate
// with those of AAC.
func (w *exportWriter) open(ctx context.Context, o *plannedFile, p *piece) (ReadFile, error) {
	if p.seg == nil {
		return osReadFile{o.sound.spool}, nil
	}
	if w.source == nil || w.from != p.seg {
		f, err := p.seg.OpenFile(ctx)
		if err != nil {
			return nil, err
		}
		if w.source != nil {
			w.source.Close()
		}
		w.source, w.from = f, p.seg
	}
	return w.source, nil
}

// save makes what is written durable and notes it.
func (w *exportWriter) save() error {
	if err := unix.Fdatasync(int(w.f.Fd())); err != nil {
		return err
	}
	if w.sum != nil {
		m, ok := w.sum.(encoding.BinaryMarshaler)
		if !ok {
			return nil // it cannot be gone on with, and is begun anew
		}
		var err error
		if w.journal.Hash, err = m.MarshalBinary(); err != nil {
			return err
		}
	}
	return w.note()
}

// note writes the journal.
func (w *exportWriter) note() error {
	b, err := json.Marshal(&w.journal)
	if err != nil {
		return err
	}
	if err := writeSynced(w.journalPath()+".new", b); err != nil {
		return err
	}
	return os.Rename(w.journalPath()+".new", w.journalPath())
}

// leave keeps a file that is broken off for the next time, if there is something of it.
// A piece that was written in part is cut off then.
func (w *exportWriter) leave(partial string) error {
	switch {
	case w.torn:
		return nil // the journal has the last time it was saved
	case w.journal.Piece > 0:
		return w.save()
	}
	if len(w.journal.Files) == 0 {
		os.Remove(w.journalPath())
	}
	return os.Remove(partial)
}

// settle makes the file whole, under its name.
func (w *exportWriter) settle(o *plannedFile, partial string) error {
	if err := w.f.Sync(); err != nil {
		return err
	}
	if err := w.f.Close(); err != nil {
		return err
	}
	w.f = nil
	if err := rename(partial, o.Path, w.request.Overwrite); err != nil {
		return err
	}
	if err := (osFS{}).SyncDir(filepath.Dir(o.Path)); err != nil {
		return err
	}
	done := o.ExportedFile
	if w.sum != nil {
		done.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	}
	w.journal.Files = append(w.journal.Files, done)
	w.journal.Bytes, w.journal.Piece, w.journal.Hash = 0, 0, nil
	return w.note()
}

// rename gives a file its name; without overwrite, only if that is free.
func rename(from, to string, overwrite bool) error {
	if overwrite {
		return os.Rename(from, to)
	}
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	switch {
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%w (%s)", ErrExists, to)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS): // a file system that cannot
		if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w (%s)", ErrExists, to)
		}
		return os.Rename(from, to)
	}
	return err
}

func (w *exportWriter) progress(n int64) {
	w.done += n
	if f := w.request.Progress; f != nil {
		f(min(w.done, w.total), w.total)
	}
}
