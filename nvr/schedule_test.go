// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"strings"
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// 2026-11-23 is a Monday.
	for _, c := range []struct {
		hours string
		at    string
		want  bool
	}{
		{"mon-fri 08:00-18:00", "2026-11-23T08:00", true},
		{"mon-fri 08:00-18:00", "2026-11-23T07:59", false},
		{"mon-fri 08:00-18:00", "2026-11-23T17:59", true},
		{"mon-fri 08:00-18:00", "2026-11-23T18:00", false},
		{"mon-fri 08:00-18:00", "2026-11-28T12:00", false}, // Saturday
		{"fri-mon 08:00-18:00", "2026-11-29T12:00", true},  // over the week's end
		{"fri-mon 08:00-18:00", "2026-11-25T12:00", false},
		{"sat,SUN 00:00-24:00", "2026-11-29T23:59", true},
		{"sat,sun 00:00-24:00", "2026-11-30T00:00", false},
		{"sat 22:00-06:00", "2026-11-28T21:59", false},
		{"sat 22:00-06:00", "2026-11-28T23:00", true},
		{"sat 22:00-06:00", "2026-11-29T05:59", true}, // still Saturday's
		{"sat 22:00-06:00", "2026-11-29T06:00", false},
		{"sat 22:00-06:00", "2026-11-28T03:00", false}, // Friday's night is not asked for
		{"sun 22:00-06:00", "2026-11-23T03:00", true},  // Sunday's night, on Monday
		{"daily 12:00-13:00", "2026-11-25T12:30", true},
		{"sun 02:00-03:00", "2026-10-25T02:30", true}, // the hour that comes twice
	} {
		h, err := ParseHours(c.hours)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation("2006-01-02T15:04", c.at, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Schedule{h}).Contains(at); got != c.want {
			t.Errorf("%s at %s: %v", c.hours, c.at, got)
		}
	}
	if !(Schedule)(nil).Contains(time.Now()) {
		t.Error("no schedule is not always")
	}
}

func TestScheduleMistakes(t *testing.T) {
	for s, say := range map[string]string{
		"":                     "days and hours",
		"mon":                  "days and hours",
		"mon 8-18":             "no time of the day",
		"mon 08:00":            "from and to",
		"mon 08:0-18:00":       "no time of the day",
		"mon 08:60-18:00":      "no time of the day",
		"mon 24:01-18:00":      "no time of the day",
		"mon 08:00-08:00":      "empty",
		"mon 24:00-08:00":      "empty",
		"moon 08:00-18:00":     `"moon" is no day`,
		"mon-moon 08:00-18:00": "is no day",
		"daily-fri 1:00-2:00":  "is no day",
		"mon -8:00-18:00":      "no time of the day",
	} {
		if _, err := ParseHours(s); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%q: %v, want %q", s, err, say)
		}
	}
}
