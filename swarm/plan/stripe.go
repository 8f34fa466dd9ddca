// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"slices"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// acceptWithin and proveWithin are how long a parent-to-be may take to answer, and then
	// to send a first chunk.
	acceptWithin = 1200 * time.Millisecond
	proveWithin  = 1200 * time.Millisecond
	// firstMove is how long a viewer stays with the source before it moves a stripe, so
	// that its start is not disturbed; moveEvery spreads what follows.
	firstMove = 600 * time.Millisecond
	moveEvery = 250 * time.Millisecond
	// betterBy is by how much another parent must promise to be better, and steadyFor how
	// long a stripe stays where it is.
	betterBy  = 200 * time.Millisecond
	steadyFor = 10 * time.Second
	// farAway is the lag beyond which no parent is taken, and tooLate beyond which none is
	// kept: so that what a viewer needs comes before LateLag, also when there is more of it.
	farAway = 750 * time.Millisecond
	tooLate = 1000 * time.Millisecond
	// silentFor is how long a stripe may be silent while the others go on before its
	// parent is thought lost.
	silentFor = 700 * time.Millisecond
	// refuge is how long an orphan looks for another parent before it turns to the source:
	// its parent's parent is likelier to be the one that was lost, and comes back.
	refuge = 300 * time.Millisecond
)

// stripe is where one of the streams comes from.
type stripe struct {
	has    bool // parent is valid
	parent wire.PeerID
	path   []uint16 // from the parent on

	pending   wire.PeerID // the parent to be; nobody: none
	accepted  bool
	pendingAt time.Duration // when it was asked, and when it accepted
	from      uint64        // the first chunk that pending is asked for
	leaving   bool          // the parent was told to end where pending begins

	high      uint64 // the newest sequence that came of it, +1
	since     uint64 // from where on the parent was asked for it
	pushed    uint64 // the newest that the parent sent without being asked, +1
	arrived   time.Duration
	lag, dev  time.Duration // of what the parent sends
	movedAt   time.Duration
	retry     time.Duration // when another move may be tried
	failures  int
	orphaned  time.Duration
	displaced bool
}

// feed makes a peer the parent.
func (st *stripe) feed(p wire.PeerID, now time.Duration) {
	st.has, st.parent, st.pending = true, p, nobody
	st.path, st.displaced, st.failures, st.since, st.pushed = nil, false, 0, st.from, 0
	st.movedAt, st.arrived, st.lag, st.dev = now, now, 0, 50*time.Millisecond
	st.retry = now + steadyFor
	if p == wire.Source {
		st.retry = now + firstMove
	}
}

// usual is the lag within which most chunks come.
func (st *stripe) usual() time.Duration { return st.lag + 2*st.dev }

// overdue is how much longer than usual the parent has sent nothing: what it has not sent
// is at least as late.
func (n *Node) overdue(st *stripe) time.Duration {
	return max(0, n.now-max(st.arrived, st.movedAt)-2*chunk.Stripes*n.window.chunkGap-st.dev)
}

// orphan takes a stripe from its parent, which is gone.
func (n *Node) orphan(s int) {
	st := &n.stripes[s]
	if st.has {
		st.has, st.path = false, nil
		st.orphaned, st.retry = n.now, n.now
	}
}

// tend sees to one stripe.
func (n *Node) tend(s int) {
	st := &n.stripes[s]
	if n.window.next == 0 {
		return // nothing has come yet: the source begins
	}
	if st.pending != nobody {
		late := n.now - st.pendingAt
		if late -= n.strain.delay(); !st.accepted && late > acceptWithin || st.accepted && late > proveWithin+n.expect(st.from) {
			n.abandon(s, 10*time.Second)
		}
	}
	if st.has && n.silent(st) {
		p := st.parent
		n.unsubscribe(p, s, 0)
		n.doubt(p, 15*time.Second)
		n.orphan(s)
	}
	if st.has && st.parent != wire.Source {
		n.followPath(s)
	}
	switch {
	case st.pending != nobody:
	case !st.has:
		n.adopt(s)
	case n.heads>>s&1 != 0 && st.parent != wire.Source && n.sourceUp && n.now >= st.retry:
		n.move(s, wire.Source)
	case !n.download || !n.tracked && st.parent == wire.Source && len(n.peers) == 0:
	case n.now < st.retry || n.moving():
	case st.parent == wire.Source && n.heads>>s&1 == 0 || st.displaced:
		n.leaveSource(s)
	case st.parent != wire.Source:
		n.improve(s)
	}
}

// improve finds a better parent for a stripe that a peer feeds: the sooner for the stripe
// that others get from us. What comes too late through the best of them is the source's.
func (n *Node) improve(s int) {
	st := &n.stripes[s]
	steady, by := steadyFor, betterBy
	if n.inside(s) {
		steady, by = steadyFor/2, betterBy/2
	}
	late := st.usual() > tooLate+n.strain.delay()
	if !late && (n.now-st.movedAt < steady/2 || n.strain.high()) {
		return
	}
	st.retry = n.now + steady/2 + n.spread(steady)
	if p, lag := n.best(s, st.parent); p != nobody && lag+max(by, st.usual()/3) < st.usual() {
		n.move(s, p)
	} else if late && n.sourceUp {
		n.move(s, wire.Source)
	}
}

// inside says whether this viewer passes the stripe on.
func (n *Node) inside(s int) bool { return s == n.home && n.slots() > 0 }

// moving says whether some stripe is on its way from one parent to another: one at a time.
func (n *Node) moving() bool {
	for s := range n.stripes {
		if st := &n.stripes[s]; st.has && st.pending != nobody {
			return true
		}
	}
	return false
}

// leaveSource finds a parent for a stripe that the source (or a parent that wants to be
// rid of us) feeds.
func (n *Node) leaveSource(s int) {
	st := &n.stripes[s]
	if p, _ := n.best(s, st.parent); p != nobody {
		n.move(s, p)
		return
	}
	if st.displaced && st.parent != wire.Source && n.sourceUp {
		n.move(s, wire.Source)
		return
	}
	st.retry = n.now + moveEvery + n.spread(moveEvery)
}

// adopt finds a parent for a stripe that has none.
func (n *Node) adopt(s int) {
	st := &n.stripes[s]
	if n.download && n.heads>>s&1 == 0 && n.now >= st.retry {
		if p, _ := n.best(s, nobody); p != nobody {
			n.move(s, p)
			return
		}
		st.retry = n.now + moveEvery
	}
	if n.sourceUp && (n.heads>>s&1 != 0 || !n.download || n.now-st.orphaned > refuge+time.Duration(s)*20*time.Millisecond) {
		n.move(s, wire.Source)
	}
}

// silent says whether the parent sends nothing while the stream goes on.
func (n *Node) silent(st *stripe) bool {
	patience := max(silentFor, 3*chunk.Stripes*n.window.chunkGap) + n.margin + n.strain.delay()
	if st.parent == wire.Source {
		patience *= 3 // its way may be slow; that it is gone is told
	}
	return n.now-max(st.arrived, st.movedAt) > patience+4*st.dev && n.window.high > max(st.pushed, st.since)+2*chunk.Stripes
}

// followPath knows from the parent's map where the stripe comes from; a stripe that
// comes from us in the end has no parent.
func (n *Node) followPath(s int) {
	st := &n.stripes[s]
	p := n.peers[st.parent]
	if p == nil || p.told == nil {
		return
	}
	m := &p.told.Stripes[s]
	if slices.Contains(m.Path, n.cfg.Self.ShortName()) {
		n.unsubscribe(st.parent, s, 0)
		n.doubt(st.parent, 2*time.Second)
		n.orphan(s)
		return
	}
	st.path = append(append(st.path[:0], st.parent.ShortName()), m.Path...)
}

// expect is how long it takes until the stream comes to a sequence.
func (n *Node) expect(sequence uint64) time.Duration {
	if sequence <= n.window.high {
		return 0
	}
	return time.Duration(min(sequence-n.window.high, 64)) * n.window.chunkGap
}

// move begins to move a stripe to another parent. When that one accepts, the old one is
// told to end where it begins; should it not send, all is taken back.
func (n *Node) move(s int, to wire.PeerID) {
	st := &n.stripes[s]
	w := &n.window
	from := n.firstMissing(s)
	if st.has {
		// What is under way from the old parent meanwhile need not come twice.
		ahead := 2 + uint64(n.rtt(to)/max(time.Millisecond, chunk.Stripes*max(w.chunkGap, 10*time.Millisecond)))
		from = max(from, align(st.high, s)+chunk.Stripes*min(ahead, 8))
	}
	st.pending, st.accepted, st.pendingAt, st.from, st.leaving = to, false, n.now, from, false
	n.act(Action{Kind: Subscribe, Peer: to, Stripe: s, Sequence: from})
	if to == wire.Source {
		n.accepted(s) // it does not say so
	}
}

func (n *Node) accepted(s int) {
	st := &n.stripes[s]
	st.accepted, st.pendingAt = true, n.now
	if st.has {
		st.leaving = true
		n.unsubscribe(st.parent, s, st.from)
	}
}

// align is the first sequence of a stripe that is not before sequence.
func align(sequence uint64, s int) uint64 { return sequence + (uint64(s)-sequence)%chunk.Stripes }

// firstMissing is the first chunk of a stripe that is not here.
func (n *Node) firstMissing(s int) uint64 {
	seq := align(n.window.next, s)
	for n.window.has(seq) {
		seq += chunk.Stripes
	}
	return seq
}

// abandon gives up a parent-to-be, and doubts it for a while.
func (n *Node) abandon(s int, doubt time.Duration) {
	st := &n.stripes[s]
	p := st.pending
	st.pending = nobody
	st.failures++
	st.retry = n.now + moveEvery + n.spread(time.Duration(min(st.failures, 8))*moveEvery)
	n.unsubscribe(p, s, 0)
	n.doubt(p, doubt)
	n.stay(s)
}

// stay takes back what the parent was told about leaving it.
func (n *Node) stay(s int) {
	st := &n.stripes[s]
	if st.has && st.leaving {
		st.leaving = false
		n.act(Action{Kind: Subscribe, Peer: st.parent, Stripe: s, Sequence: n.firstMissing(s)})
	}
}

func (n *Node) unsubscribe(p wire.PeerID, s int, until uint64) {
	n.act(Action{Kind: Unsubscribe, Peer: p, Stripe: s, Sequence: until})
}

// Answered takes a peer's answer to a subscription.
func (n *Node) Answered(now time.Duration, from wire.PeerID, s int, c wire.Code) {
	n.now = now
	st := &n.stripes[s]
	switch {
	case st.pending == from && c == wire.Accepted:
		if !st.accepted {
			n.accepted(s)
		}
	case st.pending == from:
		if st.accepted { // it has thought better of it
			n.unsubscribe(from, s, 0)
		}
		st.pending = nobody
		st.failures++
		st.retry = now + moveEvery
		n.doubtStripe(from, s, refused(c)+n.spread(time.Second))
		n.stay(s)
	case st.has && st.parent == from && c == wire.Displaced:
		st.displaced = true
		st.retry = now
		n.doubtStripe(from, s, refused(c))
	case st.has && st.parent == from && c != wire.Accepted: // it takes its word back
		n.doubtStripe(from, s, refused(c))
		n.orphan(s)
	}
}

// refused is how long a peer is not asked again for a stripe.
func refused(c wire.Code) time.Duration {
	switch c {
	case wire.Off:
		return time.Minute
	case wire.Behind:
		return 2 * time.Second
	}
	return 4 * time.Second
}

// pushed learns from a chunk that came how its stripe is doing, and makes the parent-to-be
// the parent.
func (n *Node) pushed(s int, from wire.PeerID, sequence uint64, asked bool) {
	st := &n.stripes[s]
	st.high = max(st.high, sequence+1)
	lag := n.window.lag(sequence, n.now)
	switch {
	case st.pending == from && sequence >= st.from && !(asked && st.has):
		old, had := st.parent, st.has
		until := st.from
		n.stats.Moves++
		st.feed(from, n.now)
		st.lag = lag
		if !asked {
			st.pushed = sequence + 1
		}
		if had && old != from && !st.leaving {
			n.unsubscribe(old, s, until)
		}
		st.leaving = false
		if p := n.peers[from]; p != nil {
			p.failures = 0
			n.followPath(s)
		}
	case st.has && st.parent == from && !asked:
		st.arrived = n.now
		st.pushed = max(st.pushed, sequence+1)
		diff := lag - st.lag
		st.lag += diff / 8
		st.dev += (max(diff, -diff) - st.dev) / 8
	}
}

// spread is a random part of a duration.
func (n *Node) spread(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(n.cfg.Rand.Int64N(int64(d)))
}
