// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"fmt"
	"time"
)

// Forecast is what becomes of a storage if it goes on as in the recent past.
type Forecast struct {
	Dir string `json:"dir"`
	ID  string `json:"id"`
	// Rate is what was recorded per second, over Measured: the last day, or less where
	// the storage has less. 0: nothing was recorded.
	Rate     float64       `json:"rate"` // bytes/s
	Measured time.Duration `json:"-"`
	Bytes    int64         `json:"bytes"`  // of complete segments
	Locked   int64         `json:"locked"` // of them, bytes that no limit removes
	// Room is how many bytes can be written until a limit in bytes is reached.
	Room int64 `json:"room"`
	// Evicts is when the oldest recordings begin to go for want of room, or went
	// already; zero: age removes them before that, or there is no limit in bytes.
	Evicts time.Time `json:"evicts,omitzero"`
	// Full is when recording stops because nothing may be removed; zero: never.
	Full time.Time `json:"full,omitzero"`
	// Holds is how far back recordings reach once the oldest go for want of room, locked
	// ones apart; 0: not known, or nothing goes.
	Holds time.Duration `json:"-"`
}

const (
	// forecastSpan is the recent past.
	forecastSpan = 24 * time.Hour
	// lowAhead is how long before a storage is full it is said.
	lowAhead = 24 * time.Hour
	// forecastMost is the farthest future that is told: beyond it, never.
	forecastMost = 100 * 365 * 24 * time.Hour
)

// Forecast tells of every storage when it will be full.
func (a *Archive) Forecast(ctx context.Context) ([]Forecast, error) {
	var list []Forecast
	for _, s := range a.storages {
		var locked int64 // asked without the committer, which may wait for a slow disk
		err := s.index.r.QueryRowContext(ctx, lockedBytesQuery, 0).Scan(&locked)
		if err == nil {
			var f Forecast
			if f, err = s.forecast(locked); err == nil {
				list = append(list, f)
				continue
			}
		}
		return nil, fmt.Errorf("forecast of storage %s: %w", s.Dir, err)
	}
	return list, nil
}

func (s *storage) forecast(locked int64) (Forecast, error) {
	now := s.archive.cfg.Now()
	f := Forecast{Dir: s.Dir, ID: s.identity.ID, Locked: locked}
	f.Bytes, _ = s.tally.total()
	free, err := s.fs.Free(s.Dir)
	if err != nil {
		return f, err
	}
	limited := s.MaxBytes > 0 || s.KeepFree > 0
	f.Room = free - s.KeepFree
	if s.MaxBytes > 0 {
		f.Room = min(f.Room, s.MaxBytes-f.Bytes)
	}
	f.Room = max(f.Room, 0)
	var aged float64 // bytes per second that age takes away again
	f.Rate, f.Measured, aged = s.tally.rate(now, func(camera string) time.Duration { return s.retention(camera).MaxAge })
	if f.Rate <= 0 {
		return f, nil
	}
	after := func(bytes, rate float64) time.Time {
		if d := bytes / rate; d < forecastMost.Seconds() {
			return now.Add(time.Duration(d * float64(time.Second)))
		}
		return time.Time{}
	}
	growth := f.Rate - aged
	switch {
	case limited:
		// What is not locked is replaced by what comes: it stops only when everything is locked.
		f.Holds = time.Duration(float64(f.Room+f.Bytes-locked) / f.Rate * float64(time.Second))
		if growth > 0 {
			f.Evicts = after(float64(f.Room), growth)
		}
		if f.Room == 0 && f.Bytes > 0 && locked >= f.Bytes {
			f.Full = now
		}
	case growth > 0:
		f.Full = after(float64(f.Room), growth)
	}
	return f, nil
}

// rate is the bytes per second of the last forecastSpan, how long that was, and how
// many of them are of cameras of which as much is removed by age: those that have been
// recorded for that long.
func (t *tally) rate(now time.Time, maxAge func(camera string) time.Duration) (rate float64, measured time.Duration, aged float64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	hi := now.UnixMilli()
	lo := floorDiv(hi-forecastSpan.Milliseconds(), slotLength) * slotLength
	first := hi
	var bytes, old int64
	for _, c := range t.of {
		n := c.sum(lo, hi+slotLength)
		if n == 0 {
			continue
		}
		bytes += n
		if recent := clipped(c.spans, lo, hi); len(recent) > 0 {
			first = min(first, recent[0].from)
		}
		if age := maxAge(c.name); age > 0 && c.spans[0].from < hi-age.Milliseconds()+2*slotLength {
			old += n
		}
	}
	if first >= hi {
		return 0, 0, 0
	}
	measured = time.Duration(hi-first) * time.Millisecond
	return float64(bytes) / measured.Seconds(), measured, float64(old) / measured.Seconds()
}

// warnLow says once that the storage will be full before long.
func (s *storage) warnLow() {
	locked, err := s.index.lockedBytes(0)
	if err != nil {
		return
	}
	f, err := s.forecast(locked)
	if err != nil {
		return
	}
	low := !f.Full.IsZero() && f.Full.Sub(s.archive.cfg.Now()) < lowAhead
	if low && !s.low {
		s.archive.log.Warn("storage will be full before long", "storage", s.Dir, "full", f.Full, "room", f.Room)
		s.notify(Notice{Kind: NoticeLow, Full: f.Full})
	}
	s.low = low
}
