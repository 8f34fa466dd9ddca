// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
)

// recover makes files and index agree, before anything is recorded:
//
//   - removals that were begun are ended;
//   - a segment that was being written is cut after its last whole part and its row completed;
//   - a row without a file is dropped, and what it covered is a gap;
//   - a file without a row is adopted, or put into quarantine when it holds no whole part;
//   - runs that were not ended end with their last segment.
func (s *storage) recover(rebuilt bool) error {
	if err := s.recoverCameras(); err != nil {
		return err
	}
	rows, err := s.allRows()
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	if err := s.walk(func(name string, size int64) error {
		row, known := rows[name]
		delete(rows, name)
		switch {
		case !known:
			return s.adopt(name)
		case row.state == stateRemoving:
			return s.endRemoval(row)
		case row.state == stateOpen || row.bytes != size:
			return s.repair(row)
		}
		s.tally.add(row.camera, time.UnixMilli(row.start), time.UnixMilli(row.end), row.bytes)
		return nil
	}); err != nil {
		return err
	}
	for _, row := range rows {
		if err := s.rowWithoutFile(row); err != nil {
			return err
		}
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

func (s *storage) isCamera(d fs.DirEntry) bool {
	return d.IsDir() && CheckName(d.Name()) == nil && d.Name() != quarantineName
}

// rowsLite is what recovery compares with the files.
type rowLite struct {
	id, camera int64
	path       string
	start, end int64
	bytes      int64
	state      int
}

func (s *storage) allRows() (map[string]rowLite, error) {
	rows, err := s.index.w.Query("SELECT id, camera, path, start, end, bytes, state FROM segment")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	m := map[string]rowLite{}
	for rows.Next() {
		var r rowLite
		if err := rows.Scan(&r.id, &r.camera, &r.path, &r.start, &r.end, &r.bytes, &r.state); err != nil {
			return nil, err
		}
		m[r.path] = r
	}
	return m, rows.Err()
}

// walk calls f for every file that is named like a segment: CAMERA/DATE/TIME.mp4.
func (s *storage) walk(f func(name string, size int64) error) error {
	cameras, err := s.fs.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	for _, c := range cameras {
		if !s.isCamera(c) {
			continue
		}
		days, err := s.fs.ReadDir(filepath.Join(s.Dir, c.Name()))
		if err != nil {
			return err
		}
		for _, d := range days {
			if _, err := time.Parse("2006-01-02", d.Name()); err != nil || !d.IsDir() {
				continue
			}
			files, err := s.fs.ReadDir(filepath.Join(s.Dir, c.Name(), d.Name()))
			if err != nil {
				return err
			}
			for _, e := range files {
				info, err := e.Info()
				if err != nil || !info.Mode().IsRegular() || !strings.HasSuffix(e.Name(), ".mp4") {
					continue
				}
				if err := f(path.Join(c.Name(), d.Name(), e.Name()), info.Size()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// scan reads a file and cuts it after its last whole part. ok is false when there is none.
func (s *storage) scan(name string) (f *fmp4.File, ok bool, err error) {
	r, err := s.fs.Open(s.path(name))
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		return nil, false, err
	}
	f, err = fmp4.Scan(r, size)
	if err != nil && !errors.Is(err, fmp4.ErrNoInit) {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return nil, false, err // the disk, not the file
		}
	}
	if f.Size == 0 || len(f.Parts) == 0 {
		return f, false, nil
	}
	if f.Size < size {
		s.archive.log.Info("segment cut after its last whole part", "storage", s.Dir, "file", name, "bytes", size, "kept", f.Size)
		if err := s.fs.Truncate(s.path(name), f.Size); err != nil {
			return nil, false, err
		}
	}
	return f, true, nil
}

// fill makes the parts of a row that the file itself says.
func (r *segmentRow) fill(f *fmp4.File) {
	first, last := f.Parts[0], f.Parts[len(f.Parts)-1]
	if !first.Wall.IsZero() {
		r.start = first.Wall.Round(time.Millisecond)
	}
	since := func(p fmp4.Part, m uint64) time.Duration {
		return time.Duration(m-p.Media) * time.Second / time.Duration(p.Timescale)
	}
	span := since(last, last.Media+last.Duration)
	r.end = last.Wall.Add(span).Round(time.Millisecond)
	if last.Timescale == first.Timescale {
		r.duration = time.Duration(last.Media+last.Duration-first.Media) * time.Second / time.Duration(first.Timescale)
	} else {
		r.duration = r.end.Sub(r.start)
	}
	r.bytes, r.state, r.gops = f.Size, stateDone, nil
	for _, p := range f.Parts {
		for _, k := range p.Keys {
			r.gops = append(r.gops, GOP{Part: p.Offset, Key: k.Offset,
				Media: time.Duration(k.Media-first.Media) * time.Second / time.Duration(p.Timescale),
				Wall:  p.Wall.Add(since(p, k.Media)).Round(time.Millisecond)})
		}
	}
}

// repair completes the row of a segment that was being written, or whose file
// is not as long as the row says.
func (s *storage) repair(row rowLite) error {
	f, ok, err := s.scan(row.path)
	if err != nil {
		return err
	}
	if !ok {
		if err := s.quarantine(row.path, "empty"); err != nil {
			return err
		}
		return s.rowWithoutFile(row)
	}
	full := segmentRow{id: row.id, start: time.UnixMilli(row.start)}
	full.fill(f)
	if _, err := s.index.w.Exec("UPDATE segment SET start=? WHERE id=?", full.start.UnixMilli(), row.id); err != nil {
		return err
	}
	s.tally.add(row.camera, full.start, full.end, full.bytes)
	if lost := row.end - full.end.UnixMilli(); row.state == stateDone && lost > 0 {
		if err := s.lost(row.camera, full.end.UnixMilli(), row.end); err != nil {
			return err
		}
	}
	return s.index.finishSegment(&full)
}

// adopt indexes a file that no row knows: its run gets a row of its own.
func (s *storage) adopt(name string) error {
	f, ok, err := s.scan(name)
	if err != nil {
		return err
	}
	if !ok {
		return s.quarantine(name, "empty")
	}
	row := segmentRow{path: name}
	if row.start, err = startOfName(name); err != nil && f.Parts[0].Wall.IsZero() {
		return s.quarantine(name, "undated")
	}
	row.fill(f)
	camera, _, _ := strings.Cut(name, "/")
	if row.camera, _, err = s.index.camera(camera); err != nil {
		return err
	}
	s.tally.named(row.camera, camera)
	if row.run, err = insertRun(s.index.w, row.camera, row.start); err != nil {
		return err
	}
	for i, t := range f.Tracks {
		if i > 0 {
			row.tracks += ", "
		}
		row.tracks += t.Entry
	}
	if _, err = insertSegment(s.index.w, &row); err != nil {
		return err
	}
	s.tally.add(row.camera, row.start, row.end, row.bytes)
	s.archive.log.Info("segment adopted", "storage", s.Dir, "file", name, "bytes", row.bytes)
	return nil
}

// startOfName is the inverse of segmentName.
func startOfName(name string) (time.Time, error) {
	_, rest, _ := strings.Cut(name, "/")
	const form = "2006-01-02/15-04-05.000"
	if len(rest) < len(form) {
		return time.Time{}, fmt.Errorf("%s is not named like a segment", name)
	}
	return time.Parse(form, rest[:len(form)])
}

func (s *storage) endRemoval(row rowLite) error {
	if err := s.unlink(row.path); err != nil {
		return err
	}
	return s.index.deleteSegment(row.id)
}

// rowWithoutFile drops a row. What a complete segment covered is lost, and the
// ledger says so; one that was being written is behind the last thing explained.
func (s *storage) rowWithoutFile(row rowLite) error {
	if row.state == stateDone {
		if _, err := os.Stat(s.path(row.path)); err == nil {
			return nil
		}
		s.archive.log.Error("segment is in the index but not on the disk", "storage", s.Dir, "file", row.path)
	}
	if row.state != stateRemoving {
		cause := s.lost(row.camera, row.start, row.end)
		if cause != nil {
			return cause
		}
	}
	return s.index.deleteSegment(row.id)
}

// lost writes a gap of cause crash.
func (s *storage) lost(camera, from, to int64) error {
	if to <= from {
		return nil
	}
	return s.index.saveGap(camera, &Gap{From: time.UnixMilli(from), To: time.UnixMilli(to), Cause: CauseCrash})
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
