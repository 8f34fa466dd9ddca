// SPDX-License-Identifier: LGPL-2.1-or-later

// Package backoff spaces attempts at what fails again and again.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Backoff gives the pauses between attempts: doubled each time, less up to a fifth of
// it at random, so that those who failed together do not all come back at once.
// The zero value has no pauses; one goroutine uses it at a time.
type Backoff struct {
	First time.Duration // before the second attempt
	Most  time.Duration // at most, whatever came before

	next time.Duration
}

// Pause is the wait before the next attempt.
func (b *Backoff) Pause() time.Duration {
	b.next = min(max(b.next, b.First), b.Most)
	d := b.next
	b.next *= 2
	return d - time.Duration(rand.Int64N(int64(d)/5+1))
}

// Reset makes the next pause the first one: an attempt went well.
func (b *Backoff) Reset() { b.next = 0 }
