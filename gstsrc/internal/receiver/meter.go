// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import "time"

// meterSpan is one of the two spans of time that a meter looks back on.
const meterSpan = 2 * time.Second

// meter measures a rate over the last one to two spans.
type meter struct {
	begin         time.Time // of the span that runs
	bytes, before uint64    // in it, and in the whole span before it
	whole         bool      // there was one
}

func (m *meter) add(now time.Time, bytes int) {
	m.turn(now)
	m.bytes += uint64(bytes)
}

// turn begins a new span where the old one is over.
func (m *meter) turn(now time.Time) {
	switch past := now.Sub(m.begin); {
	case m.begin.IsZero():
		m.begin = now
	case past >= 2*meterSpan:
		*m = meter{begin: now, whole: true}
	case past >= meterSpan:
		m.begin = m.begin.Add(meterSpan)
		m.before, m.bytes, m.whole = m.bytes, 0, true
	}
}

// bits is the rate in bit/s.
func (m *meter) bits(now time.Time) uint64 {
	if m.begin.IsZero() {
		return 0
	}
	m.turn(now)
	past, bytes := now.Sub(m.begin), m.bytes
	if m.whole {
		past, bytes = past+meterSpan, bytes+m.before
	}
	// A first span that has hardly begun says nothing: it counts as a second at least.
	return uint64(float64(bytes) * 8 / max(past, time.Second).Seconds())
}
