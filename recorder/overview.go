// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"slices"
	"strings"
	"time"
)

// Span is a stretch of time that was recorded without a hole.
type Span struct {
	Camera string    `json:"camera"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
}

// Total is how much there is of a camera.
type Total struct {
	Camera   string        `json:"camera"`
	Bytes    int64         `json:"bytes"`
	Recorded time.Duration `json:"-"` // time that is covered
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
}

// DayTotal is how much there is of a camera on one day.
type DayTotal struct {
	Camera   string        `json:"camera"`
	Day      string        `json:"day"` // 2026-11-24, in the time zone that was asked for
	Bytes    int64         `json:"bytes"`
	Recorded time.Duration `json:"-"`
}

// The following answer from memory: they cost no query, also over months of many
// cameras. What is being written counts as far as it is durable. The bytes of a
// segment are spread evenly over its time, in quarters of an hour; those of the
// quarter in which an interval ends count to it.

// Spans gives the stretches of [from, to) that were recorded of a camera ("": of all),
// in the order of cameras' names and time. Those less than join apart are one: a
// timeline of a month needs no hole of a second. A zero time is no bound.
func (a *Archive) Spans(camera string, from, to time.Time, join time.Duration) []Span {
	var list []Span
	for _, c := range a.overview(camera, from, to) {
		n := len(list)
		for _, s := range c.spans {
			if last := len(list) - 1; last >= n && time.UnixMilli(s.from).Sub(list[last].To) < join {
				list[last].To = time.UnixMilli(s.to)
				continue
			}
			list = append(list, Span{c.name, time.UnixMilli(s.from), time.UnixMilli(s.to)})
		}
	}
	return list
}

// Calendar gives the days of a month on which there are recordings of a camera ("":
// of any), in a time zone.
func (a *Archive) Calendar(camera string, year int, month time.Month, zone *time.Location) []int {
	first := time.Date(year, month, 1, 0, 0, 0, 0, zone)
	var days []int
	next := first.AddDate(0, 1, 0)
	cameras := a.overview(camera, first, next)
	for day := first; day.Before(next); day = day.AddDate(0, 0, 1) {
		lo, hi := day.UnixMilli(), day.AddDate(0, 0, 1).UnixMilli()
		if slices.ContainsFunc(cameras, func(c *cameraTally) bool { return len(clipped(c.spans, lo, hi)) > 0 }) {
			days = append(days, day.Day())
		}
	}
	return days
}

// Totals gives how much of [from, to) there is of a camera ("": of each that has
// any), in the order of their names. A zero time is no bound.
func (a *Archive) Totals(camera string, from, to time.Time) []Total {
	lo, hi := bounds(from, to)
	var list []Total
	for _, c := range a.overview(camera, from, to) {
		if n := len(c.spans); n > 0 {
			list = append(list, Total{Camera: c.name, Bytes: c.sum(lo, hi), Recorded: covered(c.spans),
				From: time.UnixMilli(c.spans[0].from), To: time.UnixMilli(c.spans[n-1].to)})
		}
	}
	return list
}

// Days gives the same for each day of [from, to) on which there is any, in a time zone.
func (a *Archive) Days(camera string, from, to time.Time, zone *time.Location) []DayTotal {
	var list []DayTotal
	for _, c := range a.overview(camera, from, to) {
		for i := 0; i < len(c.spans); {
			y, m, d := time.UnixMilli(c.spans[i].from).In(zone).Date()
			day := time.Date(y, m, d, 0, 0, 0, 0, zone)
			lo, hi := day.UnixMilli(), day.AddDate(0, 0, 1).UnixMilli()
			list = append(list, DayTotal{Camera: c.name, Day: day.Format(time.DateOnly), Bytes: c.sum(lo, hi), Recorded: covered(clipped(c.spans, lo, hi))})
			for i < len(c.spans) && c.spans[i].to <= hi {
				i++
			}
			if i < len(c.spans) {
				c.spans[i].from = max(c.spans[i].from, hi)
			}
		}
	}
	return list
}

func covered(spans []span) (d time.Duration) {
	for _, s := range spans {
		d += time.Duration(s.to-s.from) * time.Millisecond
	}
	return d
}

// overview is what all storages have of a camera ("": of each) in [from, to), what is
// being written included; in the order of names.
func (a *Archive) overview(camera string, from, to time.Time) []*cameraTally {
	lo, hi := bounds(from, to)
	found := map[string]*cameraTally{}
	of := func(name string) *cameraTally {
		if found[name] == nil {
			found[name] = &cameraTally{name: name}
		}
		return found[name]
	}
	for _, s := range a.storages {
		s.tally.mu.RLock()
		for _, c := range s.tally.of {
			if camera == "" || camera == c.name {
				of(c.name).merge(c, lo, hi)
			}
		}
		s.tally.mu.RUnlock()
	}
	for _, l := range a.liveSegments() {
		if !l.Open {
			continue // the tally has it
		}
		if start, end := l.Start.UnixMilli(), l.End.UnixMilli(); (camera == "" || camera == l.Camera) && start < hi && end > lo {
			c := &cameraTally{}
			c.change(start, max(end, start+1), l.Bytes, 1)
			of(l.Camera).merge(c, lo, hi)
		}
	}
	list := make([]*cameraTally, 0, len(found))
	for _, c := range found {
		list = append(list, c)
	}
	slices.SortFunc(list, func(x, y *cameraTally) int { return strings.Compare(x.name, y.name) })
	return list
}

// merge adds what x has in [lo, hi).
func (c *cameraTally) merge(x *cameraTally, lo, hi int64) {
	spans := clipped(x.spans, lo, hi)
	if len(c.spans) == 0 {
		c.spans = spans
	} else {
		for _, s := range spans {
			c.spans = cover(c.spans, s)
		}
	}
	slots := x.within(lo, hi)
	if len(c.slots) == 0 {
		c.slots = slices.Clone(slots)
		return
	}
	for _, s := range slots {
		c.put(s.at, s.bytes)
	}
}
