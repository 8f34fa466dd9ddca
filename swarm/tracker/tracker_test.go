// SPDX-License-Identifier: LGPL-2.1-or-later

package tracker

import (
	"errors"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

// world is a tracker and what its members were told.
type world struct {
	*Tracker
	policies map[wire.PeerID]wire.Policy
	members  map[wire.PeerID][]wire.Member
}

func newWorld(cfg Config) *world {
	cfg.Rand = rand.New(rand.NewPCG(1, 2))
	return &world{New(cfg), map[wire.PeerID]wire.Policy{}, map[wire.PeerID][]wire.Member{}}
}

func (w *world) hear() {
	for _, m := range w.Take() {
		if m.Policy != nil {
			w.policies[m.To] = *m.Policy
		} else {
			w.members[m.To] = m.Members
		}
	}
}

func (w *world) join(t *testing.T, id wire.PeerID, slots int, nat string) {
	t.Helper()
	if err := w.Join(wire.Member{ID: id, Pin: "p", Slots: slots, NAT: nat}, netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	w.hear()
}

func (w *world) leave(id wire.PeerID) {
	w.Leave(id)
	w.hear()
	delete(w.policies, id)
}

// heads counts them by what members were told.
func (w *world) heads() (n [chunk.Stripes]int) {
	for _, p := range w.policies {
		for s := range n {
			n[s] += int(p.Heads >> s & 1)
		}
	}
	return n
}

// Each stripe always has the heads that the size of the swarm asks for, and its share of upload.
func TestHeadsFollowTheSwarm(t *testing.T) {
	w := newWorld(Config{})
	for id := wire.PeerID(1); id <= 300; id++ {
		w.join(t, id, int(id%7), "none")
		if id > 10 && !fit(w.heads(), int(id)) {
			t.Fatalf("%d members: heads %v", id, w.heads())
		}
	}
	for id, p := range w.policies {
		if p.Heads != 0 && id%7 == 0 {
			t.Errorf("member %d, which does not upload, is head of %b", id, p.Heads)
		}
	}
	for s := range w.slots {
		if w.slots[s] < 200 || w.slots[s] > 250 {
			t.Errorf("stripe %d has %d slots of %v", s, w.slots[s], w.slots)
		}
	}
	for id := wire.PeerID(1); id <= 295; id++ {
		w.leave(id)
		if n := w.Len(); n > 30 && !fit(w.heads(), n) {
			t.Fatalf("%d members are left: heads %v", n, w.heads())
		}
	}
}

// fit says whether there is a head of each stripe for about leastPerHead members.
func fit(heads [chunk.Stripes]int, members int) bool {
	for _, h := range heads {
		if d := float64(members)/leastPerHead - float64(h); h < 1 || d > 0.76 || d < -1 {
			return false
		}
	}
	return true
}

// Where members have more upload there are fewer heads, and small changes change nothing.
func TestHeadsByUpload(t *testing.T) {
	for _, tt := range []struct{ slots, heads int }{{1, 5}, {4, 5}, {6, 3}, {20, 3}} {
		w := newWorld(Config{})
		for id := wire.PeerID(1); id <= 300; id++ {
			w.join(t, id, tt.slots, "none")
		}
		if h := w.heads(); h[0] < tt.heads || h[0] > tt.heads+1 {
			t.Errorf("300 members with %d slots each: heads %v, want %d or %d", tt.slots, h, tt.heads, tt.heads+1)
		}
		before := w.heads()
		for i := range wire.PeerID(100) {
			w.Report(i%300+1, &wire.Report{Slots: tt.slots + int(i%2)})
			w.hear()
		}
		if w.heads() != before {
			t.Errorf("%d slots each: heads %v became %v", tt.slots, before, w.heads())
		}
	}
}

func TestMembersThatAreTold(t *testing.T) {
	w := newWorld(Config{})
	for id := wire.PeerID(1); id <= 40; id++ {
		w.join(t, id, int(id%3), []string{"none", "symmetric", "blocked", "endpoint-independent"}[id%4])
	}
	for id := wire.PeerID(1); id <= 40; id++ {
		w.Ask(id)
		w.hear()
		seen := map[wire.PeerID]bool{id: true}
		for _, m := range w.members[id] {
			if seen[m.ID] || m.Slots == 0 || m.NAT == "blocked" || m.NAT == "symmetric" && id%4 == 1 {
				t.Errorf("member %d is told of %+v", id, m)
			}
			seen[m.ID] = true
		}
		if len(seen) == 1 && id%4 != 2 {
			t.Errorf("member %d is told of nobody", id)
		}
	}
}

// One accusation changes nothing, two do; and nobody can accuse everybody.
func TestPolluter(t *testing.T) {
	w := newWorld(Config{})
	for id := wire.PeerID(1); id <= 20; id++ {
		w.join(t, id, 4, "none")
	}
	var head wire.PeerID
	for id, p := range w.policies {
		if p.Heads != 0 && (head == 0 || id < head) {
			head = id
		}
	}
	accuse := func(by wire.PeerID, bad ...wire.PeerID) {
		w.Report(by, &wire.Report{Slots: 4, Bad: bad})
		w.hear()
	}
	accuse(19, head, head)
	accuse(19, head)
	accuse(head, head)
	if !w.Has(head) {
		t.Fatal("one member's word is enough")
	}
	accuse(20, head)
	if w.Has(head) || w.policies[head].Heads != 0 {
		t.Errorf("the polluter is still listed, with heads %b", w.policies[head].Heads)
	}
	if w.heads() != [4]int{1, 1, 1, 1} {
		t.Errorf("heads %v", w.heads())
	}
	for id := wire.PeerID(1); id <= 20; id++ {
		w.Ask(id)
		w.hear()
		for _, m := range w.members[id] {
			if m.ID == head {
				t.Errorf("member %d is told of the polluter", id)
			}
		}
	}
	for range 5 {
		for id := wire.PeerID(1); id <= 20; id++ {
			accuse(18, id)
			accuse(17, id)
		}
	}
	left := 0
	for id := wire.PeerID(1); id <= 20; id++ {
		if w.Has(id) {
			left++
		}
	}
	if left < 8 {
		t.Errorf("two members have accused all but %d of 20", left)
	}
}

func TestBalance(t *testing.T) {
	w := newWorld(Config{})
	for id := wire.PeerID(1); id <= 40; id++ {
		w.join(t, id, 4, "none")
	}
	for id := wire.PeerID(1); id <= 40; id++ {
		if w.policies[id].Home == 2 {
			w.leave(id)
		}
	}
	for range 20 {
		w.Balance()
		w.hear()
	}
	low, high := 1<<30, 0
	for _, n := range w.slots {
		low, high = min(low, n), max(high, n)
	}
	if high-low > skew {
		t.Errorf("slots %v", w.slots)
	}
}

func TestEdges(t *testing.T) {
	w := newWorld(Config{MaxMembers: 2})
	if err := w.Join(wire.Member{}, netip.Addr{}); err == nil {
		t.Error("the source is a member")
	}
	w.join(t, 1, 1<<30, "none")
	w.join(t, 1, -5, "none") // again
	if w.Len() != 1 || bits.OnesCount8(w.policies[1].Heads) != 0 {
		t.Errorf("%d members, policy %+v", w.Len(), w.policies[1])
	}
	w.join(t, 2, 3, "none")
	if err := w.Join(wire.Member{ID: 3}, netip.Addr{}); !errors.Is(err, ErrFull) {
		t.Errorf("a third member: %v", err)
	}
	if w.heads() != [4]int{1, 1, 1, 1} {
		t.Errorf("heads %v", w.heads())
	}
	w.Report(2, &wire.Report{Slots: 0}) // upload switched off
	w.hear()
	if w.heads() != [4]int{} {
		t.Errorf("a member that does not upload is head: %v", w.heads())
	}
	w.Switch(false, true)
	w.hear()
	if p := w.policies[1]; p.Download || !p.Upload {
		t.Errorf("policy %+v", p)
	}
	w.Report(9, &wire.Report{})
	w.Ask(9)
	w.Leave(9)
}

// Members that no direct path leads between are told of each other where they come from
// the same address: they are on the same side of the NAT.
func TestNeighbours(t *testing.T) {
	home, office := netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("203.0.113.20")
	for _, tt := range []struct {
		name string
		nat  string
		a, b netip.Addr
		meet bool
	}{
		{"symmetric, elsewhere", "symmetric", home, office, false},
		{"symmetric, the same NAT", "symmetric", office, office, true},
		{"no UDP, the same NAT", "blocked", office, office, true},
		{"symmetric, nobody knows where", "symmetric", netip.Addr{}, netip.Addr{}, false},
		{"symmetric, behind a proxy on the source's machine", "symmetric", netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.1"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(Config{})
			for id, at := range map[wire.PeerID]netip.Addr{1: tt.a, 2: tt.b} {
				if err := w.Join(wire.Member{ID: id, Pin: "p", Slots: 4, NAT: tt.nat}, at); err != nil {
					t.Fatal(err)
				}
			}
			w.hear()
			w.Ask(1)
			w.hear()
			if got := len(w.members[1]) > 0; got != tt.meet {
				t.Errorf("told of the other: %v, want %v", got, tt.meet)
			}
		})
	}
}
