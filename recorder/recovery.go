// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"time"
)

// recover makes files and index agree, before anything is recorded:
//
//   - removals that were begun are ended;
//   - a segment that was being written is cut after its last whole part and its row completed;
//   - a row without a file is dropped, and what it covered is a gap;
//   - a file without a row is adopted, or put into quarantine when it holds no whole part;
//   - runs that were not ended end with their last segment.
//
// It goes day by day, with a commit for each, so that it needs neither memory nor
// syncs for every segment.
func (s *storage) recover(rebuilt bool) error {
	if err := s.recoverCameras(); err != nil {
		return err
	}
	if err := s.recoverAway(); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	days, err := s.days()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	if err := s.readDays(days, func(d *dayRead) error {
		seen[d.name()] = true
		return s.recoverDay(d)
	}); err != nil {
		return err
	}
	if err := s.recoverLostDays(seen); err != nil {
		return err
	}
	if err := s.dropRows(); err != nil {
		return err
	}
	_, err = s.index.w.Exec(`UPDATE run SET cause='crash', end=coalesce((SELECT max(end) FROM segment WHERE run=run.id), start) WHERE end IS NULL`)
	if err == nil && rebuilt {
		err = s.explainHoles()
	}
	return err
}

// recoverCameras makes the cameras known that the index or a directory has, and
// their locks, before anything can be removed.
func (s *storage) recoverCameras() error {
	known, err := s.index.cameras()
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	dirs, err := s.fs.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for id, name := range known {
		s.tally.named(id, name)
		names[name] = true
	}
	for _, d := range dirs {
		if s.isCamera(d) {
			names[d.Name()] = true
		}
	}
	for name := range names {
		if err := s.recoverLocks(name); err != nil {
			return fmt.Errorf("locks of %s: %w", name, err)
		}
	}
	return nil
}

// recoverAway counts what is in the remote store only.
func (s *storage) recoverAway() error {
	rows, err := s.index.w.Query("SELECT camera, start, end FROM segment WHERE state=3 ORDER BY camera, start")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var camera, start, end int64
		if err := rows.Scan(&camera, &start, &end); err != nil {
			return err
		}
		s.tally.covers(camera, start, end)
	}
	return rows.Err()
}

func (s *storage) isCamera(d fs.DirEntry) bool {
	return d.IsDir() && CheckName(d.Name()) == nil && d.Name() != quarantineName
}

// recoverDay makes one day agree.
func (s *storage) recoverDay(d *dayRead) error {
	names, sizes, rows := d.files, d.sizes, d.rows
	var doubtful []string
	removed := false
	for i, name := range names {
		row, known := rows[name]
		switch {
		case known && (row.state == stateRemoving || row.state == stateAway):
			if err := s.fs.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			removed = true
		case known && row.state == stateDone && row.bytes == sizes[i]:
			s.tally.add(row.camera, time.UnixMilli(row.start), time.UnixMilli(row.end), row.bytes)
			delete(rows, name)
		default:
			doubtful = append(doubtful, name)
		}
	}
	if removed {
		if err := s.fs.SyncDir(s.path(d.name())); err != nil {
			return err
		}
	}
	found, err := s.scanAll(doubtful)
	if err != nil {
		return err
	}
	maps.DeleteFunc(rows, func(_ string, r rowLite) bool { return r.state == stateAway })
	if len(found)+len(rows) == 0 {
		return nil
	}
	camera, _, err := s.index.camera(d.camera)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	s.tally.named(camera, d.camera)
	return s.index.tx(func(q querier) error {
		for i := range found {
			f := &found[i]
			row, known := rows[f.name]
			if !f.usable {
				continue // in quarantine: its row is one without a file
			}
			delete(rows, f.name)
			if known {
				err = s.repair(q, row, f)
			} else {
				err = s.adopt(q, camera, f)
			}
			if err != nil {
				return err
			}
		}
		return s.rowsWithoutFile(q, rows)
	})
}

// recoverLostDays drops the rows of days whose directory is gone.
func (s *storage) recoverLostDays(seen map[string]bool) error {
	// Days that are there have been made to agree, so counting tells whether there is more.
	_, files := s.tally.total()
	var rows int64
	if err := s.index.w.QueryRow("SELECT count(*) FROM segment WHERE state<>3").Scan(&rows); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	if rows == files+int64(len(s.gone)) {
		return nil
	}
	all, err := s.index.rowsOf("")
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	maps.DeleteFunc(all, func(name string, r rowLite) bool { return seen[path.Dir(name)] || r.state == stateAway })
	return s.index.tx(func(q querier) error { return s.rowsWithoutFile(q, all) })
}

// rowsWithoutFile drops rows. What a complete segment covered is lost, and the ledger
// says so; one that was being written is behind the last thing explained.
func (s *storage) rowsWithoutFile(q querier, rows map[string]rowLite) error {
	for _, row := range rows {
		if row.state == stateRemoving {
			s.gone = append(s.gone, row.removal())
			continue
		}
		if row.copied {
			s.archive.log.Warn("segment is not on the disk any more, but in the remote store", "storage", s.Dir, "file", row.path)
			s.tally.covers(row.camera, row.start, row.end)
			if _, err := q.Exec("UPDATE segment SET state=? WHERE id=?", stateAway, row.id); err != nil {
				return err
			}
			continue
		}
		s.archive.log.Error("segment is in the index but not on the disk", "storage", s.Dir, "file", row.path)
		if err := lost(q, row.camera, row.start, row.end); err != nil {
			return err
		}
		if err := deleteSegment(q, row.id); err != nil {
			return err
		}
	}
	return nil
}

// lost writes a gap of cause crash.
func lost(q querier, camera, from, to int64) error {
	if to <= from {
		return nil
	}
	return saveGap(q, camera, &Gap{From: time.UnixMilli(from), To: time.UnixMilli(to), Cause: CauseCrash})
}

// explainHoles makes a ledger for an index that was rebuilt: between the segments
// of a camera nobody knows any longer why there was nothing.
func (s *storage) explainHoles() error {
	_, err := s.index.w.Exec(`INSERT INTO gap(camera,start,end,cause)
		SELECT camera, before, start, 'crash' FROM (
			SELECT camera, start, max(end) OVER (PARTITION BY camera ORDER BY start, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM segment
		) WHERE before < start`)
	return err
}
