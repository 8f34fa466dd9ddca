// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

const self wire.PeerID = 0xaaaa << 48

// peers of tests have names that are short names, too.
func peerID(n int) wire.PeerID { return wire.PeerID(n) << 48 }

// bench is a node with a stream of a chunk every 50 ms, of which the test says who sends it.
type bench struct {
	*Node
	t     *testing.T
	at    time.Duration
	seq   uint64
	acts  []Action
	first uint64
}

func newBench(t *testing.T, change func(*Config)) *bench {
	cfg := Config{Self: self, MaxUpload: 100_000, Rand: rand.New(rand.NewPCG(1, 2))}
	if change != nil {
		change(&cfg)
	}
	b := &bench{Node: New(cfg), t: t, at: time.Minute, seq: 1000, first: 1000}
	b.Source(b.at, true)
	b.Policy(b.at, wire.Policy{Home: 1, Download: true, Upload: true})
	b.Epoch(b.at, 1000, 1000)
	return b
}

func (b *bench) take() []Action {
	l := slices.Clone(b.Node.Take())
	b.acts = append(b.acts, l...)
	return l
}

// chunk is the stream's chunk seq from somebody, now.
func (b *bench) chunk(from wire.PeerID, seq uint64) bool {
	return b.Chunk(b.at, from, seq, uint32(seq-b.first)*50, 5000, (seq-b.first)%40 == 0)
}

// run lets n chunks of the stream pass; who says who sends each, Nobody: it does not come.
func (b *bench) run(n int, who func(seq uint64) wire.PeerID) {
	for range n {
		b.at += 50 * time.Millisecond
		if from := who(b.seq); from != Nobody {
			b.chunk(from, b.seq)
		}
		b.seq++
		b.Tick(b.at)
		b.take()
	}
}

func source(uint64) wire.PeerID { return wire.Source }

// parents feeds each stripe by the parent that the node has.
func (b *bench) parents(seq uint64) wire.PeerID { return b.Parents()[chunk.StripeOf(seq)] }

// link has a neighbour with upload for a stripe come up, and tell of itself.
func (b *bench) link(n, home int, change func(*wire.Map)) wire.PeerID {
	id := peerID(n)
	b.LinkUp(b.at, id, true, 20*time.Millisecond)
	b.tell(id, home, change)
	return id
}

func (b *bench) tell(id wire.PeerID, home int, change func(*wire.Map)) {
	m := &wire.Map{Upload: true, Home: home, Slots: 4, Free: 4}
	for s := range m.Stripes {
		m.Stripes[s].LagMS = 100
	}
	if change != nil {
		change(m)
	}
	b.Map(b.at, id, m)
	b.take()
}

// find is the last action of a kind for a peer; nil: there is none.
func (b *bench) find(k Kind, id wire.PeerID) *Action {
	for i := len(b.acts) - 1; i >= 0; i-- {
		if a := &b.acts[i]; a.Kind == k && a.Peer == id {
			return a
		}
	}
	return nil
}

func (b *bench) forget() { b.acts = nil }

func TestPlaysFromTheSource(t *testing.T) {
	b := newBench(t, nil)
	if b.chunk(wire.Source, 999) || b.chunk(wire.Source, 1001) {
		t.Error("a stream begins within a group of pictures")
	}
	b.run(100, source)
	var got []uint64
	for _, a := range b.acts {
		switch a.Kind {
		case Deliver:
			got = append(got, a.Sequence)
		case SendMap, Ask:
		default:
			t.Errorf("action %+v", a)
		}
	}
	if len(got) != 100 || got[0] != 1000 || got[99] != 1099 {
		t.Errorf("%d chunks were delivered, from %d", len(got), got[0])
	}
}

// A stripe moves when the new parent has accepted and sent; the old one is told where to end.
func TestMoves(t *testing.T) {
	b := newBench(t, nil)
	b.run(40, source)
	id := b.link(1, 2, nil)
	b.run(4, source)
	sub := b.find(Subscribe, id)
	if sub == nil || sub.Sequence <= b.seq || chunk.StripeOf(sub.Sequence) != sub.Stripe {
		t.Fatalf("no subscription ahead of %d: %+v", b.seq, sub)
	}
	if b.find(Unsubscribe, wire.Source) != nil {
		t.Error("the source is left before the new parent has accepted")
	}
	s, from := sub.Stripe, sub.Sequence
	b.Answered(b.at, id, s, wire.Accepted)
	b.take()
	if u := b.find(Unsubscribe, wire.Source); u == nil || u.Sequence != from || u.Stripe != s {
		t.Fatalf("the source is told %+v, want to end stripe %d where the new parent begins, at %d", u, s, from)
	}
	b.run(30, func(seq uint64) wire.PeerID {
		if chunk.StripeOf(seq) == s && seq >= from {
			return id
		}
		return wire.Source
	})
	if b.Parents()[s] != id || b.Stats().Moves == 0 || b.Stats().Lost != 0 {
		t.Errorf("parents %v, stats %+v", b.Parents(), b.Stats())
	}
}

// A parent-to-be that accepts and does not send is given up, and the old one kept.
func TestFreeRiderIsGivenUp(t *testing.T) {
	b := newBench(t, nil)
	b.run(40, source)
	id := b.link(1, 2, nil)
	b.run(4, source)
	sub := b.find(Subscribe, id)
	b.Answered(b.at, id, sub.Stripe, wire.Accepted)
	b.forget()
	b.run(60, func(seq uint64) wire.PeerID {
		if chunk.StripeOf(seq) == sub.Stripe && seq >= sub.Sequence+chunk.Stripes && b.find(Subscribe, wire.Source) == nil {
			return Nobody // the source has ended where it was told to
		}
		return wire.Source
	})
	if b.find(Unsubscribe, id) == nil || b.find(Subscribe, wire.Source) == nil || b.Parents()[sub.Stripe] != wire.Source {
		t.Errorf("the rider is not given up for the source: parents %v", b.Parents())
	}
	if b.find(Request, wire.Source) == nil {
		t.Error("what the rider owed is not fetched")
	}
	b.forget()
	b.tell(id, 2, nil)
	b.run(20, source)
	if b.find(Subscribe, id) != nil {
		t.Error("the rider is asked again at once")
	}
}

func TestWhoIsNoParent(t *testing.T) {
	for name, change := range map[string]func(*wire.Map){
		"does not upload": func(m *wire.Map) { m.Upload = false },
		"has no room":     func(m *wire.Map) { m.Free = 0 },
		"has no stripe": func(m *wire.Map) {
			for s := range m.Stripes {
				m.Stripes[s].LagMS = wire.NoLag
			}
		},
		"is behind us": func(m *wire.Map) {
			for s := range m.Stripes {
				m.Stripes[s].Path = []uint16{7, self.ShortName()}
			}
		},
		"is far away": func(m *wire.Map) {
			for s := range m.Stripes {
				m.Stripes[s].LagMS = 2000
			}
		},
		"has a long path": func(m *wire.Map) {
			for s := range m.Stripes {
				m.Stripes[s].Path = make([]uint16, wire.MaxPath)
			}
		},
	} {
		b := newBench(t, nil)
		b.run(40, source)
		id := b.link(1, 2, change)
		b.run(20, source)
		if a := b.find(Subscribe, id); a != nil {
			t.Errorf("a peer that %s is asked: %+v", name, a)
		}
	}
}

// A head stays with the source, and comes back to it.
func TestHead(t *testing.T) {
	b := newBench(t, nil)
	b.Policy(b.at, wire.Policy{Home: 1, Heads: 15, Download: true, Upload: true})
	b.run(40, source)
	id := b.link(1, 2, nil)
	b.run(40, source)
	if b.find(Subscribe, id) != nil {
		t.Error("a head of all stripes leaves the source")
	}
}

func TestChildren(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxUpload = 100_000 * 0.5 }) // of a stream of 100,000 bytes/s: floor(0.85*2) = 1 slot
	b.run(100, source)
	if all, _ := b.Slots(); all != 1 {
		t.Fatalf("%d slots", all)
	}
	leaf, home, other := b.link(1, 3, nil), b.link(2, 1, nil), b.link(3, 2, nil)
	b.forget()
	ask := func(id wire.PeerID, s int, want wire.Code) {
		t.Helper()
		b.Subscribed(b.at, id, s, align(b.seq, s))
		b.take()
		if a := b.find(Answer, id); a == nil || a.Code != want || a.Stripe != s {
			t.Errorf("peer %v asks for stripe %d: %+v, want %v", id, s, a, want)
		}
		b.forget()
	}
	ask(other, 2, wire.Accepted)
	b.Subscribed(b.at, leaf, 1, b.seq)
	b.take()
	if a := b.find(Answer, leaf); a.Code != wire.Accepted {
		t.Errorf("a leaf of the home stripe: %v", a.Code)
	}
	if a := b.find(Answer, other); a == nil || a.Code != wire.Displaced {
		t.Error("the child of another stripe is not displaced")
	}
	b.forget()
	ask(other, 3, wire.Full)
	b.Subscribed(b.at, home, 1, b.seq)
	b.take()
	if a := b.find(Answer, leaf); a == nil || a.Code != wire.Displaced {
		t.Error("who uploads the stripe does not displace a leaf of it")
	}
	b.forget()
	ask(leaf, 1, wire.Full)
	b.forget()
	b.run(100, source)
	sent := map[wire.PeerID]int{}
	for _, a := range b.acts {
		if a.Kind == Send {
			sent[a.Peer]++
			if chunk.StripeOf(a.Sequence) != 1 && a.Peer == home {
				t.Errorf("chunk %d is not of its stripe", a.Sequence)
			}
		}
	}
	if sent[home] != 25 || sent[leaf] > 16 || sent[other] > 16 {
		t.Errorf("sent %v: displaced children are fed for %v", sent, grace)
	}
	b.forget()
	b.Switch(b.at, true, false)
	ask(other, 2, wire.Off)
}

func TestCycle(t *testing.T) {
	b := newBench(t, nil)
	b.run(40, source)
	id := b.link(1, 2, nil)
	b.run(4, source)
	sub := b.find(Subscribe, id)
	b.Subscribed(b.at, id, sub.Stripe, b.seq)
	b.take()
	if a := b.find(Answer, id); a == nil || a.Code != wire.Cycle {
		t.Errorf("the parent-to-be becomes a child: %+v", a)
	}
	b.Answered(b.at, id, sub.Stripe, wire.Accepted)
	b.run(20, func(seq uint64) wire.PeerID {
		if chunk.StripeOf(seq) == sub.Stripe && seq >= sub.Sequence {
			return id
		}
		return wire.Source
	})
	if b.Parents()[sub.Stripe] != id {
		t.Fatal("it did not become the parent")
	}
	b.tell(id, 2, func(m *wire.Map) { m.Stripes[sub.Stripe].Path = []uint16{9, self.ShortName()} })
	b.run(1, source)
	if b.Parents()[sub.Stripe] == id {
		t.Error("a stripe that comes from ourselves keeps its parent")
	}
}

// What is late is asked for of a neighbour that has it, and then of the source.
func TestRepair(t *testing.T) {
	b := newBench(t, nil)
	b.run(40, source)
	id := b.link(1, 2, func(m *wire.Map) { m.Free = 0 })
	lost := b.seq
	b.run(9, func(seq uint64) wire.PeerID {
		if seq == lost {
			return Nobody
		}
		return wire.Source
	})
	if r := b.find(Request, id); r == nil || !slices.Equal(r.List, []uint64{lost}) {
		t.Fatalf("of the neighbour: %+v", r)
	}
	b.Lacks(b.at, id, []uint64{lost})
	b.run(12, source)
	if r := b.find(Request, wire.Source); r == nil || !slices.Equal(r.List, []uint64{lost}) {
		t.Fatalf("of the source: %+v", r)
	}
	before := b.Stats().Delivered
	b.chunk(wire.Source, lost)
	if n := b.Stats().Delivered - before; n != b.seq-lost {
		t.Errorf("%d chunks are delivered behind it, want %d", n, b.seq-lost)
	}
	if b.Stats().Lost != 0 {
		t.Error("something is given up")
	}
}

// What cannot be had is left out, up to the next key frame.
func TestGivesUp(t *testing.T) {
	b := newBench(t, nil)
	b.run(40, source)
	lost := b.seq
	b.run(250, func(seq uint64) wire.PeerID {
		if seq == lost {
			return Nobody
		}
		return wire.Source
	})
	if s := b.Stats(); s.Lost != 40 {
		t.Errorf("%d chunks are left out, want the group of pictures", s.Lost)
	}
	if b.Next() != b.seq {
		t.Errorf("the next is %d of %d", b.Next(), b.seq)
	}
}

// A parent that goes silent is left for another one, or the source.
func TestSilentParent(t *testing.T) {
	b := newBench(t, nil)
	b.run(40, source)
	id := b.link(1, 2, nil)
	b.run(4, source)
	sub := b.find(Subscribe, id)
	b.Answered(b.at, id, sub.Stripe, wire.Accepted)
	quiet := false
	feed := func(seq uint64) wire.PeerID {
		if chunk.StripeOf(seq) != sub.Stripe || seq < sub.Sequence {
			return wire.Source
		}
		if quiet && b.Parents()[sub.Stripe] != wire.Source {
			return Nobody
		}
		return b.parents(seq)
	}
	b.run(12, func(seq uint64) wire.PeerID {
		if chunk.StripeOf(seq) == sub.Stripe && seq >= sub.Sequence {
			return id
		}
		return wire.Source
	})
	quiet = true
	b.forget()
	b.run(60, feed)
	if b.find(Unsubscribe, id) == nil || b.find(Subscribe, wire.Source) == nil {
		t.Errorf("the silent parent is kept: parents %v", b.Parents())
	}
}

func TestBadPeer(t *testing.T) {
	b := newBench(t, nil)
	b.run(40, source)
	id := b.link(1, 2, nil)
	b.Bad(b.at, id)
	b.take()
	if b.find(Accuse, id) == nil || b.find(Disconnect, id) == nil {
		t.Error("it is neither dropped nor reported")
	}
	b.Members(b.at, []wire.Member{{ID: id, Pin: "x", Home: 2, Slots: 9, Free: 9}})
	b.forget()
	b.run(100, source)
	if b.find(Connect, id) != nil || b.Room(id) {
		t.Error("it is met again")
	}
}

// Chunks that nobody asked for cost who sends them its link.
func TestUnaskedChunks(t *testing.T) {
	b := newBench(t, nil)
	b.run(200, source)
	id := b.link(1, 2, func(m *wire.Map) { m.Free = 0 })
	for i := range uint64(maxStrikes + 10) {
		b.chunk(id, b.seq-1-i%20)
	}
	b.take()
	if b.find(Disconnect, id) == nil {
		t.Error("the link is kept")
	}
}

func TestAnotherRunOfTheSource(t *testing.T) {
	b := newBench(t, nil)
	b.run(40, source)
	b.seq, b.first = 1<<20, 1<<20
	b.Epoch(b.at, b.seq, b.seq)
	b.run(40, source)
	if b.Next() != b.seq || b.Stats().Lost != 0 {
		t.Errorf("next %d of %d, stats %+v", b.Next(), b.seq, b.Stats())
	}
}

// A line that is full is known by what it carries, and takes no more children than that.
func TestMeter(t *testing.T) {
	var m meter
	m.init(0)
	if c := m.capacity(85); c != 100 {
		t.Errorf("an unknown line is thought good for %v", c)
	}
	now := time.Duration(0)
	second := func(queued, sent int) {
		for range 10 {
			now += 100 * time.Millisecond
			m.queued(queued / 10)
			m.sent(sent / 10)
			m.tick(now, 2, 100_000)
		}
	}
	second(60_000, 60_000)
	if m.tight {
		t.Error("a line on which nothing waits is full")
	}
	for range 10 {
		second(120_000, 120_000)
	}
	grown := m.capacity(100_000)
	if grown < 140_000 {
		t.Errorf("a line that carries 120,000 is thought good for %v", grown)
	}
	second(200_000, 80_000)
	second(200_000, 80_000)
	if c := m.capacity(100_000); !m.tight || c > 81_000 || c < 79_000 {
		t.Errorf("a line that carries 80,000 of 200,000 is thought good for %v, full: %v", c, m.tight)
	}
	m.init(50_000)
	if c := m.capacity(100_000); c != 50_000 {
		t.Errorf("a line with a limit is thought good for %v", c)
	}
}

// Whatever peers say, a node does not fail, its queues stay bounded, and what it delivers
// is in order.
func FuzzNode(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 4<<10 {
			return // longer ones show no more
		}
		n := New(Config{Self: self, Window: 64, Rand: rand.New(rand.NewPCG(1, 2))})
		at, next := time.Duration(0), uint64(0)
		n.Source(at, true)
		byteOf := func() int {
			if len(script) == 0 {
				return 0
			}
			b := script[0]
			script = script[1:]
			return int(b)
		}
		seq := func() uint64 {
			if byteOf() == 255 {
				var b [8]byte
				for i := range b {
					b[i] = byte(byteOf())
				}
				return binary.BigEndian.Uint64(b[:])
			}
			return 1000 + uint64(byteOf())
		}
		n.Epoch(at, 1000, 1000)
		for len(script) > 0 {
			at += time.Duration(byteOf()) * 4 * time.Millisecond
			id := peerID(1 + byteOf()%4)
			switch byteOf() % 16 {
			case 0, 1, 2:
				n.Chunk(at, wire.Source, seq(), uint32(byteOf())*50, 1+byteOf()*10, byteOf()%4 == 0)
			case 3:
				n.Chunk(at, id, seq(), uint32(byteOf())<<byteOf()%24, 1+byteOf()*10, byteOf()%4 == 0)
			case 4:
				n.LinkUp(at, id, byteOf()%2 == 0, time.Duration(byteOf())*time.Millisecond)
			case 5:
				n.LinkDown(at, id)
			case 6:
				m := &wire.Map{Upload: true, Home: byteOf() % 4, Slots: byteOf(), Free: byteOf(), CostMS: byteOf(), Base: seq(), Have: seq()}
				for s := range m.Stripes {
					m.Stripes[s].LagMS = byteOf() * 4
				}
				n.Map(at, id, m)
			case 7:
				n.Subscribed(at, id, byteOf()%4, seq())
			case 8:
				n.Unsubscribed(at, id, byteOf()%4, seq())
			case 9:
				n.Answered(at, id, byteOf()%4, wire.Code(byteOf()%6))
			case 10:
				n.Requested(at, id, []uint64{seq(), seq()})
			case 11:
				n.Lacks(at, id, []uint64{seq()})
			case 12:
				n.Bad(at, id)
			case 13:
				n.Source(at, byteOf()%2 == 0)
			case 14:
				n.Policy(at, wire.Policy{Home: byteOf() % 4, Heads: uint8(byteOf() % 16), Download: byteOf()%4 > 0, Upload: byteOf()%4 > 0})
			case 15:
				e := seq()
				n.Epoch(at, e, min(e, seq()))
			}
			n.Tick(at)
			for _, a := range n.Take() {
				if a.Kind == Deliver {
					if a.Sequence < next {
						t.Fatalf("chunk %d is delivered behind %d", a.Sequence, next)
					}
					next = a.Sequence + 1
				}
				if len(a.List) > wire.MaxList {
					t.Fatalf("a list of %d", len(a.List))
				}
			}
			if len(n.peers) > 4 || len(n.members) > maxKnown+4 || n.used() > maxSlots*5 {
				t.Fatalf("%d peers, %d members, %d slots in use", len(n.peers), len(n.members), n.used())
			}
		}
	})
}
