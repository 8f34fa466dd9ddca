package input

import (
	"time"

	"github.com/xp2p/xp2p/demux"
)

// loop gives the units of a file that is played over and over times that go on.
// The tracks stay together: each turn is as long as the longest of them.
type loop struct {
	offset time.Duration // what the turns so far add to the file's times
	turns  int

	started bool
	first   time.Duration // the file's earliest time in this turn
	end     time.Duration // when the longest track ends
	last    [demux.Data + 1]time.Duration
	seen    [demux.Data + 1]bool
}

const (
	// firstStep is how long a unit is taken to last before the next is known.
	firstStep = 40 * time.Millisecond
	// maxStep bounds what a gap between two units says about their length.
	maxStep = time.Second
)

// place returns when u is due in the endless stream, from 0. ok is false for
// units that belong to one turn only: an end of sequence would stop decoders,
// and script data repeats what the first turn said.
func (l *loop) place(u *demux.Unit) (at time.Duration, ok bool) {
	if u.EndOfSequence || u.Kind == demux.Data && l.turns > 0 {
		return 0, false
	}
	if !l.started {
		l.started = true
		l.first = u.DTS
		l.end = u.DTS
	}
	if u.Kind != demux.Data && !u.Config {
		step := firstStep
		if l.seen[u.Kind] {
			if d := u.DTS - l.last[u.Kind]; d > 0 && d < maxStep {
				step = d
			}
		}
		l.seen[u.Kind], l.last[u.Kind] = true, u.DTS
		l.end = max(l.end, u.DTS+step)
	}
	return max(0, l.offset+u.DTS-l.first), true
}

// turn begins the file again. It says false when the turn had nothing to play.
func (l *loop) turn() bool {
	if l.end <= l.first {
		return false
	}
	*l = loop{offset: l.offset + l.end - l.first, turns: l.turns + 1}
	return true
}
