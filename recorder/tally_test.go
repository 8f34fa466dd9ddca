// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"math/rand"
	"testing"
	"time"
)

// Whatever is added and removed, a tally says what a list of the segments says.
func TestTally(t *testing.T) {
	for seed := range int64(50) {
		rng := rand.New(rand.NewSource(seed))
		tl := newTally()
		type seg struct{ from, to, bytes int64 }
		var all []seg
		at := int64(-5000)
		for range 300 {
			if len(all) > 0 && rng.Intn(3) == 0 {
				i := rng.Intn(len(all))
				if rng.Intn(2) == 0 {
					i = 0
				}
				s := all[i]
				tl.remove(1, s.from, s.to, s.bytes)
				all = append(all[:i], all[i+1:]...)
			} else {
				at += int64(rng.Intn(2)) * int64(rng.Intn(slotLength)) // often right behind the last one
				s := seg{at, at + 1 + int64(rng.Intn(3*slotLength)), int64(rng.Intn(1 << 30))}
				at = s.to
				tl.add(1, time.UnixMilli(s.from), time.UnixMilli(s.to), s.bytes)
				all = append(all, s)
			}
		}
		c := tl.of[1]
		var spans []span
		var bytes int64
		for _, s := range all {
			spans = cover(spans, span{s.from, s.to})
			bytes += s.bytes
		}
		if b, n := tl.total(); b != bytes || n != int64(len(all)) || c.bytes != bytes {
			t.Fatalf("seed %d: %d bytes, %d segments; want %d, %d", seed, b, n, bytes, len(all))
		}
		if len(spans) != len(c.spans) {
			t.Fatalf("seed %d: %v, want %v", seed, c.spans, spans)
		}
		for i := range spans {
			if spans[i] != c.spans[i] || i > 0 && spans[i].from <= spans[i-1].to {
				t.Fatalf("seed %d: %v, want %v", seed, c.spans, spans)
			}
		}
		if got := c.sum(-1<<40, 1<<40); got != bytes {
			t.Fatalf("seed %d: the slots add up to %d of %d bytes", seed, got, bytes)
		}
		for i, s := range c.slots {
			if s.bytes <= 0 || i > 0 && s.at <= c.slots[i-1].at {
				t.Fatalf("seed %d: slots %v", seed, c.slots)
			}
		}
	}
}
