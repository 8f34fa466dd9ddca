// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// FS is the file layer under a storage. Names are paths as given to Open, joined.
// Tests put failing and slow ones in the place of the operating system's.
type FS interface {
	// Create makes a new file; fs.ErrExist when there is one.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (ReadFile, error)
	// MkdirAll makes dir and what leads to it, durably.
	MkdirAll(dir string) error
	// ReadDir lists a directory, sorted by name.
	ReadDir(dir string) ([]fs.DirEntry, error)
	// Truncate cuts a file to size, durably.
	Truncate(name string, size int64) error
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
	// Free is the number of bytes that can still be written to dir's file system.
	Free(dir string) (int64, error)
}

// File is a segment being written.
type File interface {
	// Writev appends the buffers, all of them or with an error.
	Writev(bufs [][]byte) (int64, error)
	// Sync makes bytes and length durable (fdatasync).
	Sync() error
	// Truncate cuts the file; what is written next goes behind size.
	Truncate(size int64) error
	Close() error
}

// ReadFile is a segment being read.
type ReadFile interface {
	io.ReaderAt
	io.Closer
	Size() (int64, error)
}

type osFS struct{}

func (osFS) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

func (osFS) Open(name string) (ReadFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return osReadFile{f}, nil
}

func (o osFS) MkdirAll(dir string) error {
	if st, err := os.Stat(dir); err == nil && st.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := o.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return o.SyncDir(parent)
}

func (osFS) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }
func (osFS) Rename(from, to string) error              { return os.Rename(from, to) }
func (osFS) Remove(name string) error                  { return os.Remove(name) }

func (osFS) Truncate(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (osFS) Free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Bavail) * st.Bsize, nil
}

type osFile struct{ f *os.File }

// maxVecs is IOV_MAX: the buffers that one writev takes.
const maxVecs = 1024

// Writev is one writev in the ordinary case; the loop is for signals and short writes.
func (o *osFile) Writev(bufs [][]byte) (int64, error) {
	var total int64
	bufs = append([][]byte(nil), bufs...)
	for len(bufs) > 0 {
		n, err := unix.Writev(int(o.f.Fd()), bufs[:min(len(bufs), maxVecs)])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return total, &fs.PathError{Op: "writev", Path: o.f.Name(), Err: err}
		}
		total += int64(n)
		for len(bufs) > 0 && n >= len(bufs[0]) {
			n -= len(bufs[0])
			bufs = bufs[1:]
		}
		if n > 0 {
			bufs[0] = bufs[0][n:]
		}
	}
	return total, nil
}

func (o *osFile) Sync() error {
	fd := int(o.f.Fd())
	if err := unix.Fdatasync(fd); err != nil {
		return &fs.PathError{Op: "fdatasync", Path: o.f.Name(), Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil && st.Nlink == 0 {
		return &fs.PathError{Op: "fdatasync", Path: o.f.Name(), Err: errRemoved}
	}
	return nil
}

// errRemoved says that somebody removed a file while it was written to: what goes into
// it is on no disk.
var errRemoved = errors.New("the file was removed while it was recorded")

func (o *osFile) Truncate(size int64) error {
	if err := o.f.Truncate(size); err != nil {
		return err
	}
	_, err := o.f.Seek(size, io.SeekStart)
	return err
}

func (o *osFile) Close() error { return o.f.Close() }

type osReadFile struct{ *os.File }

func (r osReadFile) Size() (int64, error) {
	st, err := r.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
