// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

const (
	// keysAbove is the speed above which only key pictures are sent: more than four
	// times the frames would cost four times the link and the decoder, for pictures
	// that nobody can tell apart.
	keysAbove = 4
	// maxPlayBatch bounds one write.
	maxPlayBatch = 128 << 10
	// soundWithin is how much of a recording is searched for its first sound.
	soundWithin = 5 * time.Second
)

var errNoSound = errors.New("the recordings have no sound")

// player sends one playback. Everything of it belongs to the request's goroutine;
// commands reach it through playback.
type player struct {
	*playback
	what   selection
	cursor Cursor
	w      io.Writer
	flush  func() error

	line   timeline
	pacing pacing
	rate   float64 // the speed that is being sent
	frame  Frame
	held   bool // frame is to be sent
	cut    bool // the next frame begins a stretch
	turned bool // the next frame is the first with another speed
	hasty  bool // what begins the stretch is sent at once
	buf    []byte
}

// first finds the first frame to send and gives its wall-clock time. io.EOF: there
// is none before the playback's end.
func (p *player) first(ctx context.Context) (time.Time, error) {
	p.rate, p.cut = 1, true
	var since time.Time
	for {
		if err := p.next(ctx); err != nil {
			return time.Time{}, err
		}
		if p.held {
			return p.frame.Wall, nil
		}
		if since.IsZero() {
			since = p.frame.Wall
		}
		if p.frame.Wall.Sub(since) > soundWithin {
			return time.Time{}, errNoSound
		}
	}
}

// next reads a frame; held says whether it is to be sent. io.EOF: the end of the
// playback.
func (p *player) next(ctx context.Context) error {
	if err := p.cursor.Next(ctx, &p.frame); err != nil {
		return err
	}
	if !p.frame.Wall.Before(p.to) {
		return io.EOF
	}
	p.cut = p.cut || p.frame.Stretch
	p.held = p.what.wants(&p.frame.Unit) && (p.rate == 1 || p.frame.Kind == demux.Video || p.frame.Config)
	return nil
}

// run sends until the end of the playback, which is no error, or of ctx.
func (p *player) run(ctx context.Context) error {
	p.buf = flv.AppendHeader(p.buf, p.what == everything, true)
	for {
		if err := p.obey(ctx); err != nil {
			return err
		}
		if !p.held {
			switch err := p.next(ctx); {
			case err == io.EOF:
				return p.send()
			case err != nil:
				return errors.Join(err, p.send())
			}
			continue // a command may have come meanwhile
		}
		ts := p.place()
		if wait := p.pacing.wait(ts, time.Now()); wait > 0 && !p.hasty {
			if err := p.send(); err != nil {
				return err
			}
			if err := p.sleep(ctx, wait); err != nil {
				return err
			}
			continue
		}
		p.put(ts)
		if len(p.buf) >= maxPlayBatch {
			if err := p.send(); err != nil {
				return err
			}
		}
	}
}

// obey does what commands ask for, and waits as long as they ask for a pause.
func (p *player) obey(ctx context.Context) error {
	for {
		p.mu.Lock()
		paused, speed, jump := p.paused, p.speed, p.jump
		p.jump = nil
		p.mu.Unlock()
		if jump != nil {
			p.cursor.Close()
			p.cursor = jump
			p.held, p.cut, p.hasty = false, true, true
			p.cursor.KeysOnly(p.rate > keysAbove)
		}
		if speed != p.rate {
			p.rate, p.turned = speed, true
			p.cursor.KeysOnly(speed > keysAbove)
			if p.held && p.frame.Kind == demux.Audio && !p.frame.Config && speed != 1 {
				p.held = false
			}
		}
		if !paused {
			p.pacing.resume(time.Now())
			return nil
		}
		p.pacing.pause(time.Now())
		if err := p.send(); err != nil {
			return err
		}
		select {
		case <-p.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sleep waits for the time to pass, or for a command.
func (p *player) sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.wake:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// place gives the held frame its timestamp. Where the relation to the wall clock
// changes it says so first.
func (p *player) place() time.Duration {
	switch {
	case p.cut:
		p.line.cut(p.frame.Wall, p.rate)
	case p.turned:
		p.line.turn(p.frame.Wall, p.rate)
	default:
		return p.line.at(p.frame.Wall)
	}
	p.cut, p.turned = false, false
	position := flv.Position{Time: p.line.time, Speed: p.rate}
	p.buf = flv.AppendTag(p.buf, flv.TagScript, uint32(p.line.origin.Milliseconds()), flv.AppendPosition(nil, position))
	return p.line.at(p.frame.Wall)
}

// put appends the held frame. What FLV cannot carry (sound of an odd rate) is left out.
func (p *player) put(ts time.Duration) {
	u := p.frame.Unit
	if u.Kind == demux.Video && !u.Config {
		p.line.picture(p.frame.Wall)
	}
	p.hasty = p.hasty && u.Config
	u.DTS, u.CTS = ts, p.line.scale(u.CTS)
	if b, err := flv.AppendUnit(p.buf, &u, flv.WriteOptions{Enhanced: true}); err == nil {
		p.buf = b
	}
	p.held = false
}

func (p *player) send() error {
	if len(p.buf) == 0 {
		return nil
	}
	_, err := p.w.Write(p.buf)
	if p.buf = p.buf[:0]; cap(p.buf) > 4*maxPlayBatch {
		p.buf = nil
	}
	if err != nil {
		return err
	}
	return p.flush()
}

func (p *player) close() {
	p.cursor.Close()
	p.mu.Lock()
	p.over = true
	jump := p.jump
	p.jump = nil
	p.mu.Unlock()
	if jump != nil {
		jump.Close()
	}
}
