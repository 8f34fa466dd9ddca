// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import "time"

const (
	// settleTime is how long the parts of a new run are held back until its clock is
	// set: a camera first sends its last group of pictures at once, older than it looks.
	settleTime = 300 * time.Millisecond
	// maxHeld bounds what is held back meanwhile, in bytes.
	maxHeld = 2 << 20
	// slewWindow is how much media passes between two corrections of a clock, and
	// slewRate how much of it one may change: 500 ppm is ten bad crystals, and less
	// than a millisecond per part.
	slewWindow = 10 * time.Second
	slewRate   = 500e-6
	// maxStep is the largest step of the host's clock that is slewed away.
	maxStep = time.Second
)

// clock maps the media time of a run to wall-clock time. A unit cannot arrive
// before it was captured, and now and then one arrives without delay: the
// smallest lateness seen is therefore the difference between the two clocks, and
// the clock is slewed, never stepped, towards it. 24 h of a camera that drifts by
// 100 ppm (8.6 s) stay one run.
type clock struct {
	wall     time.Time     // of media; no monotonic part
	media    time.Duration // reference point on the camera's clock
	latest   time.Time     // last observation, and
	latestAt time.Duration // the same on a clock that is never set: between them, steps of the host's show
	earliest time.Duration // smallest lateness since the last correction
	seen     bool          // earliest is valid
	slewed   time.Duration // media time of the last correction
}

func newClock(media time.Duration, now time.Time, at time.Duration) clock {
	return clock{wall: now.Round(0), media: media, latest: now, latestAt: at, slewed: media}
}

// at is the wall-clock time of media, to the millisecond.
func (c *clock) at(media time.Duration) time.Time {
	return c.wall.Add(media - c.media).Round(time.Millisecond)
}

// observe notes that the unit of media arrived now, which is at on a clock that is
// never set. It returns false when the host's clock was stepped since the last
// observation: the run must end.
func (c *clock) observe(media time.Duration, now time.Time, at time.Duration) bool {
	step := now.Round(0).Sub(c.latest.Round(0)) - (at - c.latestAt)
	c.latest, c.latestAt = now, at
	late := now.Round(0).Sub(c.wall) - (media - c.media)
	if !c.seen || late < c.earliest {
		c.earliest, c.seen = late, true
	}
	return step < maxStep && step > -maxStep
}

// set takes the smallest lateness at once. Only before anything was stamped.
func (c *clock) set() {
	if c.seen {
		c.wall, c.seen = c.wall.Add(c.earliest), false
	}
}

// slew corrects the clock, at most once per slewWindow of media.
func (c *clock) slew(media time.Duration) {
	passed := media - c.slewed
	if passed < slewWindow || !c.seen {
		return
	}
	limit := time.Duration(float64(passed) * slewRate)
	c.wall = c.wall.Add(min(max(c.earliest, -limit), limit))
	c.slewed, c.seen = media, false
}
