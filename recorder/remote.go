// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"sync"
	"time"
)

// RemoteStore keeps files away from this machine: an object store. Its methods may be
// called at once from several goroutines.
type RemoteStore interface {
	// Put stores a file's size bytes under key, in the place of what may be there, and
	// returns when the store vouches that it has them unchanged.
	Put(ctx context.Context, key string, file io.ReaderAt, size int64) error
	// Open gives what is under key for reading; fs.ErrNotExist: nothing is.
	Open(ctx context.Context, key string) (ReadFile, error)
	// Remove removes what is under key; that nothing is, is no error.
	Remove(ctx context.Context, key string) error
	// List calls f for every file whose key begins with prefix, in the order of keys, with
	// its size in bytes. An error of f ends it, and is given.
	List(ctx context.Context, prefix string, f func(key string, size int64) error) error
	// Fetch writes all of what is under key to w, and gives the SHA-256, hexadecimal, that
	// the file had when it was put, as the store kept it; "": it did not.
	Fetch(ctx context.Context, key string, w io.Writer) (sum string, err error)
}

// RemoteConfig sends complete segments to a store. Their files here stay until a
// storage's limits remove them, and none is removed that has no copy there yet, save by a
// disk that is full. What is only there is listed and played like all else.
type RemoteConfig struct {
	Store RemoteStore
	// MaxAge: copies whose segment is gone here are removed when they are older; 0: never.
	MaxAge time.Duration
	// Cameras whose segments are sent; nil: all.
	Cameras []string
}

// wants says whether a camera's segments are sent.
func (r *RemoteConfig) wants(camera string) bool {
	return r != nil && (r.Cameras == nil || slices.Contains(r.Cameras, camera))
}

// RemoteStatus is how far the copying of one storage is.
type RemoteStatus struct {
	Waiting      int64 `json:"waiting"` // complete segments without a copy
	WaitingBytes int64 `json:"waiting_bytes"`
	Away         int64 `json:"away"` // segments that are in the remote store only
	AwayBytes    int64 `json:"away_bytes"`
	// Error is why the last copy failed, "" when it did not; it is tried again.
	Error string `json:"error,omitempty"`
}

// key is a segment's name in the remote store: storages do not share names.
func (s *storage) key(name string) string { return path.Join(s.identity.ID, name) }

// OpenFile opens the segment's file for reading, or its copy in the remote store where it is
// only there. fs.ErrNotExist: it was removed.
func (seg *Segment) OpenFile(ctx context.Context) (ReadFile, error) {
	s := seg.storage
	if s == nil {
		return osFS{}.Open(seg.Path)
	}
	f, err := s.fs.Open(seg.Path)
	r := s.archive.cfg.Remote
	if r == nil || !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	far, rerr := r.Store.Open(ctx, s.key(seg.name))
	if rerr != nil {
		return nil, fmt.Errorf("%s in the remote store: %w", seg.name, rerr)
	}
	return &pagedFile{ReadFile: far}, nil
}

const (
	// pageSize is how much of a remote file is read at once, and maxPages how much of it
	// is kept: readers go through a file in small steps, and each request costs.
	pageSize = 512 << 10
	maxPages = 4
)

// pagedFile reads a file in pages and keeps the last ones.
type pagedFile struct {
	ReadFile

	mu    sync.Mutex
	pages []page // the one used last is last
}

type page struct {
	at int64 // offset in the file
	b  []byte
}

func (p *pagedFile) ReadAt(b []byte, off int64) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n < len(b) {
		at := off + int64(n)
		pg, err := p.page(at / pageSize * pageSize)
		if err != nil {
			return n, err
		}
		from := int(at - pg.at)
		if from >= len(pg.b) {
			return n, io.EOF
		}
		n += copy(b[n:], pg.b[from:])
	}
	return n, nil
}

// page gives the page at an offset, whole but for the file's last one.
func (p *pagedFile) page(at int64) (page, error) {
	if i := slices.IndexFunc(p.pages, func(x page) bool { return x.at == at }); i >= 0 {
		pg := p.pages[i]
		p.pages = append(slices.Delete(p.pages, i, i+1), pg)
		return pg, nil
	}
	pg := page{at: at}
	if len(p.pages) >= maxPages {
		pg.b = p.pages[0].b[:cap(p.pages[0].b)]
		p.pages = slices.Delete(p.pages, 0, 1)
	} else {
		pg.b = make([]byte, pageSize)
	}
	n, err := p.ReadFile.ReadAt(pg.b, at)
	if err != nil && err != io.EOF {
		return page{}, err
	}
	pg.b = pg.b[:n]
	p.pages = append(p.pages, pg)
	return pg, nil
}
