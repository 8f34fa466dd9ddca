// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

var errNothingToEvict = errors.New("recorder: no segment may be removed")

// makeRoom removes the oldest segments until the storage's limits hold. It is
// called before a segment is made.
func (s *storage) makeRoom() error {
	for s.MaxBytes > 0 && s.bytes > s.MaxBytes {
		if err := s.evictOldest(); err != nil {
			return err
		}
	}
	for s.KeepFree > 0 {
		free, err := s.fs.Free(s.Dir)
		if err != nil {
			return err
		}
		if free >= s.KeepFree {
			return nil
		}
		if err := s.evictOldest(); errors.Is(err, errNothingToEvict) {
			return nil // what fills the disk is not ours; writing decides
		} else if err != nil {
			return err
		}
	}
	return nil
}

// evictOldest removes the oldest complete segment: mark, unlink, sync, drop the
// row. A storage without limits removes nothing.
func (s *storage) evictOldest() error {
	if s.MaxBytes == 0 && s.KeepFree == 0 {
		return errNothingToEvict
	}
	var id, bytes int64
	var name string
	err := s.index.w.QueryRow("SELECT id, path, bytes FROM segment WHERE state=1 ORDER BY start LIMIT 1").Scan(&id, &name, &bytes)
	if errors.Is(err, sql.ErrNoRows) {
		return errNothingToEvict
	}
	if err == nil {
		_, err = s.index.w.Exec("UPDATE segment SET state=2 WHERE id=?", id)
	}
	if err == nil {
		err = s.unlink(name)
	}
	if err == nil {
		err = s.index.deleteSegment(id)
	}
	if err != nil {
		return fmt.Errorf("remove oldest segment %s: %w", name, err)
	}
	s.bytes -= bytes
	s.archive.log.Info("oldest segment removed", "storage", s.Dir, "file", name, "bytes", bytes)
	return nil
}

// unlink removes a file and makes that durable; one that is gone already is no error.
func (s *storage) unlink(name string) error {
	full := s.path(name)
	if err := s.fs.Remove(full); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.fs.SyncDir(filepath.Dir(full))
}
