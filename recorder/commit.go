// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// commitLoop is the only goroutine that touches the storage while recording. It
// takes whatever is queued, writes all of it, then syncs each file that is due
// once: disks that are slow to sync get larger batches by themselves.
func (s *storage) commitLoop() {
	defer close(s.done)
	c := &committer{storage: s}
	var jobs []job
	for {
		if jobs = s.queue.take(jobs); jobs == nil {
			return
		}
		for i := range jobs {
			switch j := &jobs[i]; {
			case j.part != nil:
				c.write(j.part)
			case j.all:
				c.sync(func(*segment) bool { return true })
				j.do()
			case j.of != nil:
				c.syncCamera(j.of)
				j.do()
			case j.do != nil:
				j.do()
			}
			jobs[i] = job{}
		}
		c.syncDue()
		s.saveLedgers()
	}
}

// committer is the state of one storage's commitLoop.
type committer struct {
	*storage
	dirty []*segment // written to since they were last synced, each once
	vecs  [][]byte   // reused
}

// write appends one part to its segment's file, making the file with the first one.
func (c *committer) write(p *part) {
	seg, cam := p.seg, p.seg.camera
	defer func() {
		cam.release(len(p.header) + p.bytes())
		c.archive.pool.put(p)
	}()
	if seg.failed.Load() {
		return
	}
	if err := c.writePart(p); err != nil {
		c.syncCamera(cam) // the whole parts before this one are kept
		if !seg.failed.Load() {
			c.fail(seg, fmt.Errorf("write part: %w", err))
		}
		return
	}
	if !seg.dirty {
		seg.dirty, seg.dirtyAt = true, c.elapsed()
		c.dirty = append(c.dirty, seg)
	}
	cam.wrote(p)
}

func (c *committer) writePart(p *part) error {
	seg := p.seg
	if seg.file == nil {
		if err := c.health.rest(c.archive.cfg.Now()); err != nil {
			return err
		}
		if err := c.present(); err != nil {
			return err
		}
		budget := sweepMost
		if err := c.makeRoom(&budget); err != nil {
			return err
		}
		if err := c.create(seg, p.wall); err != nil {
			return err
		}
	}
	bufs := c.vecs[:0]
	if seg.written.size == 0 {
		bufs = append(bufs, seg.init)
	}
	bufs = p.audio.appendVecs(p.video.appendVecs(append(bufs, p.header)))
	defer clear(bufs)
	c.vecs = bufs
	n, err := seg.file.Writev(bufs)
	for budget := sweepMost; errors.Is(err, unix.ENOSPC); {
		if err := c.evictOldest(&budget, "no space left"); err != nil {
			return err
		}
		if err = seg.file.Truncate(seg.written.size); err == nil {
			n, err = seg.file.Writev(bufs)
		}
		if budget <= 0 {
			break
		}
	}
	if err != nil {
		return err
	}
	at := seg.written.size
	if at == 0 {
		at = int64(len(seg.init))
	}
	for _, k := range p.keys {
		seg.gops = append(seg.gops, GOP{
			Part: at, Key: at + int64(len(p.header)+k.offset), Media: k.at - seg.first,
			Wall: p.wall.Add(k.at - p.start).Round(time.Millisecond), Late: k.late,
		})
	}
	seg.written = mark{size: seg.written.size + n, end: p.wallEnd, duration: p.end - seg.first, gops: len(seg.gops)}
	return nil
}

// create makes the file of a segment that starts at wall-clock time start. A name
// that is taken (the clock was set back) gets a suffix.
func (c *committer) create(seg *segment, start time.Time) error {
	for i := range 100 {
		suffix := ""
		if i > 0 {
			suffix = fmt.Sprintf("-%d", i)
		}
		seg.name = segmentName(seg.camera.name, start, suffix)
		full := c.path(seg.name)
		if err := c.fs.MkdirAll(filepath.Dir(full)); err != nil {
			return err
		}
		f, err := c.fs.Create(full)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		seg.file, seg.start = f, start
		return nil
	}
	return fmt.Errorf("no free name for a segment at %v", start)
}

func (s *storage) path(name string) string { return filepath.Join(s.Dir, filepath.FromSlash(name)) }

// elapsed is the time since the archive was opened, whatever is done to the host's clock.
func (s *storage) elapsed() time.Duration {
	return s.archive.cfg.elapsed(s.archive.cfg.Now())
}

// syncDue syncs what has waited as long as the policy lets it.
func (c *committer) syncDue() {
	if len(c.dirty) == 0 {
		return
	}
	if c.every <= 0 {
		c.sync(func(*segment) bool { return true })
		return
	}
	now := c.elapsed()
	c.sync(func(seg *segment) bool { return now-seg.dirtyAt >= c.every })
}

func (c *committer) syncCamera(cam *CameraRecorder) {
	c.sync(func(seg *segment) bool { return seg.camera == cam })
}

// sync makes what is written of some segments durable and then lets the ledger know. A
// sync that fails means that what was written since the last one is lost: the kernel may
// have dropped it, so it is neither retried nor believed.
func (c *committer) sync(of func(*segment) bool) {
	if len(c.dirty) == 0 {
		return
	}
	gone := c.present()
	left := c.dirty[:0]
	for i, seg := range c.dirty {
		c.dirty[i] = nil
		if !of(seg) {
			left = append(left, seg)
			continue
		}
		seg.dirty = false
		if seg.failed.Load() {
			continue
		}
		err := gone
		if err == nil {
			err = c.syncSegment(seg)
		}
		if err != nil {
			c.fail(seg, fmt.Errorf("sync: %w", err))
			continue
		}
		from := seg.synced.end
		if from.IsZero() {
			from = seg.start
		}
		seg.synced = seg.written
		seg.camera.covered(seg, from, seg.synced.end)
	}
	c.dirty = left
}

// syncSegment syncs the file and, the first time, its directory; then its row can be made.
func (c *committer) syncSegment(seg *segment) error {
	if c.every >= 0 {
		if err := seg.file.Sync(); err != nil {
			return err
		}
	}
	if seg.id != 0 {
		return nil
	}
	if err := c.fs.SyncDir(filepath.Dir(c.path(seg.name))); err != nil {
		return err
	}
	c.works()
	if err := c.withRoom(func() error { return c.insertRows(seg, seg.written, stateOpen) }); err != nil {
		// The file stands for itself: the next part tries again, the next start adopts it.
		c.archive.log.Error("index segment", "camera", seg.camera.name, "file", seg.name, "error", err)
	}
	return nil
}

// insertRows makes the rows of a segment that is durable up to m, and that of its
// run when this is its first.
func (s *storage) insertRows(seg *segment, m mark, state int) (err error) {
	if seg.run.id == 0 {
		if seg.run.id, err = insertRun(s.index.w, seg.camera.id, seg.start); err != nil {
			return err
		}
	}
	row := seg.row(m, state)
	seg.id, err = insertSegment(s.index.w, &row)
	return err
}

// row is the segment as the index is to have it, up to m.
func (seg *segment) row(m mark, state int) segmentRow {
	return segmentRow{
		id: seg.id, camera: seg.camera.id, run: seg.run.id, path: seg.name, start: seg.start, end: m.end,
		duration: m.duration, bytes: m.size, state: state, tracks: trackNames(seg.tracks), gops: seg.gops[:m.gops],
	}
}

// finish ends a segment: the file is complete, and so is its row. Everything
// written was synced before.
func (s *storage) finish(seg *segment) {
	if seg.failed.Swap(true) || seg.file == nil {
		return
	}
	if s.every < 0 {
		if err := seg.file.Sync(); err != nil {
			// What of it is on the disk is not known; it is kept and said, not retried.
			s.archive.log.Error("sync of a whole segment failed, parts of it may be lost", "camera", seg.camera.name, "file", seg.name, "error", err)
			s.failed(err)
		}
	}
	s.settle(seg)
}

// fail gives a segment up: what is not known to be durable is cut off, the rest is
// kept, and the ledger has a gap from there on. A file of which nothing remains is
// removed.
func (s *storage) fail(seg *segment, cause error) {
	seg.failed.Store(true)
	now := s.archive.cfg.Now()
	if s.health.rest(now) == nil {
		s.archive.log.Error("recording to storage failed", "camera", seg.camera.name, "storage", s.Dir, "file", seg.name, "error", cause)
		s.failed(cause)
	}
	if seg.file != nil {
		if err := seg.file.Truncate(seg.synced.size); err != nil {
			s.archive.log.Error("cut after the last whole part failed; the next start will", "file", seg.name, "error", err)
		}
		s.settle(seg)
	}
	seg.camera.failed(cause)
}

// settle closes the file and brings its row up to what the file durably holds.
func (s *storage) settle(seg *segment) {
	log := s.archive.log.With("camera", seg.camera.name, "file", seg.name)
	if err := seg.file.Close(); err != nil {
		log.Error("close segment", "error", err)
	}
	seg.file = nil
	if seg.synced.size == 0 {
		seg.camera.settled(seg)
		if err := s.fs.Remove(s.path(seg.name)); err != nil {
			log.Error("remove empty segment", "error", err)
		}
		return
	}
	s.tally.add(seg.camera.id, seg.start, seg.synced.end, seg.synced.size)
	row := seg.row(seg.synced, stateDone)
	info := row.segment(s, s.path(row.path), seg.camera.name)
	seg.camera.show(&info) // until the index has it
	s.owed = append(s.owed, seg)
	s.payRows()
	s.notify(Notice{Kind: NoticeSegment, Camera: seg.camera.name, Segment: &info})
	s.copier.more()
}

// maxOwed bounds the complete segments that wait for an index that takes no rows;
// those beyond it are left to the next start.
const maxOwed = 1000

// payRows completes the rows of segments that are settled. What the index does not
// take, for want of room, is tried again with the next segment and the next sweep.
func (s *storage) payRows() {
	for len(s.owed) > 0 {
		seg := s.owed[0]
		err := s.withRoom(func() error {
			if seg.id == 0 {
				return s.insertRows(seg, seg.synced, stateDone)
			}
			row := seg.row(seg.synced, stateDone)
			return finishSegment(s.index.w, &row)
		})
		if err != nil {
			s.archive.log.Error("finish segment in the index; it is tried again", "camera", seg.camera.name, "file", seg.name, "error", err)
			break
		}
		seg.camera.settled(seg)
		s.owed[0] = nil
		s.owed = s.owed[1:]
	}
	if n := len(s.owed) - maxOwed; n > 0 {
		for _, seg := range s.owed[:n] {
			seg.camera.settled(seg)
		}
		s.owed = slices.Delete(s.owed, 0, n)
	}
}
