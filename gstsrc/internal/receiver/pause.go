// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"sync"
	"time"
)

// pauseAfter is how long a paused player must have asked for nothing before the
// camera is told.
const pauseAfter = 500 * time.Millisecond

// pausing decides when a camera is told of a pause. A player that is paused may go on
// to ask, to fill its buffers or to show where it was sought to, and waits for ever if
// the camera is paused then. So the camera pauses when nobody asks, and goes on when
// somebody does.
type pausing struct {
	mu      sync.Mutex
	wanted  bool // by the application
	told    bool // the camera is paused
	reading bool // somebody asks
	timer   *time.Timer
}

// Pause says that a Playback is not watched for a while, or is again. It may be called
// at any time and does not wait.
func (r *Receiver) Pause(on bool) {
	if r.opts.Mode != Playback {
		return
	}
	p := &r.pausing
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted = on; on {
		r.pauseLater()
	} else {
		r.resume()
	}
}

// pauseLater and resume are called with the lock held.
func (r *Receiver) pauseLater() {
	if p := &r.pausing; p.timer == nil {
		p.timer = time.AfterFunc(pauseAfter, r.pauseNow)
	} else {
		p.timer.Reset(pauseAfter)
	}
}

func (r *Receiver) pauseNow() {
	p := &r.pausing
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.wanted || p.told:
	case p.reading:
		r.pauseLater()
	default:
		p.told = true
		r.Command(r.playback("playback_pause"), nil)
	}
}

func (r *Receiver) resume() {
	if p := &r.pausing; p.told {
		p.told = false
		r.Command(r.playback("playback_resume"), nil)
	}
}

// asking says whether somebody waits for bytes.
func (r *Receiver) asking(on bool) {
	if r.opts.Mode != Playback {
		return
	}
	p := &r.pausing
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reading = on; on {
		r.resume()
	} else if p.wanted {
		r.pauseLater()
	}
}

// anew says that a stream has begun, which no camera pauses by itself.
func (p *pausing) anew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = false
}

func (p *pausing) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = false
	if p.timer != nil {
		p.timer.Stop()
	}
}
