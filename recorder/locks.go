// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Lock protects the recordings of a stretch of time: no limit removes a segment that
// overlaps it, also one that is recorded later.
type Lock struct {
	ID      string    `json:"id"`
	Camera  string    `json:"camera"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Note    string    `json:"note,omitempty"` // why; at most 1000 bytes
	Created time.Time `json:"created"`
}

// Bounds of locks: what one camera may have, and of one of them.
const (
	maxLocks    = 1000
	MaxLockNote = 1000 // bytes
	maxLockFile = 4 << 20
)

// locksName is the file in a camera's directory that has its locks, so that they
// outlive the index. It is written before the index and wins over it.
const locksName = "xp2p-locks.json"

var (
	// ErrNoCamera says that an archive has no recordings of a camera and is not told to record it.
	ErrNoCamera = errors.New("recorder: no such camera in the archive")
	// ErrNoLock says that there is no lock of that id.
	ErrNoLock = errors.New("recorder: no such lock")
)

// Lock protects [l.From, l.To) of l.Camera from every kind of removal until [Archive.Unlock];
// ID and Created are set. When it returns, the lock is on the disk.
func (a *Archive) Lock(ctx context.Context, l Lock) (Lock, error) {
	l.From, l.To = l.From.Round(time.Millisecond), l.To.Round(time.Millisecond)
	switch {
	case !l.To.After(l.From):
		return l, fmt.Errorf("lock: the end %v is not behind the beginning %v", l.To, l.From)
	case len(l.Note) > MaxLockNote:
		return l, fmt.Errorf("lock: the note has %d bytes, at most %d are kept", len(l.Note), MaxLockNote)
	}
	var id [8]byte
	rand.Read(id[:])
	l.ID, l.Created = fmt.Sprintf("%x", id), a.cfg.Now().UTC().Truncate(time.Second)
	found := false
	for _, s := range a.storages {
		err := s.on(ctx, func() error {
			row, known, err := s.index.findCamera(l.Camera)
			if err != nil || !known {
				return err
			}
			found = true
			return s.changeLocks(row, l.Camera, func(list []Lock) ([]Lock, error) {
				if len(list) >= maxLocks {
					return nil, fmt.Errorf("camera %s has %d locks already: remove one first", l.Camera, len(list))
				}
				return append(list, l), nil
			})
		})
		if err != nil {
			return l, fmt.Errorf("lock: %w", err)
		}
	}
	if !found {
		return l, fmt.Errorf("%w: %q", ErrNoCamera, l.Camera)
	}
	return l, nil
}

// Unlock ends a lock: what it protected goes when its turn comes.
func (a *Archive) Unlock(ctx context.Context, id string) error {
	found := false
	for _, s := range a.storages {
		err := s.on(ctx, func() error {
			locks, err := s.index.locks(ctx)
			if err != nil {
				return err
			}
			for _, l := range locks {
				if l.ID != id {
					continue
				}
				found = true
				row, _, err := s.index.camera(l.Camera)
				if err != nil {
					return err
				}
				return s.changeLocks(row, l.Camera, func(list []Lock) ([]Lock, error) {
					return slices.DeleteFunc(list, func(l Lock) bool { return l.ID == id }), nil
				})
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("unlock: %w", err)
		}
	}
	if !found {
		return fmt.Errorf("%w: %q", ErrNoLock, id)
	}
	return nil
}

// Locks gives the locks of a camera ("": of all), in the order of their beginning.
func (a *Archive) Locks(ctx context.Context, camera string) ([]Lock, error) {
	var list []Lock
	seen := map[string]bool{}
	for _, s := range a.storages {
		locks, err := s.index.locks(ctx)
		if err != nil {
			return nil, fmt.Errorf("list locks: %w", err)
		}
		for _, l := range locks {
			if !seen[l.ID] && (camera == "" || camera == l.Camera) {
				seen[l.ID] = true
				list = append(list, l)
			}
		}
	}
	slices.SortStableFunc(list, func(x, y Lock) int { return x.From.Compare(y.From) })
	return list, nil
}

// on runs f on the committer, behind everything that is queued, and waits for it.
// When ctx ends first, f may still run.
func (s *storage) on(ctx context.Context, f func() error) error {
	result := make(chan error, 1)
	if !s.queue.push(job{do: func() { result <- f() }}) {
		return ErrClosed
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// changeLocks changes the locks of one camera: its file first, then its rows.
func (s *storage) changeLocks(row int64, camera string, change func([]Lock) ([]Lock, error)) error {
	list, err := s.index.locksOf(camera)
	if err != nil {
		return err
	}
	if list, err = change(list); err != nil {
		return err
	}
	if err := s.writeLocks(camera, list); err != nil {
		return err
	}
	return s.index.setLocks(row, list)
}

// writeLocks makes a camera's file of locks durable; without locks there is none.
func (s *storage) writeLocks(camera string, list []Lock) error {
	dir := filepath.Join(s.Dir, camera)
	name := filepath.Join(dir, locksName)
	if len(list) == 0 {
		if err := s.fs.Remove(name); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		return s.fs.SyncDir(dir)
	}
	b, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	if err := s.fs.MkdirAll(dir); err != nil {
		return err
	}
	if err := writeSynced(name+".new", append(b, '\n')); err != nil {
		return err
	}
	if err := s.fs.Rename(name+".new", name); err != nil {
		return err
	}
	return s.fs.SyncDir(dir)
}

// recoverLocks makes the index agree with a camera's file of locks. A file that
// cannot be read is put aside, and the index has the say; no lock is lost to damage
// of one of the two.
func (s *storage) recoverLocks(camera string) error {
	rel := camera + "/" + locksName
	list, err := readLocks(s.path(rel), camera)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		if qerr := s.quarantine(rel, "locks"); qerr != nil {
			return errors.Join(err, qerr)
		}
	}
	_, known, findErr := s.index.findCamera(camera)
	if findErr != nil {
		return findErr
	}
	if err == nil {
		id, _, err := s.index.camera(camera)
		if err != nil {
			return err
		}
		return s.index.setLocks(id, list)
	}
	if !known {
		return nil
	}
	if list, err = s.index.locksOf(camera); err != nil || len(list) == 0 {
		return err
	}
	s.archive.log.Warn("file of locks was missing or damaged, it is made again from the index", "storage", s.Dir, "camera", camera, "locks", len(list))
	return s.writeLocks(camera, list)
}

// readLocks reads a file of locks; one that is not there is fs.ErrNotExist.
func readLocks(name, camera string) ([]Lock, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxLockFile {
		return nil, fmt.Errorf("%s has %d bytes", name, st.Size())
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseLocks(b, camera)
}

func parseLocks(b []byte, camera string) ([]Lock, error) {
	var list []Lock
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, err
	}
	if len(list) > maxLocks {
		return nil, fmt.Errorf("%d locks", len(list))
	}
	for i := range list {
		l := &list[i]
		if l.ID == "" || len(l.ID) > 64 || strings.ContainsAny(l.ID, "\x00") || l.Camera != camera || !l.To.After(l.From) || len(l.Note) > MaxLockNote {
			return nil, fmt.Errorf("lock %d is not one", i)
		}
		for _, before := range list[:i] {
			if before.ID == l.ID {
				return nil, fmt.Errorf("lock %s is there twice", l.ID)
			}
		}
	}
	return list, nil
}

// Rows of the index.

func (x *index) locks(ctx context.Context) ([]Lock, error) {
	rows, err := x.r.QueryContext(ctx, "SELECT c.name, l.name, l.start, l.end, l.note, l.created FROM lock l JOIN camera c ON c.id=l.camera ORDER BY l.start")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Lock
	for rows.Next() {
		var l Lock
		var from, to, created int64
		if err := rows.Scan(&l.Camera, &l.ID, &from, &to, &l.Note, &created); err != nil {
			return nil, err
		}
		l.From, l.To, l.Created = time.UnixMilli(from).UTC(), time.UnixMilli(to).UTC(), time.UnixMilli(created).UTC()
		list = append(list, l)
	}
	return list, rows.Err()
}

func (x *index) locksOf(camera string) ([]Lock, error) {
	all, err := x.locks(context.Background())
	return slices.DeleteFunc(all, func(l Lock) bool { return l.Camera != camera }), err
}

// setLocks replaces a camera's locks.
func (x *index) setLocks(camera int64, list []Lock) error {
	return x.tx(func(q querier) error {
		if _, err := q.Exec("DELETE FROM lock WHERE camera=?", camera); err != nil {
			return err
		}
		for _, l := range list {
			if _, err := q.Exec("INSERT INTO lock(camera,name,start,end,note,created) VALUES(?,?,?,?,?,?)",
				camera, l.ID, l.From.UnixMilli(), l.To.UnixMilli(), l.Note, l.Created.UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
}
