// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"slices"
	"testing"
	"time"
)

// in is a time of day in a zone, for tables.
func in(t testing.TB, zone, text string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Days are those of the time zone that asks, those of 23 and 25 hours too.
func TestCalendarAndDays(t *testing.T) {
	cases := []struct {
		name, zone string
		spans      [][2]string // in UTC
		year       int
		month      time.Month
		calendar   []int
		days       []string // with hours
	}{
		{"UTC", "UTC", [][2]string{{"2026-11-24 10:00", "2026-11-26 02:00"}}, 2026, 11, []int{24, 25, 26}, []string{"2026-11-24 14", "2026-11-25 24", "2026-11-26 2"}},
		{"east of it", "Asia/Shanghai", [][2]string{{"2026-10-31 15:00", "2026-10-31 17:00"}}, 2026, 11, []int{1}, []string{"2026-10-31 1", "2026-11-01 1"}},
		{"quarters", "Asia/Kathmandu", [][2]string{{"2026-11-01 18:00", "2026-11-01 19:00"}}, 2026, 11, []int{1, 2}, []string{"2026-11-01 0.25", "2026-11-02 0.75"}},
		{"25 hours", "Europe/Berlin", [][2]string{{"2026-10-24 12:00", "2026-10-26 12:00"}}, 2026, 10, []int{24, 25, 26}, []string{"2026-10-24 10", "2026-10-25 25", "2026-10-26 13"}},
		{"23 hours", "America/New_York", [][2]string{{"2026-03-08 05:00", "2026-03-09 04:00"}}, 2026, 3, []int{8}, []string{"2026-03-08 23"}},
		{"holes", "UTC", [][2]string{{"2026-11-01 00:00", "2026-11-01 01:00"}, {"2026-11-01 23:00", "2026-11-02 00:00"}, {"2026-11-30 23:00", "2026-12-01 01:00"}},
			2026, 11, []int{1, 30}, []string{"2026-11-01 2", "2026-11-30 1", "2026-12-01 1"}},
		{"nothing", "UTC", nil, 2026, 11, nil, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}})
			tl := a.storages[0].tally
			tl.named(1, "cam")
			tl.named(2, "other")
			const perMinute = 1000
			for _, s := range c.spans {
				for at, to := in(t, "UTC", s[0]), in(t, "UTC", s[1]); at.Before(to); at = at.Add(time.Minute) {
					tl.add(1, at, at.Add(time.Minute), perMinute)
				}
			}
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			if got := a.Calendar("cam", c.year, c.month, zone); !slices.Equal(got, c.calendar) {
				t.Errorf("calendar %v, want %v", got, c.calendar)
			}
			if got := a.Calendar("other", c.year, c.month, zone); len(got) > 0 {
				t.Errorf("another camera has %v", got)
			}
			days := a.Days("", time.Time{}, time.Time{}, zone)
			if len(days) != len(c.days) {
				t.Fatalf("days %+v, want %v", days, c.days)
			}
			var sum time.Duration
			for i, d := range days {
				hours, err := time.ParseDuration(c.days[i][11:] + "h")
				if err != nil {
					t.Fatal(err)
				}
				if d.Day != c.days[i][:10] || d.Recorded != hours || d.Bytes != int64(hours.Minutes())*perMinute || d.Camera != "cam" {
					t.Errorf("%+v, want %v", d, c.days[i])
				}
				sum += d.Recorded
			}
			total := a.Totals("cam", time.Time{}, time.Time{})
			if len(c.spans) == 0 {
				if len(total) != 0 {
					t.Errorf("%+v", total)
				}
				return
			}
			if len(total) != 1 || total[0].Recorded != sum || total[0].Bytes != int64(sum.Minutes())*perMinute {
				t.Errorf("totals %+v, days add up to %v", total, sum)
			}
			if spans := a.Spans("cam", time.Time{}, time.Time{}, 0); len(spans) != len(c.spans) {
				t.Errorf("spans %+v", spans)
			}
			if spans := a.Spans("", time.Time{}, time.Time{}, 1e6*time.Hour); len(spans) != 1 || !spans[0].To.Equal(total[0].To) {
				t.Errorf("joined %+v", spans)
			}
		})
	}
}

// What is being written counts, before and after a restart it is the same.
func TestOverviewOfTheLive(t *testing.T) {
	clock := newSimulated()
	cfg := Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 4 * time.Second}, {Dir: t.TempDir(), Segment: 4 * time.Second}}, Now: clock.now, settle: -1}
	a := openArchive(t, cfg)
	one := stills(t, 10, time.Second)
	for i, name := range []string{"gate", "yard", "gate"} {
		r := camera(t, a, name).StartRun()
		play(t, r, clock, one)
		if i > 0 {
			flush(t, a) // the last segment is open
		}
		if i < 2 {
			r.Close(CauseLink)
			clock.add(5 * time.Second)
		}
	}
	flush(t, a)
	open := slices.ContainsFunc(list(t, a, ""), func(s Segment) bool { return s.Open })
	if !open {
		t.Error("no segment is open: the test shows less than it should")
	}
	check := func() {
		t.Helper()
		for _, name := range []string{"", "gate", "yard", "nobody"} {
			var want []span
			var bytes int64
			for _, s := range list(t, a, name) {
				want = cover(want, span{s.Start.UnixMilli(), s.End.UnixMilli()})
				bytes += s.Bytes
			}
			var got []span
			for _, s := range a.Spans(name, time.Time{}, time.Time{}, 0) {
				got = cover(got, span{s.From.UnixMilli(), s.To.UnixMilli()})
			}
			var total int64
			var recorded time.Duration
			for _, x := range a.Totals(name, time.Time{}, time.Time{}) {
				total, recorded = total+x.Bytes, recorded+x.Recorded
			}
			if !slices.Equal(got, want) || total != bytes || recorded != covered(want) {
				t.Errorf("%q: %v, %d bytes, %v; the list says %v, %d bytes", name, got, total, recorded, want, bytes)
			}
		}
	}
	check()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = openArchive(t, cfg)
	check()
}
