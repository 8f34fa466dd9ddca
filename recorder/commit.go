// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// commitLoop is the only goroutine that touches the storage while recording. It
// takes whatever is queued, writes all of it, then syncs each file once: disks
// that are slow to sync get larger batches by themselves.
func (s *storage) commitLoop() {
	defer close(s.done)
	c := &committer{storage: s}
	var jobs []job
	for {
		if jobs = s.queue.take(jobs); jobs == nil {
			return
		}
		for i := range jobs {
			if p := jobs[i].part; p != nil {
				c.write(p)
			} else {
				c.sync()
				jobs[i].do()
			}
			jobs[i] = job{}
		}
		c.sync()
		s.saveLedgers()
	}
}

// committer is the state of one storage's commitLoop.
type committer struct {
	*storage
	dirty []*segment // written to since they were last synced
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
		c.sync() // the whole parts before this one are kept
		if !seg.failed.Load() {
			c.fail(seg, fmt.Errorf("write part: %w", err))
		}
		return
	}
	if n := len(c.dirty); n == 0 || c.dirty[n-1] != seg {
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
		if err := c.makeRoom(); err != nil {
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
	if errors.Is(err, unix.ENOSPC) && c.evictOldest() == nil {
		if err = seg.file.Truncate(seg.written.size); err == nil {
			n, err = seg.file.Writev(bufs)
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

// sync makes everything written durable and then lets the ledger know. A sync that
// fails means that what was written since the last one is lost: the kernel may have
// dropped it, so it is neither retried nor believed.
func (c *committer) sync() {
	for i, seg := range c.dirty {
		c.dirty[i] = nil
		if seg.failed.Load() || seg.written == seg.synced {
			continue
		}
		if err := c.syncSegment(seg); err != nil {
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
	c.dirty = c.dirty[:0]
}

// syncSegment syncs the file and, the first time, its directory; then its row can be made.
func (c *committer) syncSegment(seg *segment) error {
	if c.Sync == SyncPart {
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
	c.health.ok()
	if err := c.insertRows(seg, stateOpen); err != nil {
		// The file stands for itself: the next part tries again, the next start adopts it.
		c.archive.log.Error("index segment", "camera", seg.camera.name, "file", seg.name, "error", err)
	}
	return nil
}

// insertRows makes the rows of a segment that is durable up to seg.written, and
// that of its run when this is its first.
func (s *storage) insertRows(seg *segment, state int) (err error) {
	if seg.run.id == 0 {
		if seg.run.id, err = s.index.insertRun(seg.camera.id, seg.start); err != nil {
			return err
		}
	}
	row := seg.row(seg.written, state)
	seg.id, err = s.index.insertSegment(&row)
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
	if s.Sync == SyncSegment {
		if err := seg.file.Sync(); err != nil {
			// What of it is on the disk is not known; it is kept and said, not retried.
			s.archive.log.Error("sync of a whole segment failed, parts of it may be lost", "camera", seg.camera.name, "file", seg.name, "error", err)
			s.health.fail(err, s.archive.cfg.Now())
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
		s.health.fail(cause, now)
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
	defer seg.camera.settled(seg)
	if seg.synced.size == 0 {
		if err := s.fs.Remove(s.path(seg.name)); err != nil {
			log.Error("remove empty segment", "error", err)
		}
		return
	}
	row := seg.row(seg.synced, stateDone)
	err := error(nil)
	if seg.id != 0 {
		err = s.index.finishSegment(&row)
	} else {
		err = s.insertRows(seg, stateDone)
	}
	if err != nil {
		log.Error("finish segment in the index; the next start will", "error", err)
	}
	s.bytes += seg.synced.size
}
