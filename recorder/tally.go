// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"math/bits"
	"slices"
	"sort"
	"sync"
	"time"
)

// tally is what a storage knows by heart of its complete segments: how much there
// is of each camera, when, and which time it covers. It is made from the index's
// rows at the start and kept by the committer, so that calendars, totals and limits
// cost no query. A camera takes 16 bytes for each quarter of an hour it has
// recordings of, and 16 for each hole between them.
type tally struct {
	mu    sync.RWMutex
	bytes int64
	count int64
	of    map[int64]*cameraTally // by the camera's row
}

type cameraTally struct {
	name  string
	bytes int64
	spans []span // what is covered; in order, neither touching nor overlapping
	slots []slot // in order
}

// span is [from, to) in Unix milliseconds.
type span struct{ from, to int64 }

// slot is the bytes of one quarter of an hour; every time zone's day begins with one.
type slot struct{ at, bytes int64 }

const slotLength = 15 * 60 * 1000 // ms

func newTally() *tally { return &tally{of: map[int64]*cameraTally{}} }

// named makes a camera known.
func (t *tally) named(id int64, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.camera(id).name = name
}

func (t *tally) camera(id int64) *cameraTally {
	c := t.of[id]
	if c == nil {
		c = &cameraTally{}
		t.of[id] = c
	}
	return c
}

// add and remove count a complete segment.
func (t *tally) add(camera int64, from, to time.Time, bytes int64) {
	t.change(camera, from.UnixMilli(), to.UnixMilli(), bytes, 1)
}

func (t *tally) remove(camera int64, from, to, bytes int64) { t.change(camera, from, to, -bytes, -1) }

// away notes that the file of a segment is in the remote store only: what it covers is
// recorded still, and its bytes are no longer here.
func (t *tally) away(camera, from, to, bytes int64) {
	t.change(camera, from, to, -bytes, -1)
	t.covers(camera, from, to)
}

// covers and uncovers count such a segment.
func (t *tally) covers(camera, from, to int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.camera(camera)
	c.spans = cover(c.spans, span{from, max(to, from+1)})
}

func (t *tally) uncovers(camera, from, to int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.camera(camera)
	c.spans = uncover(c.spans, span{from, max(to, from+1)})
}

func (t *tally) change(camera, from, to, bytes, n int64) {
	to = max(to, from+1)
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.camera(camera)
	t.bytes, t.count = t.bytes+bytes, t.count+n
	c.bytes += bytes
	c.change(from, to, bytes, n)
}

// change adds (n is 1) or removes (n is -1, bytes negative) a segment.
func (c *cameraTally) change(from, to, bytes, n int64) {
	if n > 0 {
		c.spans = cover(c.spans, span{from, to})
	} else {
		c.spans = uncover(c.spans, span{from, to})
	}
	// The bytes are spread evenly over the segment's time. What adding put somewhere
	// removing takes from there, since both round the same way.
	for at, done := floorDiv(from, slotLength), int64(0); done != bytes; at++ {
		part := bytes
		if end := (at + 1) * slotLength; end < to {
			part = n * share(bytes/n, end-from, to-from)
		}
		c.put(at, part-done)
		done = part
	}
}

// share is n*part/whole, part being less than whole, for numbers whose product has no room.
func share(n, part, whole int64) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(part))
	q, _ := bits.Div64(hi, lo, uint64(whole))
	return int64(q)
}

// put adds bytes to a slot; one that is used up goes.
func (c *cameraTally) put(at, bytes int64) {
	i := sort.Search(len(c.slots), func(i int) bool { return c.slots[i].at >= at })
	switch {
	case i == len(c.slots) || c.slots[i].at != at:
		c.slots = slices.Insert(c.slots, i, slot{at, bytes})
	case c.slots[i].bytes+bytes > 0:
		c.slots[i].bytes += bytes
	default:
		c.slots = slices.Delete(c.slots, i, i+1)
	}
}

// cover adds x to spans, joining what touches it.
func cover(spans []span, x span) []span {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].to >= x.from })
	j := i
	for ; j < len(spans) && spans[j].from <= x.to; j++ {
		x = span{min(x.from, spans[j].from), max(x.to, spans[j].to)}
	}
	return slices.Replace(spans, i, j, x)
}

// uncover takes x out of spans. Where two segments held the same time, it is gone
// with the first of them until the next start counts anew.
func uncover(spans []span, x span) []span {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].to > x.from })
	j := i
	var rest []span
	for ; j < len(spans) && spans[j].from < x.to; j++ {
		if spans[j].from < x.from {
			rest = append(rest, span{spans[j].from, x.from})
		}
		if spans[j].to > x.to {
			rest = append(rest, span{x.to, spans[j].to})
		}
	}
	return slices.Replace(spans, i, j, rest...)
}

// clipped are the spans' parts within [lo, hi).
func clipped(spans []span, lo, hi int64) []span {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].to > lo })
	var list []span
	for ; i < len(spans) && spans[i].from < hi; i++ {
		list = append(list, span{max(spans[i].from, lo), min(spans[i].to, hi)})
	}
	return list
}

// sum is the bytes of the slots of [lo, hi).
func (c *cameraTally) sum(lo, hi int64) (bytes int64) {
	for _, s := range c.within(lo, hi) {
		bytes += s.bytes
	}
	return bytes
}

// within are the slots that [lo, hi) touches.
func (c *cameraTally) within(lo, hi int64) []slot {
	place := func(ms int64) int {
		return sort.Search(len(c.slots), func(i int) bool { return c.slots[i].at >= floorDiv(ms, slotLength) })
	}
	i, j := place(lo), place(hi-1)
	if j < len(c.slots) && c.slots[j].at == floorDiv(hi-1, slotLength) {
		j++
	}
	return c.slots[i:max(i, j)]
}

// names are the cameras that are known.
func (t *tally) names() map[int64]string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	m := make(map[int64]string, len(t.of))
	for id, c := range t.of {
		m[id] = c.name
	}
	return m
}

func (t *tally) nameOf(camera int64) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if c := t.of[camera]; c != nil {
		return c.name
	}
	return ""
}

func (t *tally) bytesOf(camera int64) int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if c := t.of[camera]; c != nil {
		return c.bytes
	}
	return 0
}

func (t *tally) total() (bytes, count int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.bytes, t.count
}

// oldest is where a camera's recordings begin; ok is false when it has none.
func (t *tally) oldest(camera int64) (ms int64, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if c := t.of[camera]; c != nil && len(c.spans) > 0 {
		return c.spans[0].from, true
	}
	return 0, false
}

// newest is where a camera's recordings end (0: it has none yet), if it is known.
func (t *tally) newest(name string) (ms int64, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, c := range t.of {
		if c.name == name {
			if n := len(c.spans); n > 0 {
				return c.spans[n-1].to, true
			}
			return 0, true
		}
	}
	return 0, false
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
