// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import "time"

// audioTolerance is how far audio's timestamps may be off before the frames' own
// length is no longer believed. FLV counts in milliseconds and cameras stamp in
// bursts; a player needs frames that follow each other without holes.
const audioTolerance = 100 * time.Millisecond

// audioClock places frames on the sample clock of a run: frame follows frame
// without gap or overlap as long as that agrees with the timestamps.
type audioClock struct {
	rate    int
	next    int64 // where the next frame is expected, in samples since the run's start
	last    int64 // where the last one was put
	started bool
}

// place puts a frame that was stamped at (since the run's start) and is n samples
// long, and gives its place. Places never decrease.
func (a *audioClock) place(at time.Duration, n uint32) int64 {
	stamp := samplesOf(at, a.rate)
	limit := samplesOf(audioTolerance, a.rate)
	pos := a.next
	switch {
	case !a.started:
		pos = stamp
	case stamp > a.next+limit: // a hole
		pos = stamp
	case stamp < a.next-limit: // more sound than time: catch up
		pos = max(stamp, a.last+1)
	}
	a.started, a.last, a.next = true, pos, pos+int64(n)
	return pos
}

// samplesOf is d in samples, rounded down also when it is negative.
func samplesOf(d time.Duration, rate int) int64 {
	s := int64(d / time.Second)
	rest := int64(d % time.Second)
	if rest < 0 {
		s, rest = s-1, rest+int64(time.Second)
	}
	return s*int64(rate) + rest*int64(rate)/int64(time.Second)
}
