// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import "time"

// timeline maps the wall-clock times of recordings onto the timestamps of one FLV
// stream, which never run backwards whatever is sought, skipped or sped up.
type timeline struct {
	speed  float64
	time   time.Time     // this wall-clock time has
	origin time.Duration // this timestamp
	last   time.Duration // the highest timestamp given so far
	frame  time.Duration // how long a picture lasted last, in wall-clock time
	prev   time.Time     // the last picture's wall-clock time
	begun  bool
}

// usualFrame is how long a picture lasts before two of them have been seen, and
// longestFrame what is believed of two that are apart.
const (
	usualFrame   = 40 * time.Millisecond
	longestFrame = time.Second
)

// cut begins a stretch at wall-clock time wall: it follows what was sent last by
// the length of one picture.
func (l *timeline) cut(wall time.Time, speed float64) {
	step := l.frame
	if step == 0 {
		step = usualFrame
	}
	origin := time.Duration(0)
	if l.begun {
		origin = l.last + max(time.Millisecond, l.scale(step))
	}
	l.begun, l.prev = true, time.Time{}
	l.relate(wall, origin, speed)
}

// turn goes on at wall-clock time wall with another speed.
func (l *timeline) turn(wall time.Time, speed float64) {
	l.relate(wall, l.at(wall), speed)
}

// relate begins a new relation between the two, in the whole milliseconds in which
// it is told.
func (l *timeline) relate(wall time.Time, ts time.Duration, speed float64) {
	l.time, l.origin, l.speed = time.UnixMilli(wall.UnixMilli()), ts.Round(time.Millisecond), speed
	l.last = max(l.last, l.origin)
}

// at is the timestamp of what was recorded at wall-clock time wall.
func (l *timeline) at(wall time.Time) time.Duration {
	l.last = max(l.last, l.origin+l.scale(wall.Sub(l.time)))
	return l.last
}

// picture notes that a picture was recorded at wall-clock time wall.
func (l *timeline) picture(wall time.Time) {
	if d := wall.Sub(l.prev); !l.prev.IsZero() && d > 0 {
		l.frame = min(d, longestFrame)
	}
	l.prev = wall
}

// scale is how long a stretch of wall-clock time lasts in the stream.
func (l *timeline) scale(d time.Duration) time.Duration {
	if l.speed == 1 || l.speed == 0 {
		return d
	}
	return time.Duration(float64(d) / l.speed)
}

// pacing holds a stream back to the time that its timestamps say.
type pacing struct {
	zero    time.Time // when timestamp 0 is due; zero: not begun
	stopped time.Time // since when the stream is paused; zero: it is not
}

const (
	// playAhead is how far ahead of its time a playback is sent. The contract allows
	// 2 s; less shows a seek sooner to a player that goes by timestamps.
	playAhead = time.Second
	// playBehind is how late a playback may be before the lag is taken as lost: a
	// viewer that did not read for a minute does not get that minute at once.
	playBehind = time.Second
	// playGather is how much more is waited for when something is: fewer wake-ups and
	// packets for the same bytes.
	playGather = 100 * time.Millisecond
)

// wait is how long to wait at now until what has timestamp ts may be sent.
func (p *pacing) wait(ts time.Duration, now time.Time) time.Duration {
	if p.zero.IsZero() {
		p.zero = now.Add(-ts)
	}
	ahead := ts - now.Sub(p.zero)
	if ahead < -playBehind {
		p.zero, ahead = now.Add(-ts), 0
	}
	if ahead <= playAhead {
		return 0
	}
	return ahead - playAhead + playGather
}

func (p *pacing) pause(now time.Time) {
	if p.stopped.IsZero() {
		p.stopped = now
	}
}

func (p *pacing) resume(now time.Time) {
	if !p.stopped.IsZero() && !p.zero.IsZero() {
		p.zero = p.zero.Add(now.Sub(p.stopped))
	}
	p.stopped = time.Time{}
}
