// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxPending is how many bytes of one camera may wait for its disk: a slow disk
// costs this much memory per camera, and then whole groups of pictures.
const maxPending = 4 << 20

// CameraRecorder records one camera for as long as it is wanted. Its runs follow
// one another; between them the ledger is told why there is none.
type CameraRecorder struct {
	archive *Archive
	storage *storage
	name    string
	id      int64 // row

	pending atomic.Int64 // bytes handed to the committer and not written yet
	stats   counters

	ledger ledger // the committer's

	mu      sync.Mutex // below Archive.mu; guards what follows
	live    []*Segment // being written, as far as they are durable
	unsaved []Gap      // of the ledger, as far as a failing storage does not take it
	lastErr error
	closed  bool
	run     *Run
}

type counters struct {
	bytes, parts, frames, dropped, ignored atomic.Int64
}

// CameraStats is what a camera's recorder has done since it was made.
type CameraStats struct {
	Bytes   int64 `json:"bytes"`   // written to disk
	Parts   int64 `json:"parts"`   // written to disk
	Frames  int64 `json:"frames"`  // video and audio units taken
	Dropped int64 `json:"dropped"` // units refused because the disk was behind or failing
	Queued  int64 `json:"queued"`  // bytes that wait for the disk now
	Ignored int64 `json:"ignored"` // units that could not be recorded: before the first key picture, of an unknown codec
	// Error is the storage's or the run's last error, "" when there was none.
	Error string `json:"error,omitempty"`
}

func newCameraRecorder(a *Archive, s *storage, name string) (*CameraRecorder, error) {
	c := &CameraRecorder{archive: a, storage: s, name: name}
	result := make(chan error, 1)
	if !s.queue.push(job{of: c, do: func() { result <- c.begin() }}) {
		return nil, ErrClosed
	}
	return c, <-result
}

// begin continues the camera's ledger where the index left it. A gap left open
// says why the camera was not recorded until now; a ledger that ends without one
// was cut off by a crash. For a camera that is new everything begins here.
func (c *CameraRecorder) begin() error {
	id, known, err := c.storage.index.camera(c.name)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	c.id = id
	c.storage.tally.named(id, c.name)
	now := c.archive.cfg.Now().Round(time.Millisecond)
	c.ledger = ledger{camera: id, covered: now}
	end, open, err := c.storage.index.explained(id)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	switch {
	case open != nil && end.After(open.From):
		// Parts became durable behind the gap, and then its end did not.
		first, err := c.storage.index.firstBehind(id, open.From)
		if err != nil {
			return fmt.Errorf("index: %w", err)
		}
		c.ledger.covered, c.ledger.open = open.From, open
		c.ledger.end(first)
		c.ledger.covered = end
		c.ledger.mark(CauseCrash, end)
	case open != nil:
		c.ledger.covered, c.ledger.open = open.From, open
	case known && !end.IsZero():
		c.ledger.covered = end
		c.ledger.mark(CauseCrash, end)
	default:
		c.ledger.mark(CauseConfig, now)
	}
	c.storage.cameras = append(c.storage.cameras, c)
	return nil
}

// Name is the camera's name.
func (c *CameraRecorder) Name() string { return c.name }

// StartRun begins a run: one connection's units go to its Write. A run that is
// still open is closed first, with cause link.
func (c *CameraRecorder) StartRun() *Run {
	c.mu.Lock()
	old := c.run
	r := newRun(c)
	if c.closed {
		r.closed = true
	}
	c.run = r
	c.mu.Unlock()
	if old != nil {
		old.Close(CauseLink)
	}
	return r
}

// Mark notes from now on why there is no run: what the next attempt failed of. A
// gap that is open with another cause ends here and one with this cause begins.
func (c *CameraRecorder) Mark(cause Cause) {
	now := c.archive.cfg.Now().Round(time.Millisecond)
	c.storage.queue.push(job{of: c, do: func() { c.ledger.mark(cause, now) }})
}

// Close ends the camera: cause config when it is not wanted any longer, restart
// when only this process ends. It waits until everything is committed.
func (c *CameraRecorder) Close(cause Cause) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	run := c.run
	c.mu.Unlock()
	if run != nil {
		run.Close(cause)
	}
	c.Mark(cause)
	done := make(chan struct{})
	if !c.storage.queue.push(job{of: c, do: func() { c.end(); close(done) }}) {
		return ErrClosed
	}
	<-done
	c.archive.mu.Lock()
	if c.archive.cameras[c.name] == c && !c.archive.closed {
		delete(c.archive.cameras, c.name)
	}
	c.archive.mu.Unlock()
	return nil
}

// end writes the ledger a last time. What a failing storage does not take is
// explained by the next start: as a crash.
func (c *CameraRecorder) end() {
	s := c.storage
	s.saveLedger(c)
	s.cameras = slices.DeleteFunc(s.cameras, func(x *CameraRecorder) bool { return x == c })
}

// Stats may be called at any time.
func (c *CameraRecorder) Stats() CameraStats {
	s := CameraStats{
		Bytes: c.stats.bytes.Load(), Parts: c.stats.parts.Load(), Frames: c.stats.frames.Load(),
		Queued: c.pending.Load(), Dropped: c.stats.dropped.Load(), Ignored: c.stats.ignored.Load(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lastErr != nil {
		s.Error = c.lastErr.Error()
	}
	return s
}

// reserve accounts n bytes to what waits for the disk; false: the camera's share is used up.
func (c *CameraRecorder) reserve(n int) bool {
	if c.pending.Add(int64(n)) > maxPending && c.pending.Load() != int64(n) {
		c.pending.Add(int64(-n))
		return false
	}
	return true
}

func (c *CameraRecorder) release(n int) { c.pending.Add(int64(-n)) }

// The following are the committer's.

func (c *CameraRecorder) wrote(p *part) {
	c.stats.bytes.Add(int64(len(p.header) + p.bytes()))
	c.stats.parts.Add(1)
}

// covered notes that the segment is durable up to its mark.
func (c *CameraRecorder) covered(seg *segment, from, to time.Time) {
	c.ledger.cover(from, to)
	row := seg.row(seg.synced, stateOpen)
	row.gops = append([]GOP(nil), row.gops...)
	info := row.segment(c.storage, c.storage.path(row.path), c.name)
	c.show(&info)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastErr = nil
}

// show has a segment listed as it is, whatever the index says of it.
func (c *CameraRecorder) show(info *Segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, l := range c.live {
		if l.Path == info.Path {
			c.live[i] = info
			return
		}
	}
	c.live = append(c.live, info)
}

func (c *CameraRecorder) failed(err error) {
	c.ledger.mark(CauseDisk, c.ledger.covered)
	c.note(err)
}

// note keeps an error for Stats.
func (c *CameraRecorder) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastErr = err
}

// settled has a segment listed as the index says from now on.
func (c *CameraRecorder) settled(seg *segment) {
	full := c.storage.path(seg.name)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, l := range c.live {
		if l.Path == full {
			c.live = append(c.live[:i], c.live[i+1:]...)
			return
		}
	}
}

// saveLedgers writes what the ledgers changed. A storage that fails is left alone;
// one that has no room for recordings has some for this.
func (s *storage) saveLedgers() {
	defer func() {
		for _, c := range s.cameras {
			c.showUnsaved()
		}
	}()
	var full *FullError
	if err := s.health.rest(s.archive.cfg.Now()); err != nil && !errors.As(err, &full) {
		return
	}
	for _, c := range s.cameras {
		s.saveLedger(c)
	}
}

// showUnsaved lets those who ask for gaps see what the index does not have yet.
func (c *CameraRecorder) showUnsaved() {
	if len(c.ledger.unsaved) == 0 && len(c.unsaved) == 0 { // only the committer changes them
		return
	}
	var list []Gap
	for _, g := range c.ledger.unsaved {
		list = append(list, *g)
	}
	c.mu.Lock()
	c.unsaved = list
	c.mu.Unlock()
}

// saveLedger stops at the first error: the rest is tried with the next batch.
func (s *storage) saveLedger(c *CameraRecorder) {
	l := &c.ledger
	for len(l.unsaved) > 0 {
		g := l.unsaved[0]
		fresh := g.id == 0
		if err := s.withRoom(func() error { return saveGap(s.index.w, l.camera, g) }); err != nil {
			s.archive.log.Error("write ledger", "camera", c.name, "error", err)
			s.failed(err)
			return
		}
		l.unsaved = append(l.unsaved[:0], l.unsaved[1:]...)
		said := *g
		said.Camera = c.name
		switch {
		case g.void:
		case !g.To.IsZero():
			s.notify(Notice{Kind: NoticeGapClosed, Camera: c.name, Gap: &said})
		case fresh:
			s.notify(Notice{Kind: NoticeGapOpened, Camera: c.name, Gap: &said})
		}
	}
}
