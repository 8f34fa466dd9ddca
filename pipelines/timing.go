// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import "time"

// Timing are the waits of a runner; zero fields have the defaults.
type Timing struct {
	Open       time.Duration // for all cameras to give their stream; 15 s
	Start      time.Duration // for the process to play; 30 s
	Drain      time.Duration // for the process to end when a camera's stream has; 10 s
	Interrupt  time.Duration // from SIGINT, which lets files be finished, to SIGTERM; 1.2 s
	Terminate  time.Duration // from SIGTERM to SIGKILL; 300 ms
	Settled    time.Duration // an attempt that plays so long makes the next pause short again; 30 s
	RetryFirst time.Duration // before the second attempt; 1 s
	RetryMost  time.Duration // between attempts at most; 30 s
}

func (t Timing) withDefaults() Timing {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Open, 15 * time.Second}, {&t.Start, 30 * time.Second}, {&t.Drain, 10 * time.Second},
		{&t.Interrupt, 1200 * time.Millisecond}, {&t.Terminate, 300 * time.Millisecond}, {&t.Settled, 30 * time.Second},
		{&t.RetryFirst, time.Second}, {&t.RetryMost, 30 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return t
}
