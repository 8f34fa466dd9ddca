// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import "time"

const (
	// strained is the lateness of ticks beyond which this viewer's own machine is thought
	// to be overloaded, and rested the one below which it is not.
	strained = 30 * time.Millisecond
	rested   = 10 * time.Millisecond
	// Every strainEvery an overloaded viewer gives away shedStep less of its upload; one
	// that is not takes back shedBack.
	strainEvery = time.Second
	shedStep    = 0.15
	shedBack    = 0.01
	// handOvers is about how often what comes waits for its turn on the way through a viewer.
	handOvers = 4
)

// strain is how far behind this viewer's own machine is. All that comes is then late, and
// asking for it again, or elsewhere, would make it later still: so a viewer waits by so
// much longer, and gives away less, which costs others a move and it the more work.
type strain struct {
	last   time.Duration // the tick before
	late   time.Duration // mean of how late ticks are
	shed   float64       // part of the upload that is not given away for its sake
	judged time.Duration
}

// tick lets time pass; true: less is given away than before.
func (x *strain) tick(now time.Duration) (less bool) {
	if x.last != 0 {
		x.late += (max(0, now-x.last-TickEvery) - x.late) / 8
	}
	x.last = now
	if now-x.judged < strainEvery {
		return false
	}
	x.judged = now
	switch {
	case x.late > strained:
		x.shed = min(1, x.shed+shedStep)
		return true
	case x.late < rested:
		x.shed = max(0, x.shed-shedBack)
	}
	return false
}

// delay is how much later than it could be all is that comes through this viewer.
func (x *strain) delay() time.Duration { return handOvers * x.late }

// high says whether nothing should be begun that can wait.
func (x *strain) high() bool { return x.late > strained }
