// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"sync"
	"time"
)

// watchedTick is the period while somebody watches live.
const watchedTick = 20 * time.Millisecond

// pacer wakes all streams together. Between two ticks nothing of it runs, and
// without streams nothing at all.
type pacer struct {
	period time.Duration // set before use

	mu       sync.Mutex
	tick     chan struct{} // closed at the next tick; nil: nobody waits
	watchers int
}

// next is closed at the next tick.
func (p *pacer) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tick == nil {
		p.tick = make(chan struct{})
		period := p.period
		if p.watchers > 0 {
			period = min(period, watchedTick)
		}
		// On a common grid, so that a stream that comes later joins the others.
		wait := period - time.Duration(time.Now().UnixNano())%period
		time.AfterFunc(wait, p.fire)
	}
	return p.tick
}

func (p *pacer) fire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.tick)
	p.tick = nil
}

// watch shortens the period until the function it returns is called, once.
func (p *pacer) watch() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.watchers--
	}
}
