// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"bytes"
	"context"
	"time"

	"github.com/xp2p/xp2p/demux"
)

// A video call is a talk with pictures. The sound leads: it takes the line, its time is
// the talk's, and before each of its units go the pictures that are due by then, so that
// the tags are in order. Two things are bounded:
//
//   - Sound waits for pictures that are behind it for hold, then not again until they
//     have caught up.
//   - Where sound pauses, pictures go on without it, by the wall clock, hold behind it.

// hold is longer than a camera and its encoder are behind a microphone.
const hold = 200 * time.Millisecond

// call is what the talk under way has of pictures.
type call struct {
	config []byte // that was said
	key    bool   // a key picture was said: others can be decoded
	last   time.Duration

	sound   time.Duration // where the sound is, in the talk's time
	soundAt time.Time     // when it was there
}

// OpenPictures says that there are pictures, or are no more. Pictures and EndPictures are
// for one goroutine, which may be another than the sound's; the other calls are for any.
func (t *Talker) OpenPictures(open bool) {
	l := &t.pictures
	l.do(func() {
		l.open, l.ended, l.late, l.broken, l.newest = open, false, false, false, never
		l.clear()
	})
}

// FlushPictures with on ends the wait of Pictures and EndPictures, and those that come are
// thrown away; without, they are taken again.
func (t *Talker) FlushPictures(on bool) {
	l := &t.pictures
	l.do(func() {
		l.flushing, l.ended, l.broken, l.newest = on, false, false, never
		l.clear()
		if on {
			l.interrupt()
		}
	})
}

// Interrupt ends a write of the pictures' own, and with off lets them write again. It
// accompanies the end of the contexts of Send and Finish.
func (t *Talker) Interrupt(on bool) {
	l := &t.pictures
	l.do(func() {
		l.held = on
		if on {
			l.interrupt()
		}
	})
}

// endPictures makes everybody stop to wait for them.
func (t *Talker) endPictures() {
	l := &t.pictures
	l.do(func() {
		l.over = true
		l.clear()
		l.interrupt()
	})
}

// ChangePictures says how the pictures are coded that come now: an
// AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1).
func (t *Talker) ChangePictures(config []byte) {
	l := &t.pictures
	l.do(func() { l.config = bytes.Clone(config) })
}

// Picture takes a copy of p, which is said when the sound is there. It waits while many
// are queued. wantKey: the next picture should be a key picture. Its error is an *Error,
// the talker's end.
func (t *Talker) Picture(p *Picture) (wantKey bool, err error) {
	t.start.seen.Do(func() { close(t.start.pictures) })
	for {
		f, full := t.pictures.put(p)
		if f == dropped {
			t.stats.change(func(s *Stats) { s.Dropped++ })
		}
		if f != refused {
			break
		}
		if err := t.pause(full); err != nil {
			return false, err
		}
	}
	_, err = t.sayDue()
	return t.pictures.asked(), err
}

// EndPictures waits until all pictures are said.
func (t *Talker) EndPictures() error {
	l := &t.pictures
	l.do(func() { l.ended = true })
	for {
		empty, _, changed := l.empty()
		if empty {
			return nil
		}
		if err := t.pause(changed); err != nil {
			return err
		}
	}
}

// pause waits for a change, or until a picture is due without the sound.
func (t *Talker) pause(changed <-chan struct{}) error {
	wait, err := t.sayDue()
	if err != nil {
		return err
	}
	if wait <= 0 {
		<-changed
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
	return nil
}

// sayDue says pictures where the sound does not, and gives the time until it is worth
// asking again; 0: not before the lane changes.
func (t *Talker) sayDue() (time.Duration, error) {
	const again = hold / 4
	if !t.mu.TryLock() { // the sound is being said, and pictures with it
		return again, nil
	}
	defer t.mu.Unlock()
	if t.fatal != nil {
		return 0, t.fatal
	}
	if t.voice != nil && t.lapsed() {
		t.drop()
	}
	switch {
	case t.voice == nil && t.finishing: // the sound is over: nobody takes the line for these
		t.pictures.do(t.pictures.clear)
		return 0, nil
	case t.voice == nil: // open changes that
		return 0, nil
	case !t.sound.begun:
		return again, nil
	}
	quiet := time.Since(t.call.soundAt)
	if quiet < hold {
		return hold - quiet, nil
	}
	ctx, done := t.pictures.writing()
	defer done()
	if err := t.sayPictures(ctx, t.call.sound+quiet-hold); err != nil && ctx.Err() == nil {
		return 0, t.failed(ctx, Talking, err)
	}
	return again, nil
}

// sayWith says the pictures that belong before sound at a time of the talk, and waits for
// them within bounds. mu is held.
func (t *Talker) sayWith(ctx context.Context, dts time.Duration) error {
	var patience <-chan time.Time
	for {
		if err := t.sayPictures(ctx, dts); err != nil {
			return err
		}
		behind, changed := t.pictures.behind(t.sound.running(dts))
		if !behind {
			return t.sayPictures(ctx, dts)
		}
		if patience == nil {
			timer := time.NewTimer(hold)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-changed:
		case <-patience:
			t.pictures.do(func() { t.pictures.late = true })
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sayPictures says the pictures that are due at a time of the talk. mu is held.
func (t *Talker) sayPictures(ctx context.Context, dts time.Duration) error {
	for {
		q, ok := t.pictures.next(t.sound.running(dts))
		if !ok {
			return nil
		}
		c := &t.call
		if !q.Key && !c.key {
			t.pictures.do(func() { t.pictures.wantKey = true })
			t.stats.change(func(s *Stats) { s.Dropped++ })
			continue
		}
		// A camera shows nothing before the sound's beginning: what was before it is
		// shown with it, since what follows needs it. Its time never runs backwards.
		c.last = max(c.last, q.At-t.sound.running(0))
		u := &demux.Unit{Kind: demux.Video, Codec: demux.H264, DTS: c.last}
		if !bytes.Equal(q.config, c.config) {
			u.Config, u.Data = true, q.config
			if err := t.write(ctx, u); err != nil {
				return err
			}
			c.config, u.Config = q.config, false
		}
		u.Key, u.CTS, u.Data = q.Key, q.CTS, q.Data
		if err := t.write(ctx, u); err != nil {
			return err
		}
		c.key = true
		t.stats.change(func(s *Stats) { s.Pictures++ })
	}
}

// drained waits until the pictures have ended too.
func (t *Talker) drained(ctx context.Context) error {
	for {
		empty, ended, changed := t.pictures.empty()
		if empty && ended {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
