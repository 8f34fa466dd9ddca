// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"time"
)

// Retention is how much of one camera is kept. A zero field is its storage's
// default (see StorageConfig), a negative one no limit.
type Retention struct {
	// MaxAge: segments that ended longer ago are removed.
	MaxAge time.Duration
	// MaxBytes: the camera's oldest segments are removed when all of them exceed it.
	// Locked ones do not count, so that evidence does not end a camera's recording.
	MaxBytes int64
}

// SetRetention changes what is kept of a camera, from the next sweep on. It need
// not be known yet. The zero Retention is the storage's default.
func (a *Archive) SetRetention(camera string, r Retention) {
	for _, s := range a.storages {
		s.limitMu.Lock()
		s.limits[camera] = r
		s.limitMu.Unlock()
	}
}

// retention is what holds for a camera.
func (s *storage) retention(camera string) Retention {
	s.limitMu.Lock()
	r := s.limits[camera]
	s.limitMu.Unlock()
	if r.MaxAge == 0 {
		r.MaxAge = s.MaxAge
	}
	if r.MaxBytes == 0 {
		r.MaxBytes = s.MaxCameraBytes
	}
	return r
}

const (
	// sweepEvery is how often limits are applied, beside those that a new segment needs.
	sweepEvery = time.Minute
	// sweepMost is how many segments one sweep removes: they are 64 of 60 s in a
	// minute, and parts of cameras do not wait long behind them.
	sweepMost = 64
	// clockTrust is how long the host's clock must have run without being set before
	// age removes anything: a machine that boots in a wrong year must not empty its disk.
	clockTrust = 10 * time.Minute
)

// sweep applies the limits: age and bytes per camera, then those of the storage.
func (s *storage) sweep() {
	budget := sweepMost
	err := s.sweepCameras(&budget)
	if err == nil {
		err = s.makeRoom(&budget)
	}
	if full := (*FullError)(nil); err != nil && !errors.As(err, &full) {
		s.archive.log.Error("remove old recordings", "storage", s.Dir, "error", err)
	} else if full != nil {
		s.failed(full)
	}
	s.warnLow()
}

func (s *storage) sweepCameras(budget *int) error {
	now := s.archive.cfg.Now()
	if step := s.clock.observe(now, s.archive.cfg.elapsed(now)); step != 0 {
		s.archive.log.Warn("the host's clock was set; age removes nothing for a while", "storage", s.Dir, "step", step, "while", clockTrust)
		if s.first { // there is one clock for all
			s.notify(Notice{Kind: NoticeClock, Step: step})
		}
	}
	trusted := s.clock.trusted()
	for id, name := range s.tally.names() {
		if err := s.sweepEvents(id); err != nil {
			return err
		}
		r := s.retention(name)
		if r.MaxAge > 0 && trusted {
			limit := now.Add(-r.MaxAge).UnixMilli()
			if _, err := s.evict(evictable{camera: id, before: limit}, budget); err != nil {
				return err
			}
			// What is away is explained for as long as it is kept.
			if far := s.archive.cfg.Remote; far.wants(name) {
				limit = math.MinInt64
				if far.MaxAge > 0 {
					limit = now.Add(-max(far.MaxAge, r.MaxAge)).UnixMilli()
				}
			}
			if err := s.index.forgetGaps(id, limit); err != nil {
				return err
			}
		}
		if r.MaxBytes <= 0 || s.tally.bytesOf(id) <= r.MaxBytes {
			continue
		}
		locked, err := s.index.lockedBytes(id)
		if err != nil {
			return err
		}
		for *budget > 0 && s.tally.bytesOf(id)-locked > r.MaxBytes {
			one := 1
			n, err := s.evict(evictable{camera: id, before: math.MaxInt64}, &one)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			*budget -= n
		}
	}
	return nil
}

// makeRoom removes the oldest segments until the storage's limits hold. It is
// called before a segment is made, too. A *FullError says that they cannot hold.
func (s *storage) makeRoom(budget *int) error {
	for s.MaxBytes > 0 {
		bytes, _ := s.tally.total()
		if bytes <= s.MaxBytes || *budget <= 0 {
			break
		}
		if err := s.evictOldest(budget, limitBytes); err == errUncopied {
			break // more than the limit is better than less than there was
		} else if err != nil {
			return err
		}
	}
	for s.KeepFree > 0 && *budget > 0 {
		free, err := s.fs.Free(s.Dir)
		if err != nil {
			return err
		}
		if free >= s.KeepFree {
			return nil
		}
		err = s.evictOldest(budget, "keep-free")
		if full := (*FullError)(nil); errors.As(err, &full) && free+full.Locked < s.KeepFree {
			return nil // what fills the disk is not ours, locked or not; writing decides
		} else if err != nil {
			return err
		}
	}
	return nil
}

// limitBytes is the one limit that gives way to segments that have no copy yet.
const limitBytes = "max-bytes"

// errUncopied says that what could go has to be copied to the remote store before.
var errUncopied = errors.New("recorder: what could be removed has no copy yet")

// evictOldest removes the oldest segment of all: one with a copy, if there is a remote
// store, or else any if the disk has no room. A storage without limits in bytes removes
// nothing.
func (s *storage) evictOldest(budget *int, limit string) error {
	limited := s.MaxBytes > 0 || s.KeepFree > 0
	if limited {
		one := 1
		n, err := s.evict(evictable{before: math.MaxInt64}, &one)
		if err == nil && n == 0 && s.archive.cfg.Remote != nil {
			waiting, werr := s.index.victims(evictable{before: math.MaxInt64, uncopied: true}, 1, s.keeps)
			switch {
			case werr != nil:
				return werr
			case len(waiting) > 0 && limit == limitBytes:
				return errUncopied
			case len(waiting) > 0:
				s.archive.log.Error("the disk is full: the oldest segment goes without a copy in the remote store", "storage", s.Dir, "file", waiting[0].path)
				n, err = s.evict(evictable{before: math.MaxInt64, uncopied: true}, &one)
			}
		}
		if err != nil || n > 0 {
			*budget -= n
			return err
		}
	}
	locked, err := s.index.lockedBytes(0)
	if err != nil {
		return err
	}
	return &FullError{Dir: s.Dir, Limit: limit, Locked: locked, Limited: limited}
}

// keeps says whether a segment is not to be removed, whatever the limits: an export
// reads it, or it is gone already and only its row is left.
func (s *storage) keeps(v removal) bool {
	s.limitMu.Lock()
	pinned := s.pins[s.path(v.path)] > 0
	s.limitMu.Unlock()
	if pinned {
		return true
	}
	return slices.ContainsFunc(s.gone, func(g removal) bool { return g.id == v.id })
}

// waits says whether a segment has to be copied to the remote store before it goes.
func (s *storage) waits(v removal) bool {
	return !v.copied && s.archive.cfg.Remote.wants(s.tally.nameOf(v.camera))
}

// evictable says which complete segments may go: of a camera (0: of all), that ended
// before a time (Unix ms). Locked ones may not, nor those that have to be copied to the
// remote store before, unless uncopied.
type evictable struct {
	camera, before int64
	uncopied       bool
}

// removal is a segment that is to go.
type removal struct {
	id, camera, run  int64
	path             string
	start, end, size int64
	copied           bool
}

// evict removes the oldest segments of v, as many as budget allows and not more, and
// says how many: mark, unlink, sync, drop the row.
func (s *storage) evict(v evictable, budget *int) (n int, err error) {
	list, err := s.index.victims(v, *budget, func(r removal) bool { return s.keeps(r) || !v.uncopied && s.waits(r) })
	if err != nil || len(list) == 0 {
		return 0, err
	}
	marked := s.index.mark(list)
	if marked != nil && !isFull(marked) {
		return 0, fmt.Errorf("remove oldest segments: %w", marked)
	}
	// An index that has no room to mark gets it by what goes now: a crash before the row
	// is dropped then shows as a lost segment, no worse.
	dirs := map[string]bool{}
	for i := range list {
		full := s.path(list[i].path)
		if rerr := s.fs.Remove(full); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = fmt.Errorf("remove oldest segments: %w", rerr)
			list = list[:i]
			break
		}
		dirs[filepath.Dir(full)] = true
	}
	for dir := range dirs {
		if serr := s.fs.SyncDir(dir); serr != nil && !errors.Is(serr, fs.ErrNotExist) {
			return 0, errors.Join(err, fmt.Errorf("remove oldest segments: %w", serr))
		}
	}
	var away []removal
	for _, v := range list {
		*budget--
		if v.copied {
			s.tally.away(v.camera, v.start, v.end, v.size)
			away = append(away, v)
			continue
		}
		s.tally.remove(v.camera, v.start, v.end, v.size)
		s.gone = append(s.gone, v)
	}
	if marked != nil && len(away) > 0 { // there is room now
		if merr := s.index.mark(away); merr != nil {
			err = errors.Join(err, fmt.Errorf("note what is in the remote store only: %w", merr))
		}
	}
	if derr := s.dropRows(); derr != nil {
		err = errors.Join(err, fmt.Errorf("drop rows of removed segments: %w", derr))
	}
	for dir := range dirs {
		s.removeDay(dir)
	}
	s.archive.log.Info("oldest segments removed", "storage", s.Dir, "first", firstPath(list), "segments", len(list))
	return len(list), err
}

func firstPath(list []removal) string {
	if len(list) == 0 {
		return ""
	}
	return list[0].path
}

// dropRows takes the rows of removed segments out of the index; what fails is tried
// again with the next removal, and at the next start.
func (s *storage) dropRows() error {
	if len(s.gone) == 0 {
		return nil
	}
	err := s.index.dropSegments(s.gone, s.tally.oldest)
	if err == nil {
		s.gone = nil
	}
	return err
}

// removeDay removes a day's directory that became empty.
func (s *storage) removeDay(dir string) {
	if s.fs.Remove(dir) == nil { // one that is not empty stays
		s.fs.SyncDir(filepath.Dir(dir)) // and one that comes back empty does no harm
	}
}

// Rows of the index.

const notLocked = `NOT EXISTS (SELECT 1 FROM lock l WHERE l.camera=s.camera AND l.start<s.end AND l.end>s.start)`

func victimsQuery(v evictable) string {
	query := `SELECT s.id, s.camera, s.run, s.path, s.start, s.end, s.bytes, s.copied FROM segment s WHERE s.start<?1 AND s.end<?1 AND s.state IN (1,2) AND ` + notLocked
	if v.camera != 0 {
		query += " AND s.camera=?2"
	}
	return query + " ORDER BY s.start"
}

// victims lists at most n of v, oldest first.
func (x *index) victims(v evictable, n int, pinned func(removal) bool) (list []removal, err error) {
	rows, err := x.w.Query(victimsQuery(v), v.before, v.camera)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for len(list) < n && rows.Next() {
		var r removal
		if err := rows.Scan(&r.id, &r.camera, &r.run, &r.path, &r.start, &r.end, &r.size, &r.copied); err != nil {
			return nil, err
		}
		if !pinned(r) {
			list = append(list, r)
		}
	}
	return list, rows.Err()
}

// mark says in one commit which segments are being removed.
func (x *index) mark(list []removal) error {
	return x.tx(func(q querier) error {
		for _, v := range list {
			state := stateRemoving
			if v.copied {
				state = stateAway
			}
			if _, err := q.Exec("UPDATE segment SET state=? WHERE id=?", state, v.id); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropSegments drops rows of segments, of runs that have none any more, and of gaps
// before a camera's oldest recording: what is not kept need not be explained.
func (x *index) dropSegments(list []removal, oldest func(camera int64) (ms int64, ok bool)) error {
	return x.tx(func(q querier) error {
		last := map[int64]int64{}
		for _, v := range list {
			if _, err := q.Exec("DELETE FROM segment WHERE id=?", v.id); err != nil {
				return err
			}
			if _, err := q.Exec("DELETE FROM run WHERE id=?1 AND end IS NOT NULL AND NOT EXISTS (SELECT 1 FROM segment WHERE run=?1)", v.run); err != nil {
				return err
			}
			last[v.camera] = max(last[v.camera], v.end)
		}
		for id, horizon := range last {
			if ms, ok := oldest(id); ok {
				horizon = ms
			}
			if _, err := q.Exec("DELETE FROM gap WHERE camera=? AND end<=?", id, horizon); err != nil {
				return err
			}
		}
		return nil
	})
}

// forgetGaps drops the gaps that ended before a time.
func (x *index) forgetGaps(camera, before int64) error {
	_, err := x.w.Exec("DELETE FROM gap WHERE camera=? AND end<=? AND start<?", camera, before, before)
	return err
}

// The segments of each lock by the index on time; one that two locks protect once. Segments
// are an hour and a group of pictures long at most; where a camera sends no key pictures
// and one is longer, it is protected and may not be counted.
const lockedBytesQuery = `SELECT coalesce(sum(bytes),0) FROM segment WHERE id IN (
	SELECT s.id FROM lock l CROSS JOIN segment s ON s.camera=l.camera AND s.start<l.end AND s.start>l.start-7200000 AND s.end>l.start
	WHERE s.state=1 AND (?1=0 OR l.camera=?1))`

// lockedBytes is the size of the complete segments of a camera (0: of all) that
// locks protect.
func (x *index) lockedBytes(camera int64) (n int64, err error) {
	err = x.w.QueryRow(lockedBytesQuery, camera).Scan(&n)
	return n, err
}
