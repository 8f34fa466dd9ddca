// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"slices"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// deadline is the lag at which a missing chunk is fetched from the source: half a
	// second before LateLag. Viewers near the source are a little earlier, since what they
	// fetch reaches those behind them.
	deadline  = LateLag - 500*time.Millisecond
	earliest  = deadline - 150*time.Millisecond
	latest    = deadline + 200*time.Millisecond
	perHop    = 50 * time.Millisecond
	askAgain  = 350 * time.Millisecond
	askSource = time.Second
	// slowFetch is more than the source takes to send what it is asked for on usual lines.
	slowFetch    = 400 * time.Millisecond
	maxPerRepair = 32
	// lateFor is how long a parent is given before one that is too late is left.
	lateFor = 2 * time.Second

	// marginStep is what one request that was needless adds to how long a chunk is waited
	// for, marginHolds how long it takes to be forgotten.
	marginStep  = 15 * time.Millisecond
	maxMargin   = 4 * time.Second
	marginHolds = 20 * time.Second
)

// needless learns from a chunk that comes a second time, after it was asked for: it would
// have come. Where everything is slow, as on a machine that is overloaded, asking again
// makes it slower still; a viewer then rather waits.
func (n *Node) needless(sequence uint64) {
	if sl := n.window.at(sequence); sl.sequence == sequence && sl.tries > 0 && n.now-sl.askedAt < maxMargin {
		n.margin = min(n.margin+marginStep, maxMargin)
	}
}

// fetched learns from how long the source took to send a chunk that it was asked for:
// where that is slow, to ask it for more does not make it faster.
func (n *Node) fetched(took time.Duration) {
	if took > slowFetch {
		n.margin = min(n.margin+took/4, maxMargin)
	}
}

// repair asks for chunks that are later than they should be.
func (n *Node) repair() {
	w := &n.window
	if w.next == 0 || w.next >= w.high {
		return
	}
	// From the newest to the oldest, the lag of a missing chunk is that of the next one
	// that is here.
	var lists map[wire.PeerID][]uint64 // nil: nothing is late, as usual
	var lag time.Duration
	count := 0
	for seq := w.high; seq > w.next && count < 4*maxPerRepair; seq-- {
		if w.has(seq - 1) {
			lag = w.lag(seq-1, n.now)
			continue
		}
		missing := seq - 1
		st := &n.stripes[chunk.StripeOf(missing)]
		slack := n.strain.delay()
		if !st.hole(missing) {
			if st.has && st.parent == wire.Source && missing >= st.pushed && st.pushed != 0 {
				continue // it is on its way: the source leaves nothing out
			}
			slack += n.margin
		}
		patience := n.patience(st) + slack
		if lag < patience {
			continue
		}
		late := min(max(n.patience(st), earliest+time.Duration(len(st.path))*perHop), latest) + slack
		of := n.whom(missing, lag, late)
		if of == wire.Source && missing >= st.pushed && n.now-st.movedAt > lateFor {
			st.retry = min(st.retry, n.now) // its parent is too slow
		}
		if of == nobody || len(lists[of]) >= maxPerRepair {
			continue
		}
		w.ask(missing, of, n.now)
		if lists == nil {
			lists = map[wire.PeerID][]uint64{}
		}
		lists[of] = append(lists[of], missing)
		count++
	}
	if lists == nil {
		return
	}
	n.stats.SourceRequests += uint64(len(lists[wire.Source]))
	n.request(wire.Source, lists[wire.Source])
	for _, p := range n.order {
		n.request(p.id, lists[p.id])
	}
}

// request asks for chunks, which are listed from the newest to the oldest.
func (n *Node) request(of wire.PeerID, l []uint64) {
	if len(l) == 0 {
		return
	}
	slices.Reverse(l)
	n.stats.Requests += uint64(len(l))
	n.act(Action{Kind: Request, Peer: of, List: l})
}

// hole says whether the parent has passed over a chunk that is missing, so that it does
// not come unless it is asked for. If not, either it or the parent before it is late, and
// what is asked for may come twice.
func (st *stripe) hole(missing uint64) bool {
	return st.has && missing >= st.since && missing < st.pushed
}

// patience is the lag that a stripe's chunks may have by its parent's habit.
func (n *Node) patience(st *stripe) time.Duration {
	if !st.has {
		return 150 * time.Millisecond
	}
	return min(st.lag+4*st.dev+150*time.Millisecond, latest)
}

// whom finds somebody to ask for a chunk: a neighbour that should have it, or the source
// when it is late or nobody has it; nobody: it was asked for just now.
func (n *Node) whom(sequence uint64, lag, late time.Duration) wire.PeerID {
	sl := n.window.at(sequence)
	asked := sl.sequence == sequence && sl.tries > 0
	since := n.now - sl.askedAt
	if asked && sl.asked == wire.Source && since < askSource {
		return nobody
	}
	if lag >= late && n.sourceUp {
		return wire.Source
	}
	if asked && (since < max(askAgain, 3*n.rtt(sl.asked)) || sl.tries > 4) || !n.download {
		return nobody
	}
	s := chunk.StripeOf(sequence)
	best, bestCost := nobody, time.Duration(0)
	for _, p := range n.order {
		m := p.told
		if m == nil || !m.Upload || n.now-p.toldAt > mapHolds || n.now < p.doubted || asked && sl.asked == p.id {
			continue
		}
		if !n.likely(p, s, sequence, lag) {
			continue
		}
		cost := time.Duration(m.CostMS)*time.Millisecond + p.rtt + n.spread(20*time.Millisecond)
		if best == nobody || cost < bestCost {
			best, bestCost = p.id, cost
		}
	}
	return best
}

// likely says whether a neighbour has a chunk, by its map or by the lag that it says it has.
func (n *Node) likely(p *neighbour, s int, sequence uint64, lag time.Duration) bool {
	m := p.told
	if d := sequence - m.Base; d < 64 && m.Have>>d&1 != 0 {
		return true
	}
	st := &n.stripes[s]
	sm := &m.Stripes[s]
	return sm.LagMS != wire.NoLag && !(st.has && st.parent == p.id) && lag > time.Duration(sm.LagMS)*time.Millisecond+p.rtt/2+100*time.Millisecond
}

// Lacks says that a peer does not have chunks that it was asked for.
func (n *Node) Lacks(now time.Duration, from wire.PeerID, l []uint64) {
	n.now = now
	for _, seq := range l {
		if sl := n.window.at(seq); sl.sequence == seq && !sl.here && sl.asked == from && sl.tries > 0 {
			sl.askedAt = now - askSource // it may be asked for elsewhere at once
		}
	}
}
