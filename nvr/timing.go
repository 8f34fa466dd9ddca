// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import "time"

// Timing are the waits of the service; zero fields have the defaults.
type Timing struct {
	Tick       time.Duration // between two reads of a stream that only is recorded; 100 ms
	Stall      time.Duration // without one usable tag until an attempt is given up; 10 s
	Connect    time.Duration // for an attempt to get its first byte; 15 s
	RetryFirst time.Duration // before the second attempt; 500 ms
	RetryMost  time.Duration // between attempts at most; 20 s
	Linger     time.Duration // of a stream that nobody needs any longer; 10 s
	Evaluate   time.Duration // between two looks at the clock, for schedules and ends of events; 1 s
}

func (t Timing) withDefaults() Timing {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Tick, 100 * time.Millisecond}, {&t.Stall, 10 * time.Second}, {&t.Connect, 15 * time.Second},
		{&t.Linger, idleLinger}, {&t.Evaluate, time.Second},
		{&t.RetryFirst, 500 * time.Millisecond}, {&t.RetryMost, 20 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return t
}
