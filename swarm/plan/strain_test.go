// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"testing"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

// What the source sends late is not asked for: it is on its way, and would come twice.
// What it has passed over is.
func TestLateOrPassedOver(t *testing.T) {
	for _, tt := range []struct {
		name   string
		passed bool
	}{{"late", false}, {"passed over", true}} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.run(40, source)
			b.forget()
			from := b.seq
			var held []uint64
			b.run(30, func(seq uint64) wire.PeerID {
				if chunk.StripeOf(seq) == 2 && (!tt.passed || seq < from+4) {
					held = append(held, seq)
					return Nobody
				}
				return wire.Source
			})
			asked := b.find(Request, wire.Source) != nil
			if asked != tt.passed {
				t.Errorf("asked for: %v, want %v", asked, tt.passed)
			}
			for _, seq := range held {
				b.chunk(wire.Source, seq)
			}
			if s := b.Stats(); s.Duplicates != 0 || s.Lost != 0 || b.Next() != b.seq {
				t.Errorf("stats %+v, next %d of %d", s, b.Next(), b.seq)
			}
		})
	}
}

// Chunks that were under way from the parent before are no holes of the new one.
func TestUnderWayIsNoHole(t *testing.T) {
	st := stripe{has: true, since: 108, pushed: 117}
	for seq, want := range map[uint64]bool{100: false, 104: false, 108: true, 112: true, 116: true, 120: false} {
		if st.hole(seq) != want {
			t.Errorf("chunk %d is a hole: %v, want %v", seq, !want, want)
		}
	}
	if st.has = false; st.hole(112) {
		t.Error("a stripe without a parent has a hole")
	}
}

// A viewer whose machine is overloaded gives away less, bit by bit, and more again when it
// is not.
func TestStrain(t *testing.T) {
	b := newBench(t, nil)
	b.run(40, source)
	id := b.link(1, 2, nil)
	b.Subscribed(b.at, id, 1, b.seq)
	b.take()
	all, used := b.Slots()
	if all < 2 || used != 1 {
		t.Fatalf("%d slots, %d used", all, used)
	}
	b.forget()
	for range 100 { // ticks that come 100 ms late
		b.at += 150 * time.Millisecond
		for range 3 {
			b.chunk(wire.Source, b.seq)
			b.seq++
		}
		b.Tick(b.at)
		b.take()
	}
	if n, _ := b.Slots(); n != 0 {
		t.Errorf("%d slots on a machine that does not keep up", n)
	}
	if a := b.find(Answer, id); a == nil || a.Code != wire.Displaced {
		t.Errorf("the child is told %+v", a)
	}
	b.run(3000, source)
	if n, _ := b.Slots(); n < all-1 {
		t.Errorf("%d slots when it keeps up again, %d before", n, all)
	}
}

// Who asks a slow source asks less; that is forgotten in time.
func TestSlowFetch(t *testing.T) {
	b := newBench(t, nil)
	b.run(40, source)
	for range 8 {
		b.fetched(2 * time.Second)
	}
	if b.margin < 3*time.Second || b.margin > maxMargin {
		t.Errorf("margin %v after a source that takes 2 s", b.margin)
	}
	b.run(3000, source)
	if b.margin > 10*time.Millisecond {
		t.Errorf("margin %v a long time later", b.margin)
	}
	b.fetched(100 * time.Millisecond)
	if b.margin > 10*time.Millisecond {
		t.Errorf("margin %v after a source that is quick", b.margin)
	}
}

// A line that was full once, so that nobody was fed over it any more, is tried again.
func TestMeterTriesAgain(t *testing.T) {
	m := meter{estimate: 1000}
	for now := time.Duration(0); now < 90*time.Second; now += TickEvery {
		m.tick(now, 0, 100_000)
	}
	if c := m.capacity(100_000); c < 100_000 || c > 120_000 {
		t.Errorf("after 90 s without use the line is thought good for %v of 100,000", c)
	}
}
