// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"testing"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

// fedByOne is a viewer whose stripes all come from one neighbour.
func fedByOne(t *testing.T) (*bench, wire.PeerID) {
	t.Helper()
	b := newBench(t, nil)
	b.run(40, source)
	id := b.link(1, 2, nil)
	from := map[int]uint64{}
	for range 400 {
		b.run(1, func(seq uint64) wire.PeerID {
			if at, ok := from[chunk.StripeOf(seq)]; ok && seq >= at {
				return id
			}
			return wire.Source
		})
		for _, a := range b.acts {
			if a.Kind == Subscribe && a.Peer == id {
				from[a.Stripe] = a.Sequence
				b.Answered(b.at, id, a.Stripe, wire.Accepted)
			}
		}
		b.forget()
		b.tell(id, 2, nil)
	}
	for s, p := range b.Parents() {
		if p != id {
			t.Fatalf("stripe %d comes from %v", s, p)
		}
	}
	return b, id
}

// When the one that feeds all stripes falls silent, nothing tells that the stream goes on: it
// is fetched from the source before a player has nothing left, and the silent one is left.
func TestAllStripesSilent(t *testing.T) {
	b, id := fedByOne(t)
	b.forget()
	began := b.at
	worst := time.Duration(0)
	for range 80 {
		b.run(1, func(seq uint64) wire.PeerID {
			if p := b.parents(seq); p == wire.Source {
				return p
			}
			return Nobody
		})
		acts := b.acts
		b.forget()
		for _, a := range acts {
			var l, missing []uint64
			switch {
			case a.Peer != wire.Source:
			case a.Kind == Request:
				l = a.List
			case a.Kind == Subscribe:
				for seq := a.Sequence; seq < b.seq; seq += chunk.Stripes {
					l = append(l, seq)
				}
			}
			for _, seq := range l {
				if seq < b.seq {
					b.chunk(wire.Source, seq)
				} else {
					missing = append(missing, seq)
				}
			}
			b.Lacks(b.at, wire.Source, missing)
		}
		b.take()
		worst = max(worst, time.Duration(b.seq-b.Next())*50*time.Millisecond)
	}
	if worst > LateLag {
		t.Errorf("the stream is %v behind at the worst, want at most %v", worst, LateLag)
	}
	for s, p := range b.Parents() {
		if p == id {
			t.Errorf("stripe %d is still to come from the silent parent, %v later", s, b.at-began)
		}
	}
	if b.Stats().Lost != 0 {
		t.Errorf("%d chunks were lost", b.Stats().Lost)
	}
}

// A stream that stands still is nobody's fault: the source is asked now and then, and nobody
// is left.
func TestStreamStandsStill(t *testing.T) {
	b, id := fedByOne(t)
	b.forget()
	for range 100 { // 5 s
		b.at += 50 * time.Millisecond
		b.Tick(b.at)
		b.tell(id, 2, nil)
		for _, a := range b.take() {
			if a.Kind == Request {
				b.Lacks(b.at, wire.Source, a.List)
			}
		}
	}
	asked := 0
	for _, a := range b.acts {
		switch a.Kind {
		case Request:
			asked++
			if len(a.List) > maxHushed {
				t.Errorf("the source is asked for %d chunks at once", len(a.List))
			}
		case Subscribe, Unsubscribe, Disconnect:
			t.Errorf("a stream that stands still causes %+v", a)
		}
	}
	if asked == 0 || asked > 5*4+1 {
		t.Errorf("the source is asked %d times in 5 s", asked)
	}
}
