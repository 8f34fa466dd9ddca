// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"sync/atomic"
	"time"
)

// sweeper asks a storage's committer for a sweep now and then, also while nothing
// is recorded: age passes by itself.
type sweeper struct {
	stopped chan struct{} // closed to end it
	ended   chan struct{}
	queued  atomic.Bool // one waits for the committer: a disk that hangs gathers no more
}

func (w *sweeper) start(s *storage) {
	w.stopped, w.ended = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(w.ended)
		sweep := time.NewTicker(sweepEvery)
		defer sweep.Stop()
		var due <-chan time.Time // syncs are, even if nothing more is written
		if s.every > 0 {
			t := time.NewTicker(s.every)
			defer t.Stop()
			due = t.C
		}
		for sweepNow := false; ; {
			select {
			case <-sweep.C:
				sweepNow = true
			case <-due:
			case <-w.stopped:
				return
			}
			if w.queued.Swap(true) {
				continue
			}
			todo := func() {}
			if sweepNow {
				sweepNow, todo = false, s.sweep
			}
			s.queue.push(job{do: func() { w.queued.Store(false); todo() }})
		}
	}()
}

func (w *sweeper) stop() {
	close(w.stopped)
	<-w.ended
}

// hostClock watches the host's clock against one that is never set.
type hostClock struct {
	wall    time.Time     // last reading of the one, and
	at      time.Duration // of the other
	steady  time.Duration // reading of the other since which the host's was not set
	started bool
}

// observe takes a reading of both and gives the step of the host's clock since the
// last one; 0 for what passes as drift.
func (h *hostClock) observe(wall time.Time, at time.Duration) (step time.Duration) {
	wall = wall.Round(0)
	if h.started {
		step = wall.Sub(h.wall) - (at - h.at)
	}
	if step < maxStep && step > -maxStep {
		step = 0
	}
	if !h.started || step != 0 {
		h.steady = at
	}
	h.wall, h.at, h.started = wall, at, true
	return step
}

// trusted says whether the host's clock has run for clockTrust without being set.
func (h *hostClock) trusted() bool { return h.started && h.at-h.steady >= clockTrust }
