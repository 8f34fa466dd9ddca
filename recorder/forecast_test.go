// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"testing"
	"time"
)

func TestForecast(t *testing.T) {
	const mb = 1 << 20
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	full := func(d time.Duration) time.Time { return now.Add(d) }
	cases := []struct {
		name          string
		cfg           StorageConfig
		free          int64
		hours         int // of 30 MiB each, up to now
		locked        int64
		evicts, fills time.Time
		holds         time.Duration
	}{
		{"nothing yet", StorageConfig{}, 100 * mb, 0, 0, time.Time{}, time.Time{}, 0},
		{"no limit", StorageConfig{}, 300 * mb, 5, 0, time.Time{}, full(10 * time.Hour), 0},
		{"age later than full", StorageConfig{MaxAge: 48 * time.Hour}, 300 * mb, 5, 0, time.Time{}, full(10 * time.Hour), 0},
		{"age holds it", StorageConfig{MaxAge: 5 * time.Hour}, 300 * mb, 5, 0, time.Time{}, time.Time{}, 0},
		{"keep free", StorageConfig{KeepFree: 150 * mb}, 300 * mb, 5, 0, full(5 * time.Hour), time.Time{}, 10 * time.Hour},
		{"max bytes", StorageConfig{MaxBytes: 240 * mb}, 3600 * mb, 5, 0, full(3 * time.Hour), time.Time{}, 8 * time.Hour},
		{"reached", StorageConfig{MaxBytes: 150 * mb}, 3600 * mb, 5, 30 * mb, full(0), time.Time{}, 4 * time.Hour},
		{"locked", StorageConfig{MaxBytes: 150 * mb}, 3600 * mb, 5, 150 * mb, full(0), full(0), 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := &Archive{cfg: Config{Now: func() time.Time { return now }}}
			s := &storage{StorageConfig: c.cfg, archive: a, fs: &fakeFree{size: c.free}, tally: newTally()}
			s.Dir = t.TempDir()
			s.tally.named(1, "cam")
			for i := range c.hours * 60 {
				at := now.Add(-time.Duration(i+1) * time.Minute)
				s.tally.add(1, at, at.Add(time.Minute), 30*mb/60)
			}
			f, err := s.forecast(c.locked)
			if err != nil {
				t.Fatal(err)
			}
			near := func(x, y time.Time) bool {
				return x.IsZero() == y.IsZero() && x.Sub(y).Abs() < 2*time.Minute
			}
			if !near(f.Evicts, c.evicts) || !near(f.Full, c.fills) || (f.Holds-c.holds).Abs() > 2*time.Minute {
				t.Errorf("%+v", f)
			}
			if want := time.Duration(c.hours) * time.Hour; f.Measured != want {
				t.Errorf("measured over %v, want %v", f.Measured, want)
			}
		})
	}
}
