// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"fmt"
	"sync"
	"time"

	"github.com/xp2p/xp2p/demux/flv"
)

// SeekTime makes a Playback go on at wall-clock time at, also behind its end, and
// at another speed. Only between calls of Next.
func (r *Receiver) SeekTime(at time.Time, speed float64) {
	r.again()
	r.at.wall, r.at.speed = at, speed
}

// SeekBytes makes a Download go on at an offset. Only between calls of Next.
func (r *Receiver) SeekBytes(offset int64) {
	if r.at.offset == offset && r.fatal == nil {
		return
	}
	r.again()
	r.at.offset = offset
}

// again makes the next Next ask for the stream, also where it has ended.
func (r *Receiver) again() {
	r.dropStream()
	if r.fatal != errClosed {
		r.fatal = nil
	}
}

// playback is a command for the stream that is being played.
func (r *Receiver) playback(cmd string) string {
	return "action=inner_define&cmd=" + cmd + "&channel=" + param(r.opts.Params, "channel", "0")
}

// ForceKeyFrame asks a live camera for a key frame. It does not wait.
func (r *Receiver) ForceKeyFrame() {
	if r.opts.Mode == Live {
		r.Command(r.playback("force_key_frame"), nil)
	}
}

// opened makes a stream that has begun what was asked for before.
func (r *Receiver) opened() {
	if r.opts.Mode != Playback {
		return
	}
	r.pausing.anew()
	r.at.position, r.at.assumed = flv.Position{}, flv.Position{Time: r.begin(), Speed: 1}
	if s := r.at.speed; s != 1 {
		r.Command(r.playback("playback_speed")+fmt.Sprintf("&speed=%g", s), nil)
	}
}

// Reset connects again at once, over whatever network there is now. It may be
// called at any time and does not wait.
func (r *Receiver) Reset() { r.breaker.pull() }

// breaker breaks what a Receiver is in: an attempt, a stream or a wait.
type breaker struct {
	mu     sync.Mutex
	stop   func() // nil: it is in nothing
	pulled bool   // and nobody has asked yet
}

func (b *breaker) pull() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pulled = true
	if b.stop != nil {
		b.stop()
	}
}

// set says what a pull stops from now on. stop must not wait.
func (b *breaker) set(stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stop = stop
	if b.pulled && stop != nil {
		stop()
	}
}

// take says whether it was pulled since the last take.
func (b *breaker) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pulled
	b.pulled = false
	return p
}
