// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import "time"

// slack is by how much buffers' times may differ from the length of the sound before
// them: a microphone's clock is not the pipeline's, and times are rounded.
const slack = 100 * time.Millisecond

// timeline gives sound its place: one piece behind the other, by its length, with a jump
// where buffers' times jump forward (sound that is missing). It never runs backwards,
// whatever is sought in the pipeline.
type timeline struct {
	next    time.Duration // behind the last piece
	origin  time.Duration // the buffers' time that is 0 here
	started bool
}

// place is where a piece of a length begins, whose buffer says at; known is false where
// it says nothing.
func (l *timeline) place(at time.Duration, known bool, length time.Duration) time.Duration {
	if known {
		switch off := at - l.origin - l.next; {
		case !l.started:
			l.origin, l.started = at-l.next, true
		case off > slack:
			l.next += off
		case off < -slack: // another segment: it goes on here
			l.origin = at - l.next
		}
	}
	begin := l.next
	l.next += length
	return begin
}
