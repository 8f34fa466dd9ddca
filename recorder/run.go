// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"sync"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/fmp4"
)

const (
	// maxGap is the longest step between two units of a track that is still one
	// recording; behind a longer one the ledger has a gap.
	maxGap = 3 * time.Second
	// maxBack is how far a track's timestamps may run backwards before they are taken
	// for a new clock. A smaller step is put right behind the last unit.
	maxBack = 500 * time.Millisecond
	// audioOnly is how long sound is waited on for pictures before it is recorded alone.
	audioOnly = 2 * time.Second
	// lateKey is how early sound may be, before the key picture that its segment begins with.
	lateKey = 500 * time.Millisecond
	// nominalFrame is the length of a picture whose successor never came.
	nominalFrame = 40 * time.Millisecond
)

// Run takes the units of one connection. When the camera's timestamps jump, the
// index begins a new run inside it; the caller does not notice. Its methods belong
// to one goroutine, Close apart.
type Run struct {
	camera *CameraRecorder
	store  *storage
	now    func() time.Time

	mu     sync.Mutex // makes Close safe beside Write
	closed bool

	video, audio *fmp4.Track // what the decoders are set to; nil: not known
	row          *runRow
	base         time.Duration // DTS at the run's start: media time 0
	clock        clock
	stamped      time.Duration // media time up to which parts are stamped, and
	stampedWall  time.Time     // its wall-clock time; zero: nothing is
	began        time.Time     // when the run's first unit arrived
	settled      bool          // the clock is set

	seg  *segment
	part *part   // being filled; nil while there is no segment
	held []*part // sealed, waiting for the clock

	waiting    bool // for a key picture
	retrack    bool // the tracks changed: the next key picture begins a segment
	lastVideo  trackTime
	lastAudio  trackTime
	sound      audioClock
	soundFrom  time.Duration // DTS of the first sound while there was no picture, and
	soundOnly  bool          // sound is recorded alone
	heard      bool          // soundFrom is valid
	early      []earlySound  // what came meanwhile, and
	earlyBytes int           // its size

	changes  int           // of configuration, counted down with time
	changeAt time.Duration // media time of the last count
}

// trackTime is where a track stands, in DTS.
type trackTime struct {
	last, step time.Duration
	seen       bool
}

func newRun(c *CameraRecorder) *Run {
	return &Run{camera: c, store: c.storage, now: c.archive.cfg.Now, waiting: true, row: &runRow{}}
}

// Write takes one unit; its Data is copied where it is kept. Units that cannot be
// recorded (script data, unknown codecs, pictures before the first key picture) are
// counted and ignored. Errors are final: ErrClosed, a *ConfigError, or a
// configuration that changes without end. A failing disk is none; it is in the
// ledger and in Stats.
func (r *Run) Write(u *demux.Unit) error { return r.WriteAt(u, r.now()) }

// WriteAt is Write for a unit that arrived before now and was kept since, as a
// pre-roll is: at tells when, and must not go back from one call to the next. It
// needs its monotonic reading, where Config.Now has one.
func (r *Run) WriteAt(u *demux.Unit, at time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return ErrClosed
	case u.Kind == demux.Data || u.EndOfSequence:
		return nil
	case u.Config:
		return r.configure(u)
	case len(u.Data) == 0:
		return nil
	case u.Kind == demux.Video:
		return r.writeVideo(u, at)
	case u.Kind == demux.Audio:
		return r.writeAudio(u, at)
	}
	return nil
}

// Close ends the run; what was written is committed, and from its end on the
// ledger has cause until a next run has its first key picture.
func (r *Run) Close(cause Cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	r.breakOff(cause)
	r.camera.mu.Lock()
	if r.camera.run == r {
		r.camera.run = nil
	}
	r.camera.mu.Unlock()
}

// configure takes a decoder configuration. One that is as before changes nothing.
func (r *Run) configure(u *demux.Unit) error {
	if u.Kind == demux.Video {
		t, err := videoTrack(u)
		if err != nil {
			return &ConfigError{u.Codec, err}
		}
		if r.video != nil && sameTrack(r.video, &t) {
			return nil
		}
		r.video = &t
		r.camera.stats.ignored.Add(int64(len(r.early))) // before the first key picture
		r.forgetEarly()
		// Pictures that follow are of the new configuration: they need a new init.
		r.endSegment()
	} else {
		t, err := fmp4.AudioTrack(u)
		if err != nil {
			r.camera.stats.ignored.Add(1) // pictures are recorded without it
			r.audio = nil
			return nil
		}
		if r.audio != nil && sameTrack(r.audio, &t) {
			return nil
		}
		r.setAudio(&t)
	}
	return r.changed(u.DTS)
}

// changed counts a change of configuration against the camera's allowance.
func (r *Run) changed(at time.Duration) error {
	if passed := int((at - r.changeAt) / (changeEvery * time.Second)); passed > 0 {
		r.changes, r.changeAt = max(0, r.changes-passed), at
	}
	if r.changes++; r.changes > changeBurst {
		return errUnstable
	}
	return nil
}

func (r *Run) writeVideo(u *demux.Unit, now time.Time) error {
	if r.video == nil || r.video.Codec != u.Codec {
		r.camera.stats.ignored.Add(1)
		return nil
	}
	if r.soundOnly { // pictures came after all
		r.endSegment()
		r.soundOnly, r.heard = false, false
	}
	dts, ok := r.follow(&r.lastVideo, u.DTS, now)
	if !ok {
		return nil
	}
	r.leaveBroken()
	if !r.waiting && !r.observe(dts, now) {
		r.breakOff(CauseClock)
	}
	if r.waiting {
		if !u.Key {
			r.camera.stats.ignored.Add(1)
			return nil
		}
		r.resume(dts, now)
	}
	r.turn(u, dts)
	if r.part == nil { // the disk is behind: what follows is useless without its key picture
		return nil
	}
	r.addVideo(u, dts, now)
	return nil
}

// observe shows the clock a unit that arrived now; false: the host's clock was set.
func (r *Run) observe(dts time.Duration, now time.Time) bool {
	return r.clock.observe(dts-r.base, now, r.camera.archive.cfg.elapsed(now))
}

// follow brings a unit's DTS in line with its track. ok is false when the unit is
// not recorded.
func (r *Run) follow(t *trackTime, dts time.Duration, now time.Time) (_ time.Duration, ok bool) {
	step := dts - t.last
	switch {
	case !t.seen:
	case step > maxGap || step < -maxBack:
		cause := CauseClock
		if idle := now.Sub(r.clock.latest); step > 0 && idle > step-maxGap && idle < step+maxGap {
			cause = CauseCamera // it was silent for as long as its clock says
		}
		r.breakOff(cause)
	case step <= 0:
		dts = t.last + time.Millisecond
		t.step = time.Millisecond
	default:
		t.step = step
	}
	t.last, t.seen = dts, true
	return dts, true
}

// resume begins recording at a key picture: a new run of the index, or the current
// one behind a hole.
func (r *Run) resume(dts time.Duration, now time.Time) {
	r.waiting = false
	if r.began.IsZero() {
		r.base, r.began, r.settled = dts, now, r.camera.archive.cfg.settle < 0
		at := r.camera.archive.cfg.elapsed(now)
		r.clock = newClock(0, now, at)
		r.clock.observe(0, now, at)
		r.row = &runRow{}
		r.stampedWall = time.Time{}
		r.lastAudio = trackTime{}
		if r.audio != nil {
			r.sound = audioClock{rate: r.audio.Rate}
		}
	}
}

// turn seals the part and ends the segment where the unit at dts begins a new one.
func (r *Run) turn(u *demux.Unit, dts time.Duration) {
	at := dts - r.base
	key := u.Key && (u.Kind == demux.Video || r.soundOnly)
	if r.part != nil && key && (r.retrack || r.due(at)) {
		if !r.part.empty() {
			r.sealAt(at)
		}
		r.finishSegment()
	}
	if r.seg == nil && key {
		r.begin(at)
		return
	}
	p := r.part
	if p == nil || p.empty() {
		return
	}
	span, limit := at-p.start, r.store.Part
	full := false
	switch {
	case u.Kind == demux.Video:
		// The unit would end about as much later as the last one lasted. A key picture
		// begins a part where that costs no more than twice as many of them.
		full = span+r.lastVideo.step > limit || key && span >= limit/2
	case r.soundOnly:
		full = span+r.lastAudio.step > limit
	default:
		full = span >= limit+time.Second // pictures have stopped
	}
	if full || p.bytes()+len(u.Data) > maxPart {
		r.sealAt(at)
	}
}

// due says whether a segment that may end at media time at should: its slot on the
// wall clock is over. Slots are shifted per camera, so that cameras do not all cut
// at once; a run's first segment lasts at least a tenth of the length.
func (r *Run) due(at time.Duration) bool {
	return r.slot(at) != r.seg.slot && at-r.seg.first >= r.store.Segment/10
}

func (r *Run) slot(at time.Duration) int64 {
	length := r.store.Segment.Milliseconds()
	shift := int64(nameHash(r.camera.name)) % length
	return (r.clock.at(at).UnixMilli() + shift) / length
}

// begin starts a segment whose first unit is at media time at.
func (r *Run) begin(at time.Duration) {
	r.seg = &segment{camera: r.camera, run: r.row, first: at, slot: r.slot(at)}
	r.retrack = false
	r.newPart(at)
}

func (r *Run) newPart(at time.Duration) {
	r.part = r.camera.archive.pool.get()
	r.part.seg, r.part.start = r.seg, at
}

func (r *Run) addVideo(u *demux.Unit, dts time.Duration, now time.Time) {
	p, at := r.part, dts-r.base
	if n := len(p.vs); n > 0 {
		p.vs[n-1].Duration = uint32(ticks(at) - ticks(p.lastVideo))
	} else {
		p.videoStart = at
	}
	if u.Key {
		p.keys = append(p.keys, partKey{offset: p.video.n, at: at, late: now.Round(0).Sub(r.clock.at(at))})
	}
	p.vs = append(p.vs, fmp4.Sample{Size: uint32(len(u.Data)), CTS: int32(ticks(u.CTS)), Key: u.Key})
	p.video.write(u.Data)
	p.lastVideo = at
	r.camera.stats.frames.Add(1)
	r.release(now)
}

// sealAt ends the part at media time at, where the next one begins.
func (r *Run) sealAt(at time.Duration) {
	p := r.part
	if n := len(p.vs); n > 0 {
		last := at - p.lastVideo
		if last <= 0 || last > maxGap {
			last = r.frameLength()
		}
		p.vs[n-1].Duration = uint32(ticks(p.lastVideo+last) - ticks(p.lastVideo))
	}
	p.end = max(at, p.start+time.Millisecond)
	seg := r.seg
	if seg.init == nil {
		if err := r.setTracks(p); err != nil {
			// What AudioTrack and h26x accept can be stored; this is the net below them.
			r.camera.note(err)
			r.camera.archive.pool.put(p)
			seg.failed.Store(true)
			r.newPart(at)
			return
		}
	}
	seg.parts++
	p.sequence = seg.parts
	r.held = append(r.held, p)
	r.newPart(at)
	r.release(r.clock.latest)
}

func (r *Run) frameLength() time.Duration {
	if s := r.lastVideo.step; s > 0 && s <= maxGap {
		return s
	}
	return nominalFrame
}

// release stamps what is held and hands it over, once the clock is settled.
func (r *Run) release(now time.Time) {
	if len(r.held) == 0 {
		return
	}
	if !r.settled {
		bytes := 0
		for _, p := range r.held {
			bytes += p.bytes()
		}
		if now.Sub(r.began) < r.camera.archive.cfg.settle && bytes < maxHeld && !r.closed {
			return
		}
		r.settled = true
		r.clock.set()
	}
	for i, p := range r.held {
		r.held[i] = nil
		r.stamp(p)
		r.submit(p)
	}
	r.held = r.held[:0]
}

// stamp gives a part its wall-clock times: where it follows another one, it begins
// exactly where that one ended.
func (r *Run) stamp(p *part) {
	p.wall = r.stampedWall
	if p.wall.IsZero() || p.start-r.stamped > audioTolerance {
		p.wall = r.clock.at(p.start)
	}
	r.clock.slew(p.end)
	p.wallEnd = r.clock.at(p.end)
	if !p.wallEnd.After(p.wall) {
		p.wallEnd = p.wall.Add(time.Millisecond)
	}
	r.stamped, r.stampedWall = p.end, p.wallEnd
	p.appendHeader()
}

// submit hands a part over. When the camera's share of what may wait is used up,
// it and everything up to the next key picture are dropped.
func (r *Run) submit(p *part) {
	n := len(p.header) + p.bytes()
	if p.seg.failed.Load() || p.seg.dropped {
		r.drop(p)
		return
	}
	if !r.camera.reserve(n) {
		p.seg.dropped = true
		at := p.wall
		c := r.camera
		r.store.queue.push(job{of: c, do: func() { c.ledger.mark(CauseDisk, at) }})
		r.drop(p)
		return
	}
	if !r.store.queue.push(job{part: p}) {
		r.camera.release(n)
	}
}

func (r *Run) drop(p *part) {
	r.camera.stats.dropped.Add(int64(len(p.vs) + len(p.as)))
	r.camera.archive.pool.put(p)
}

// endSegment ends the segment at the estimated end of its last unit. The next one
// needs a key picture.
func (r *Run) endSegment() {
	if r.part != nil {
		if !r.part.empty() {
			r.sealAt(r.estimatedEnd())
		}
		if r.part != nil {
			r.camera.archive.pool.put(r.part)
			r.part = nil
		}
	}
	r.finishSegment()
	r.waiting = true
}

func (r *Run) estimatedEnd() time.Duration {
	p := r.part
	if len(p.vs) > 0 {
		return p.lastVideo + r.frameLength()
	}
	if r.audio != nil && len(p.as) > 0 {
		return max(p.start, time.Duration(r.sound.next)*time.Second/time.Duration(r.sound.rate))
	}
	return p.start
}

// finishSegment tells the committer that the segment is complete. A part that was
// begun for it and is empty goes back.
func (r *Run) finishSegment() {
	if r.part != nil {
		r.camera.archive.pool.put(r.part)
		r.part = nil
	}
	if r.seg == nil {
		return
	}
	r.flushHeld()
	seg, s := r.seg, r.store
	r.seg = nil
	s.queue.push(job{of: r.camera, do: func() { s.finish(seg) }})
}

// flushHeld hands over what waits for the clock: the segment ends before it settled.
func (r *Run) flushHeld() {
	if len(r.held) > 0 && !r.settled {
		r.settled = true
		r.clock.set()
	}
	r.release(r.clock.latest)
}

// leaveBroken leaves a segment that the committer gave up or that lost a part.
func (r *Run) leaveBroken() {
	if r.part == nil || !r.seg.failed.Load() && !r.seg.dropped {
		return
	}
	r.camera.stats.dropped.Add(int64(len(r.part.vs) + len(r.part.as)))
	r.camera.archive.pool.put(r.part)
	r.part = nil
	r.finishSegment()
	r.waiting = true
}

// breakOff ends the run of the index; what comes next begins another one, on a
// clock of its own.
func (r *Run) breakOff(cause Cause) {
	r.endSegment()
	c, s, row := r.camera, r.store, r.row
	began := !r.began.IsZero()
	now := r.now().Round(time.Millisecond)
	s.queue.push(job{of: c, do: func() {
		c.ledger.mark(cause, now)
		if began && row.id != 0 {
			if err := endRun(s.index.w, row.id, cause); err != nil {
				s.archive.log.Error("end run in the index", "camera", c.name, "error", err)
			}
		}
	}})
	r.row = &runRow{}
	r.began = time.Time{}
	r.settled = false
	r.stampedWall = time.Time{}
	r.lastVideo, r.lastAudio = trackTime{}, trackTime{}
	r.heard, r.soundOnly = false, false
	r.forgetEarly()
}
