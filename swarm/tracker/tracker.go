// SPDX-License-Identifier: LGPL-2.1-or-later

// Package tracker knows the members of a swarm: it tells each some others, gives each
// the stripe that its upload is for, and names the heads, which take a stripe from the
// source. It carries no media, and a swarm that has lost it goes on with what it knows.
//
// A Tracker is a state machine without clock, sockets or locks: the source runs it
// behind HTTP, the simulator as it is.
package tracker

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// leastPerHead and mostPerHead are how many members there are for each head of a stripe:
	// few enough that trees stay shallow, many enough that the source sends each byte few
	// times. For each slot that a member has on the average there are perSlot: the more
	// children each has, the shallower is a tree.
	leastPerHead = 60
	mostPerHead  = 100
	perSlot      = 15
	// sample is how many others a member is told for each stripe.
	sample = 3
	// draws is how often a member is drawn to find one that is better than the others.
	draws = 8
	// accusers is how many members must say that another one pollutes before it is not
	// named any more: one alone could slander.
	accusers = 2
	// maxAccused bounds how many others one member can accuse.
	maxAccused = 8
	// skew of the stripes' upload, in slots, that is borne: see Balance.
	skew = 8
)

// ErrFull says that a swarm takes no more members.
var ErrFull = errors.New("the swarm has as many members as it can have")

// Message is something to tell a member: either of the two.
type Message struct {
	To      wire.PeerID
	Members []wire.Member
	Policy  *wire.Policy
}

// Config configures New. It is copied.
type Config struct {
	// MaxMembers at a time; 0: 20,000.
	MaxMembers int
	// Rand draws who is told to whom (required).
	Rand *rand.Rand
}

type member struct {
	wire.Member
	at         netip.Addr
	order      uint64 // of joining
	used       int    // slots, as it said last
	fromSource uint8
	heads      uint8
	place      int                      // in byHome
	accusedBy  map[wire.PeerID]struct{} // nil: nobody
	accuses    int
}

func (m *member) trusted() bool { return len(m.accusedBy) < accusers }

// useful says whether the member can be a parent.
func (m *member) useful() bool { return m.Slots > 0 && m.trusted() }

// Tracker is not safe for concurrent use.
type Tracker struct {
	cfg     Config
	members map[wire.PeerID]*member
	byHome  [chunk.Stripes][]*member
	slots   [chunk.Stripes]int // sum by home
	heads   [chunk.Stripes][]*member
	joined  uint64
	out     []Message

	download, upload bool
}

// New makes a tracker without members.
func New(cfg Config) *Tracker {
	if cfg.MaxMembers <= 0 {
		cfg.MaxMembers = 20_000
	}
	return &Tracker{cfg: cfg, members: map[wire.PeerID]*member{}, download: true, upload: true}
}

// Take gives the messages since it was called last.
func (t *Tracker) Take() []Message {
	out := t.out
	t.out = nil
	return out
}

// Len is how many members there are.
func (t *Tracker) Len() int { return len(t.members) }

// Has says whether somebody is a member, and not shunned.
func (t *Tracker) Has(id wire.PeerID) bool {
	m := t.members[id]
	return m != nil && m.trusted()
}

// Join takes a member in: Home is for the tracker to give. One that is there already
// has come back. at is the address that it is seen to come from; the zero Addr: unknown.
func (t *Tracker) Join(m wire.Member, at netip.Addr) error {
	if m.ID == wire.Source {
		return errors.New("a member's key gives it no name")
	}
	t.Leave(m.ID)
	if len(t.members) >= t.cfg.MaxMembers {
		return ErrFull
	}
	m.Slots = clampSlots(m.Slots)
	t.joined++
	n := &member{Member: m, at: at, order: t.joined}
	n.Home = t.neediest()
	t.members[m.ID] = n
	t.settle(n)
	t.policy(n)
	t.crown()
	t.tell(n)
	return nil
}

func clampSlots(n int) int { return min(max(n, 0), 255) }

// neediest is the stripe with the least upload.
func (t *Tracker) neediest() int {
	best := t.cfg.Rand.IntN(chunk.Stripes)
	for s := range chunk.Stripes {
		if t.slots[s] < t.slots[best] || t.slots[s] == t.slots[best] && len(t.byHome[s]) < len(t.byHome[best]) {
			best = s
		}
	}
	return best
}

func (t *Tracker) settle(m *member) {
	m.place = len(t.byHome[m.Home])
	t.byHome[m.Home] = append(t.byHome[m.Home], m)
	t.slots[m.Home] += m.Slots
}

func (t *Tracker) unsettle(m *member) {
	l := t.byHome[m.Home]
	last := l[len(l)-1]
	l[m.place], last.place = last, m.place
	t.byHome[m.Home] = l[:len(l)-1]
	t.slots[m.Home] -= m.Slots
}

// Leave takes a member out; one that is not there is no error.
func (t *Tracker) Leave(id wire.PeerID) {
	m := t.members[id]
	if m == nil {
		return
	}
	delete(t.members, id)
	t.unsettle(m)
	for s := range t.heads {
		t.heads[s] = slices.DeleteFunc(t.heads[s], func(h *member) bool { return h == m })
	}
	t.crown()
}

// Report takes what a member says of itself.
func (t *Tracker) Report(id wire.PeerID, r *wire.Report) {
	m := t.members[id]
	if m == nil {
		return
	}
	slots := clampSlots(r.Slots)
	t.slots[m.Home] += slots - m.Slots
	m.Slots, m.used, m.fromSource = slots, clampSlots(r.Used), r.FromSource
	for _, bad := range r.Bad[:min(len(r.Bad), maxAccused)] {
		t.accuse(m, bad)
	}
	if m.heads != 0 && m.Slots == 0 { // it feeds nobody
		for s := range t.heads {
			t.heads[s] = slices.DeleteFunc(t.heads[s], func(h *member) bool { return h == m })
		}
		m.heads = 0
		t.policy(m)
		t.crown()
	}
}

func (t *Tracker) accuse(by *member, id wire.PeerID) {
	m := t.members[id]
	if m == nil || m == by || by.accuses >= maxAccused {
		return
	}
	if _, again := m.accusedBy[by.ID]; again {
		return
	}
	if m.accusedBy == nil {
		m.accusedBy = map[wire.PeerID]struct{}{}
	}
	m.accusedBy[by.ID] = struct{}{}
	by.accuses++
	if !m.trusted() && m.heads != 0 {
		for s := range t.heads {
			t.heads[s] = slices.DeleteFunc(t.heads[s], func(h *member) bool { return h == m })
		}
		m.heads = 0
		t.policy(m)
		t.crown()
	}
}

// Ask is answered with other members.
func (t *Tracker) Ask(id wire.PeerID) {
	if m := t.members[id]; m != nil {
		t.tell(m)
	}
}

// Switch lets viewers use each other, or not: the reference's /feature for all of them.
func (t *Tracker) Switch(download, upload bool) {
	if t.download == download && t.upload == upload {
		return
	}
	t.download, t.upload = download, upload
	for _, m := range t.members {
		t.policy(m)
	}
}

func (t *Tracker) policy(m *member) {
	t.out = append(t.out, Message{To: m.ID, Policy: &wire.Policy{Home: m.Home, Heads: m.heads, Download: t.download, Upload: t.upload}})
}

// Balance moves members that feed nobody from the stripe with the most upload to that
// with the least, one at a time, where the difference has grown too large: members come
// and go as they like.
func (t *Tracker) Balance() {
	low, high := 0, 0
	for s := range chunk.Stripes {
		if t.slots[s] < t.slots[low] {
			low = s
		}
		if t.slots[s] > t.slots[high] {
			high = s
		}
	}
	gap := t.slots[high] - t.slots[low]
	if gap < skew || gap*5 < t.slots[high] {
		return
	}
	for range draws {
		m := t.byHome[high][t.cfg.Rand.IntN(len(t.byHome[high]))]
		if m.used == 0 && m.heads == 0 && m.Slots > 0 && m.Slots < gap {
			t.unsettle(m)
			m.Home = low
			t.settle(m)
			t.policy(m)
			return
		}
	}
}

// wanted is how many heads a stripe should have that has some. Since slots are reported
// anew all the time, one more or less is no reason for a change before it is clearly so.
func (t *Tracker) wanted(has int) int {
	n := len(t.members)
	if n == 0 {
		return 0
	}
	slots := 0
	for _, x := range t.slots {
		slots += x
	}
	want := float64(n) / min(max(perSlot*float64(slots)/float64(n), leastPerHead), mostPerHead)
	if has > 0 && math.Abs(want-float64(has)) < steady {
		return min(has, n)
	}
	return min(max(1, int(want+0.5)), n)
}

// steady is by how much the number of heads that should be may differ from the one there is.
const steady = 0.75

// crown makes heads, or lets some go, until each stripe has as many as it should.
func (t *Tracker) crown() {
	for s := range chunk.Stripes {
		t.replace(s)
		for want := t.wanted(len(t.heads[s])); len(t.heads[s]) > want; {
			last := t.heads[s][len(t.heads[s])-1]
			t.heads[s] = t.heads[s][:len(t.heads[s])-1]
			last.heads &^= 1 << s
			t.policy(last)
		}
		for want := t.wanted(len(t.heads[s])); len(t.heads[s]) < want; {
			m := t.candidate(s)
			if m == nil {
				break
			}
			t.heads[s] = append(t.heads[s], m)
			m.heads |= 1 << s
			t.policy(m)
		}
	}
}

// replace lets a head of a stripe go whose upload is for another one, where there is now
// one whose is for it.
func (t *Tracker) replace(s int) {
	for i, h := range t.heads[s] {
		if h.Home == s {
			continue
		}
		if m := t.candidate(s); m != nil && m.Home == s {
			t.heads[s][i] = m
			m.heads |= 1 << s
			h.heads &^= 1 << s
			t.policy(m)
			t.policy(h)
		}
	}
}

// candidate finds the best of some members for a head of a stripe: one whose upload is
// for it, else one that uploads at all; nil: there is none.
func (t *Tracker) candidate(s int) *member {
	var best *member
	for i := range chunk.Stripes {
		home := (s + i) % chunk.Stripes
		l := t.byHome[home]
		n := min(len(l), 4*draws)
		for k := range n {
			m := l[k] // of a short list all, of a long one some
			if len(l) > n {
				m = l[t.cfg.Rand.IntN(len(l))]
			}
			if m.useful() && m.heads&(1<<s) == 0 && (best == nil || t.better(m, best, s)) {
				best = m
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// better: more upload, then what is at the source already, then who has been here longer.
func (t *Tracker) better(a, b *member, s int) bool {
	if a.Slots != b.Slots {
		return a.Slots > b.Slots
	}
	if x, y := a.fromSource>>s&1, b.fromSource>>s&1; x != y {
		return x > y
	}
	return a.order < b.order
}

// tell gives a member some others: for each stripe such as have upload for it.
func (t *Tracker) tell(m *member) {
	var l []wire.Member
	have := map[wire.PeerID]bool{m.ID: true}
	for s := range chunk.Stripes {
		for range sample {
			c := t.draw(s, m, have)
			for other := 1; other < chunk.Stripes && (c == nil || c.used >= c.Slots); other++ {
				if d := t.draw((s+other)%chunk.Stripes, m, have); d != nil && d.used < d.Slots {
					c = d // it has room that its own stripe does not need
				}
			}
			if c != nil {
				have[c.ID] = true
				told := c.Member
				told.Free = max(0, c.Slots-c.used)
				l = append(l, told)
			}
		}
	}
	if len(l) > 0 {
		t.out = append(t.out, Message{To: m.ID, Members: l})
	}
}

// draw finds one that uploads a stripe, rather one that has room.
func (t *Tracker) draw(s int, forWhom *member, have map[wire.PeerID]bool) *member {
	l := t.byHome[s]
	if len(l) == 0 {
		return nil
	}
	var best *member
	for range draws {
		m := l[t.cfg.Rand.IntN(len(l))]
		if have[m.ID] || !m.useful() || !CanMeet(m.NAT, forWhom.NAT) && !neighbours(m, forWhom) {
			continue
		}
		if m.used < m.Slots {
			return m
		}
		best = m
	}
	return best
}

// neighbours says whether two members come from the same address: they are behind the same
// NAT, whatever it is, and likely on the same network. (Behind a proxy all seem to be,
// which costs links that do not come about.)
func neighbours(a, b *member) bool {
	return a.at.IsValid() && !a.at.IsLoopback() && a.at == b.at
}

// CanMeet says whether two kinds of NAT (link.NATKind) may have a direct path: two that
// map by destination never do.
func CanMeet(a, b string) bool {
	const symmetric, blocked = "symmetric", "blocked"
	return a != blocked && b != blocked && !(a == symmetric && b == symmetric)
}
