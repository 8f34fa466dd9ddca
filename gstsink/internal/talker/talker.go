// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/talk"
	"github.com/xp2p/xp2p/session"
)

// Talker says sound through one camera, in a video call pictures too (call.go).
// Change, Take, Silence, Send and Finish are for one goroutine; HangUp, Discard and Close are for any, once the context of a Send or
// Finish under way has ended; Stats is for any at any time.
type Talker struct {
	dialer Dialer
	opts   Options
	events gate
	stats  counters

	mu     sync.Mutex // held by a call for all of its time
	sound  sound
	link   Link
	voice  Voice     // nil: the line is not ours
	last   time.Time // when the last unit was said
	ending *ending   // of the voice before; nil: none
	fatal  error
	call   call
	// finishing: there is no more sound.
	finishing bool

	start    starting
	pictures lane // its lock is taken behind mu, and held by no call that waits

	background sync.WaitGroup // closing and abandoned calls
}

// ending is a voice that is being closed.
type ending struct {
	voice Voice
	done  chan struct{} // closed when err is set
	err   error
}

// New makes a Talker; the first Send with something to say connects.
func New(d Dialer, o Options) *Talker {
	t := &Talker{dialer: d, opts: o, events: gate{to: o.Events}}
	t.start.sound, t.start.pictures, t.start.close = make(chan struct{}), make(chan struct{}), make(chan struct{})
	if o.StartTimeout > 0 {
		t.start.watch.Go(t.watchStart)
	}
	return t
}

// Change says what the sound is that comes now.
func (t *Talker) Change(f Format) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sound.change(f)
}

// Take copies a buffer that begins at the running time at, if known. It is said by Send.
func (t *Talker) Take(b []byte, at time.Duration, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finishing = false
	t.sound.take(b, at, known)
	t.stats.change(func(s *Stats) { s.Buffers++ })
}

// Silence takes a gap in the sound, so that the camera does not give the line to somebody
// else. It begins no talk.
func (t *Talker) Silence(at, length time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.voice != nil {
		t.sound.silence(at, length)
	}
}

// Send says what was taken, and connects and takes the line as needed. Its error is
// ctx's, after which the next Send goes on where this one stopped, or an *Error, from
// then on always the same.
func (t *Talker) Send(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.send(ctx, false)
}

// Finish says the rest, waits for the end of the pictures, hangs up and waits until the
// camera has played everything. Its errors are Send's.
func (t *Talker) Finish(ctx context.Context) error {
	if err := t.finishSound(ctx); err != nil {
		return err
	}
	if err := t.drained(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hangUp()
	if err := t.ended(ctx); err != nil {
		return t.failed(ctx, Ending, err)
	}
	return t.fatal
}

// finishSound says the rest of the sound.
func (t *Talker) finishSound(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fatal != nil {
		return t.fatal
	}
	if t.voice != nil && t.lapsed() { // what there was to say was said long ago
		t.drop()
		t.sound.halve = nil
	}
	if t.voice != nil || !t.sound.empty() {
		if err := t.send(ctx, true); err != nil {
			return err
		}
	}
	t.finishing = true
	l := &t.pictures
	l.do(func() {
		if t.voice == nil {
			l.clear()
		}
	})
	return nil
}

// HangUp gives the line back and keeps the link: a pause. The next Send takes the line
// anew. It does not wait.
func (t *Talker) HangUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hangUp()
}

// Discard forgets what was taken and not said: a flush.
func (t *Talker) Discard() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sound.discard()
}

func (t *Talker) send(ctx context.Context, all bool) error {
	if t.fatal != nil {
		return t.fatal
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.sound.empty() {
		if !all || t.sound.halve == nil {
			return nil
		}
	}
	if t.sound.format.Codec == demux.CodecUnknown {
		return t.failed(ctx, Opening, errNoSound)
	}
	if err := t.open(ctx); err != nil {
		return t.failed(ctx, Opening, err)
	}
	want := talk.Format(t.voice.Format())
	if err := t.sound.prepare(want); err != nil {
		return t.failed(ctx, Opening, err)
	}
	if all {
		t.sound.tail()
		t.sound.halve = nil
	}
	for u := t.sound.next(want, all); u != nil; u = t.sound.next(want, all) {
		if err := t.sayWith(ctx, u.DTS); err != nil {
			return t.failed(ctx, Talking, err)
		}
		if err := t.write(ctx, u); err != nil {
			return t.failed(ctx, Talking, err)
		}
		t.call.sound, t.call.soundAt = u.DTS, time.Now()
		t.sound.said(u)
	}
	return nil
}

// open takes the line if it is not ours.
func (t *Talker) open(ctx context.Context) error {
	if t.voice != nil && t.lapsed() {
		t.hangUp()
	}
	if t.voice != nil {
		return nil
	}
	try, cancel := t.bounded(ctx)
	defer cancel()
	if t.link == nil {
		l, err := await(try, &t.background,
			func() (Link, error) { return t.dialer.Dial(try, t.events.emit) },
			func(l Link) { l.Close() })
		if err != nil {
			return t.explain(ctx, try, err)
		}
		t.link = l
		t.stats.connected(l)
	}
	if err := t.ended(try); err != nil && try.Err() != nil {
		return t.explain(ctx, try, err)
	} // how the talk before ended does not matter to this one
	link, request := t.link, t.opts.Request
	request.Video = t.pictures.isOpen()
	v, err := await(try, &t.background,
		func() (Voice, error) { return link.Talk(try, request) },
		func(v Voice) { v.Abort() })
	if err != nil {
		return t.explain(ctx, try, err)
	}
	t.voice, t.last = v, time.Now()
	t.sound.talk(talk.Format(v.Format()))
	t.call = call{}
	t.pictures.do(func() {}) // who waits sees the line
	t.stats.change(func(s *Stats) { s.Talks++; s.Format = v.Format().String() })
	return nil
}

// lapsed says that the camera ended the line because nothing was said for long.
func (t *Talker) lapsed() bool {
	select {
	case <-t.voice.Done():
		return time.Since(t.last) >= lapse
	default:
		return false
	}
}

// write says one unit. A write has no other way to be woken than the end of its voice.
func (t *Talker) write(ctx context.Context, u *demux.Unit) error {
	try, cancel := t.bounded(ctx)
	defer cancel()
	v := t.voice
	stop := context.AfterFunc(try, v.Abort)
	err := v.WriteUnit(u)
	if !stop() { // the voice is no more
		t.drop()
		if err == nil && u.Kind == demux.Audio { // it was said with the last breath
			t.sound.said(u)
		}
		return t.explain(ctx, try, try.Err())
	}
	if err != nil {
		return err
	}
	t.last = time.Now()
	if !u.Config && u.Kind == demux.Audio {
		t.stats.change(func(s *Stats) { s.Bytes += uint64(len(u.Data)) })
	}
	return nil
}

func (t *Talker) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if t.opts.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, t.opts.Timeout)
}

// explain names the time-out where it was ours that ended the attempt.
func (t *Talker) explain(ctx, try context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(try.Err(), context.DeadlineExceeded) {
		if _, coded := session.CodeOf(err); !coded {
			return &TimeoutError{After: t.opts.Timeout}
		}
	}
	return err
}

// failed makes err the talker's end, unless it was ctx's.
func (t *Talker) failed(ctx context.Context, phase Phase, err error) error {
	switch {
	case t.fatal != nil:
		return t.fatal
	case ctx.Err() != nil:
		return ctx.Err()
	}
	t.fatal = &Error{Phase: phase, Err: err}
	t.endPictures()
	t.drop()
	t.dropLink()
	return t.fatal
}

// hangUp ends the talk behind the caller's back, with what was said played.
func (t *Talker) hangUp() { t.end(Voice.Close) }

// drop ends the talk at once.
func (t *Talker) drop() { t.end(func(v Voice) error { v.Abort(); return nil }) }

func (t *Talker) end(how func(Voice) error) {
	v := t.voice
	if v == nil {
		return
	}
	t.voice = nil
	e := &ending{voice: v, done: make(chan struct{})}
	t.ending = e
	t.background.Go(func() {
		e.err = how(v)
		close(e.done)
	})
}

// ended waits until the talk before is over, and says how that ended: a link carries one
// at a time.
func (t *Talker) ended(ctx context.Context) error {
	if t.ending == nil {
		return nil
	}
	select {
	case <-t.ending.done:
		err := t.ending.err
		t.ending = nil
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *Talker) dropLink() {
	if l := t.link; l != nil {
		t.link = nil
		t.stats.connected(nil)
		t.background.Go(func() { l.Close() })
	}
}

// Close ends the talker and gives the camera a moment to hear of it. It returns soon,
// whatever the network does; what hangs is finished behind it.
func (t *Talker) Close() {
	t.start.closed.Do(func() { close(t.start.close) })
	t.start.watch.Wait()
	t.endPictures()
	t.mu.Lock()
	t.fatal = errClosed
	t.drop()
	if e := t.ending; e != nil {
		t.background.Go(e.voice.Abort) // who closes it does not wait for the camera any more
	}
	t.dropLink()
	t.mu.Unlock()
	done := make(chan struct{})
	go func() {
		t.background.Wait()
		close(done)
	}()
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	t.events.shut()
}
