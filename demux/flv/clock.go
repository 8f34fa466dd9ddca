package flv

import "time"

// clock turns the wrapping millisecond counter of the tags into a time that
// goes on. One clock serves all tracks of a stream, as the tags share one counter.
//
// Two wraps are known: at 2^32 ms (49.7 days) of a sender that writes all 32
// bits, and at 2^24 ms (4.7 hours) of one that never writes the extended byte.
// Only a step between the last and the first minute of the counter is a wrap.
// Everything else is passed on as it is: small steps back between the tracks,
// and large jumps, which only the user of the stream can judge.
type clock struct {
	last    uint32
	base    uint64 // ms that the wraps so far add up to
	started bool
	// extended: the sender has used the extended byte, so it does not wrap at 2^24.
	extended bool
}

// wrapWindow is how near to the wrap, in ms, both sides of it must be.
const wrapWindow = 1 << 16

// at returns the unwrapped time of a tag stamped ts.
func (c *clock) at(ts uint32) time.Duration {
	if c.started {
		c.wrap(ts)
	}
	c.started = true
	c.last = ts
	c.extended = c.extended || ts > maxUint24
	return time.Duration(c.base+uint64(ts)) * time.Millisecond
}

func (c *clock) wrap(ts uint32) {
	period := uint64(1) << 32
	if !c.extended {
		period = 1 << 24
		// The first tags of a stream can lie before zero, which the wire
		// shows as the top of the 32-bit counter.
		if ts > maxUint24 {
			return
		}
	}
	top := uint32(period - wrapWindow)
	switch {
	case c.last >= top && ts < wrapWindow:
		c.base += period
	case c.last < wrapWindow && ts >= top && c.base >= period:
		// A tag of the slower track, from before the wrap.
		c.base -= period
	}
}
