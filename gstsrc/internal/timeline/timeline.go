// SPDX-License-Identifier: LGPL-2.1-or-later

// Package timeline places a playback in GStreamer's times: which segment says of
// FLV times, which only go on, what running time and what stream time they have.
// Stream time is the time since the playback's start_time.
package timeline

import (
	"time"

	"github.com/xp2p/xp2p/demux/flv"
)

// None is no time, as GST_CLOCK_TIME_NONE.
const None time.Duration = -1

// Segment has the fields of a GstSegment of rate 1.
type Segment struct {
	Start, Stop time.Duration // FLV times; Stop may be None
	Time        time.Duration // stream time of Start
	Base        time.Duration // running time of Start
	Applied     float64       // applied_rate: stream time per FLV time
}

// Line is the timeline of one playback. It belongs to one goroutine at a time.
type Line struct {
	zero   time.Time     // wall-clock time of stream time 0
	target time.Duration // stream time in front of which nothing is shown
	stop   time.Duration // stream time behind which nothing is shown; None: the end
	base   time.Duration // running time of the first segment behind a seek
	last   *Segment      // nil: none since the last seek
}

// New makes the timeline of a playback that begins at wall-clock time zero.
func New(zero time.Time) *Line { return &Line{zero: zero, stop: None} }

// Wall is the wall-clock time of a stream time.
func (l *Line) Wall(stream time.Duration) time.Time { return l.zero.Add(stream) }

// Stream is the stream time of a wall-clock time.
func (l *Line) Stream(wall time.Time) time.Duration { return wall.Sub(l.zero) }

// Seek begins anew at stream time target, which gets running time base.
func (l *Line) Seek(target, stop, base time.Duration) {
	*l = Line{zero: l.zero, target: target, stop: stop, base: base}
}

// Place gives the segment for FLV times from at on, which p places. A camera begins
// with a key picture in front of the target; what is in front of it is decoded and
// not shown. Where the recordings have a gap, running time has none.
func (l *Line) Place(at time.Duration, p flv.Position) Segment {
	stream := l.Stream(p.Time)
	s := Segment{Start: at, Stop: None, Time: stream, Base: l.base, Applied: p.Speed}
	if early := l.target - stream; early > 0 {
		s.Start += time.Duration(float64(early) / p.Speed)
		s.Time = l.target
	}
	if l.last != nil {
		s.Base = l.last.Base + max(0, at-l.last.Start)
	}
	if l.stop != None {
		s.Stop = s.Start + max(0, time.Duration(float64(l.stop-s.Time)/p.Speed))
	}
	l.last = &s
	return s
}
