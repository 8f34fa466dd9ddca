// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import "time"

const (
	meterEvery = time.Second
	// tightFor is what may wait on the line, in time, before it is thought full.
	tightFor = 400 * time.Millisecond
	// growth of the estimate, per second in which the line is used and not full.
	growth = 1.1
	// retried is what a line that was found to carry less than anybody wants is thought to
	// carry more every second in which it carries nothing, as a part of the stream's rate.
	retried = 0.02
)

// meter measures the upload: a line is known by what it carries when it is full, and
// until then is thought to carry a little more than it does.
type meter struct {
	limit    float64 // bytes/s; 0: none
	estimate float64 // bytes/s; 0: nothing is known yet
	backlog  float64 // bytes that wait
	carried  float64 // bytes since start
	start    time.Duration
	rate     float64 // bytes/s that were carried in the last second
	extra    float64 // bytes for no stripe, as at extraAt: see room
	extraAt  time.Duration
	idle     bool // nothing waited at some time in this second
	tight    bool // it was full all through the last second
}

func (m *meter) init(limit float64) { m.limit = limit }

func (m *meter) queued(n int) { m.backlog += float64(n) }

func (m *meter) sent(n int) {
	m.backlog = max(0, m.backlog-float64(n))
	m.idle = m.idle || m.backlog == 0
	m.carried += float64(n)
}

// capacity is how much is thought to be carried, bytes/s; stream is the stream's rate,
// which is what a line is thought good for before it has been used.
func (m *meter) capacity(stream float64) float64 {
	c := m.estimate
	if c == 0 {
		if m.limit > 0 {
			return m.limit
		}
		c = stream / commit
	}
	if m.limit > 0 {
		c = min(c, m.limit)
	}
	return c
}

// room says whether n bytes more may be sent that belong to no stripe that was given away:
// those are at most commit of the limit, and these the rest, with a second's worth at once.
func (m *meter) room(now time.Duration, n int) bool {
	if m.limit == 0 {
		return true
	}
	m.extra = max(0, m.extra-(1-commit)*m.limit*(now-m.extraAt).Seconds())
	m.extraAt = now
	if m.extra+float64(n) > m.limit {
		return false
	}
	m.extra += float64(n)
	return true
}

// cost is how long what is sent now waits.
func (m *meter) cost() time.Duration {
	if m.rate < 1000 {
		return 0
	}
	return min(time.Duration(m.backlog/m.rate*float64(time.Second)), 10*time.Second)
}

// tick lets time pass; used is how many stripes are given away, stream the stream's rate.
func (m *meter) tick(now time.Duration, used int, stream float64) {
	span := now - m.start
	if span < meterEvery {
		return
	}
	rate := m.carried / span.Seconds()
	m.rate, m.carried, m.start = rate, 0, now
	m.tight = !m.idle && m.backlog > 0 && m.cost() > tightFor
	m.idle = m.backlog == 0
	if m.estimate == 0 && m.limit == 0 && used > 0 {
		m.estimate = stream / commit
	}
	switch {
	case m.tight:
		m.estimate = max(rate, 1000)
	case m.estimate > 0 && rate > 0.6*m.estimate:
		m.estimate *= growth
	case m.estimate > 0 && used == 0 && m.estimate < stream/commit:
		m.estimate = min(m.estimate+stream*retried, stream/commit) // what it was full of may be over
	}
	if m.limit > 0 {
		m.estimate = min(m.estimate, m.limit)
	}
}
