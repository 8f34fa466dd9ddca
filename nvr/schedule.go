// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Schedule is a weekly schedule on the wall clock of a time zone. The zero value is
// always.
type Schedule []Hours

// Hours are one entry of a schedule: the same hours of some days of the week.
type Hours struct {
	Days [7]bool // by time.Weekday
	// From and To are minutes of the day; where To is not behind From the hours reach
	// into the next day.
	From, To int
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// dayMinutes is 24:00.
const dayMinutes = 24 * 60

// ParseHours reads an entry such as "mon-fri 08:00-18:00", "sat,sun 00:00-24:00" or
// "daily 22:00-06:00": days, then hours. Hours that end before they begin reach into
// the next day.
func ParseHours(s string) (Hours, error) {
	var h Hours
	bad := func(why string) (Hours, error) {
		return h, fmt.Errorf(`%q: %s; write it like "mon-fri 08:00-18:00" or "daily 22:00-06:00"`, s, why)
	}
	days, hours, ok := strings.Cut(strings.TrimSpace(s), " ")
	if !ok {
		return bad("needs days and hours")
	}
	for part := range strings.SplitSeq(strings.ToLower(days), ",") {
		first, last, ranged := strings.Cut(part, "-")
		if first == "daily" && !ranged {
			first, last = "sun", "sat"
		} else if !ranged {
			last = first
		}
		from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if from < 0 || to < 0 {
			return bad(fmt.Sprintf("%q is no day: %s or daily", part, strings.Join(weekdays, ", ")))
		}
		for d := from; ; d = (d + 1) % 7 {
			h.Days[d] = true
			if d == to {
				break
			}
		}
	}
	from, to, ok := strings.Cut(strings.TrimSpace(hours), "-")
	var err error
	if !ok {
		return bad("needs hours from and to")
	}
	if h.From, err = minuteOf(from); err != nil {
		return bad(err.Error())
	}
	if h.To, err = minuteOf(to); err != nil {
		return bad(err.Error())
	}
	if h.From == h.To || h.From == dayMinutes {
		return bad("the hours are empty; the whole day is 00:00-24:00")
	}
	return h, nil
}

func minuteOf(s string) (int, error) {
	hh, mm, ok := strings.Cut(s, ":")
	h, err := strconv.ParseUint(hh, 10, 8)
	m, err2 := strconv.ParseUint(mm, 10, 8)
	minute := int(h)*60 + int(m)
	if !ok || err != nil || err2 != nil || len(mm) != 2 || m > 59 || minute > dayMinutes {
		return 0, fmt.Errorf("%q is no time of the day from 00:00 to 24:00", s)
	}
	return minute, nil
}

// Contains says whether the schedule has the instant, as the clocks of t's zone show it.
func (s Schedule) Contains(t time.Time) bool {
	if len(s) == 0 {
		return true
	}
	minute, day := t.Hour()*60+t.Minute(), t.Weekday()
	for _, h := range s {
		over := h.To <= h.From // into the next day
		switch {
		case h.Days[day] && minute >= h.From && (over || minute < h.To):
			return true
		case over && h.Days[(day+6)%7] && minute < h.To:
			return true
		}
	}
	return false
}
