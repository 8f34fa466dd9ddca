// SPDX-License-Identifier: LGPL-2.1-or-later

package discovery

import (
	"net/netip"
	"time"
)

const (
	// A viewer sends three probes in a few seconds; ten at once and two a second
	// after that leave room for several viewers on one host.
	sourceBurst = 10
	sourceRate  = 2 // answers per second
	// What all sources together may cost: an answer is about 200 bytes and one look
	// at the routing table.
	totalBurst = 200
	totalRate  = 100
	// maxSources bounds what is remembered. When it is full a source that has not
	// been heard of for long is forgotten, else any.
	maxSources = 1024
)

// bucket is a token bucket.
type bucket struct {
	tokens float64
	seen   time.Time
}

func (b *bucket) take(now time.Time, rate, burst float64) bool {
	if b.seen.IsZero() {
		b.tokens = burst
	} else if d := now.Sub(b.seen).Seconds(); d > 0 {
		b.tokens = min(burst, b.tokens+d*rate)
	}
	b.seen = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// limiter decides which probes are answered, so that a flood from one source is
// not answered, and one from many costs a bounded effort.
type limiter struct {
	sources map[netip.Addr]*bucket
	total   bucket
}

func newLimiter() *limiter { return &limiter{sources: map[netip.Addr]*bucket{}} }

func (l *limiter) allow(from netip.Addr, now time.Time) bool {
	if b := l.sources[from]; b != nil {
		return b.take(now, sourceRate, sourceBurst) && l.total.take(now, totalRate, totalBurst)
	}
	// A new source is remembered only where it may be answered: else made-up
	// sources would make us forget, and search, as fast as they come.
	if !l.total.take(now, totalRate, totalBurst) {
		return false
	}
	if len(l.sources) >= maxSources {
		l.forget(now)
	}
	b := &bucket{}
	l.sources[from] = b
	return b.take(now, sourceRate, sourceBurst)
}

// forget drops the sources whose buckets are full again, or else one.
func (l *limiter) forget(now time.Time) {
	const refill = sourceBurst / sourceRate * time.Second
	for a, b := range l.sources {
		if now.Sub(b.seen) >= refill {
			delete(l.sources, a)
		}
	}
	for a := range l.sources {
		if len(l.sources) < maxSources {
			return
		}
		delete(l.sources, a)
	}
}
