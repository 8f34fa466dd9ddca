// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"slices"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// commit is the part of the measured upload that is given away.
	commit = 0.85
	// grace is how long a child that is displaced is fed on.
	grace = 3 * time.Second
	// maxSlots is what a map can say.
	maxSlots = 255
	// unmeasured is what is given away before the stream's rate is known, in stripes.
	unmeasured = chunk.Stripes
)

// child is a stripe that a neighbour gets from us.
type child struct {
	on    bool
	from  uint64
	until uint64        // 0: for ever
	sent  uint64        // behind the newest that it got
	ends  time.Duration // displaced: fed no longer; 0: it is not
	leaf  bool          // it does not pass the stripe on, as far as we know
}

// slots is how many stripes can be uploaded at a time.
func (n *Node) slots() int {
	if !n.upload {
		return 0
	}
	rate := n.window.rate / chunk.Stripes
	if rate == 0 {
		if n.cfg.MaxUpload > 0 {
			return min(unmeasured, int(n.cfg.MaxUpload/1000))
		}
		return unmeasured
	}
	return min(int(commit*n.meter.capacity(n.window.rate)*(1-n.strain.shed)/rate), maxSlots)
}

// Slots is how many stripes can be uploaded at a time, and how many are.
func (n *Node) Slots() (all, used int) { return n.slots(), n.used() }

// used counts the children that are there to stay.
func (n *Node) used() (c int) {
	for _, p := range n.order {
		for s := range p.children {
			if k := &p.children[s]; k.on && k.ends == 0 && k.until == 0 {
				c++
			}
		}
	}
	return c
}

// Subscribed takes a neighbour's wish for a stripe.
func (n *Node) Subscribed(now time.Duration, from wire.PeerID, s int, sequence uint64) {
	n.now = now
	p := n.peers[from]
	if p == nil {
		return
	}
	c := n.admit(p, s)
	n.act(Action{Kind: Answer, Peer: from, Stripe: s, Code: c})
	if c != wire.Accepted {
		return
	}
	old := p.children[s]
	p.children[s] = child{on: true, from: sequence, sent: old.sent, leaf: p.told == nil || p.told.Home != s || p.told.Slots == 0}
	p.usedAt = now
	w := &n.window
	low := sequence
	if old.on { // ways lose nothing
		low = max(low, align(old.sent, s))
	}
	if oldest := w.high - min(w.high, uint64(len(w.slots))); low < oldest {
		low = align(oldest, s)
	}
	for seq := low; seq < w.high; seq += chunk.Stripes {
		if size := int(w.at(seq).size); w.holds(seq) && n.lend(p, size) {
			n.send(p, seq, size)
			p.children[s].sent = seq + 1
		}
	}
}

// lendAhead is how much of the stream, in time, a neighbour may have at once beside the
// stripes that it gets, and lendRate the part of the stream's rate that it may have so on
// end: a loss, or another parent's backlog, but no stream.
const (
	lendAhead = 2 * time.Second
	lendRate  = 0.25
	lendLeast = 128 << 10
)

// lend says whether a neighbour may have so many bytes that come by no stripe from now on.
func (n *Node) lend(p *neighbour, size int) bool {
	rate := n.window.rate
	p.lent = max(0, p.lent-lendRate*rate*(n.now-p.lentAt).Seconds())
	p.lentAt = n.now
	if p.lent+float64(size) > max(rate*lendAhead.Seconds(), lendLeast) || !n.meter.room(n.now, size) {
		return false
	}
	p.lent += float64(size)
	return true
}

func (n *Node) admit(p *neighbour, s int) wire.Code {
	st := &n.stripes[s]
	switch {
	case !n.upload:
		return wire.Off
	case !st.has || n.window.next == 0:
		return wire.Behind
	case st.parent == p.id || st.pending == p.id || slices.Contains(st.path, p.id.ShortName()):
		return wire.Cycle
	case p.children[s].on && p.children[s].ends == 0:
		return wire.Accepted // from elsewhere on
	}
	if n.used() < n.slots() || n.makeRoom(p, s) {
		return wire.Accepted
	}
	return wire.Full
}

// makeRoom displaces a child for one that is worth more: a viewer that uploads the
// stripe of ours goes before a leaf of it, and that before other stripes.
func (n *Node) makeRoom(p *neighbour, s int) bool {
	if n.slots() == 0 {
		return false
	}
	worth := n.worth(p, s)
	var victim *neighbour
	which, least := 0, worth
	for _, v := range n.order {
		for t := range v.children {
			if k := &v.children[t]; !k.on || k.ends != 0 || k.until != 0 {
				continue
			}
			if x := n.worth(v, t); x < least {
				victim, which, least = v, t, x
			}
		}
	}
	if victim == nil {
		return false
	}
	n.displace(victim, which)
	return true
}

// worth ranks what a child is for the swarm.
func (n *Node) worth(p *neighbour, s int) int {
	switch {
	case s != n.home:
		return 0
	case p.told == nil || p.told.Home != s || p.told.Slots == 0 || !p.told.Upload:
		return 1
	}
	return 2 + p.told.Slots/4
}

func (n *Node) displace(p *neighbour, s int) {
	p.children[s].ends = n.now + grace
	n.act(Action{Kind: Answer, Peer: p.id, Stripe: s, Code: wire.Displaced})
}

// dismiss displaces children until no more than keep are left.
func (n *Node) dismiss(keep int) {
	for n.used() > keep {
		var victim *neighbour
		which, least := 0, 1<<30
		for _, v := range n.order {
			for t := range v.children {
				if k := &v.children[t]; k.on && k.ends == 0 && k.until == 0 {
					if x := n.worth(v, t); x < least {
						victim, which, least = v, t, x
					}
				}
			}
		}
		if victim == nil {
			return
		}
		n.displace(victim, which)
	}
}

// trim ends what was displaced, and what the line, or with less the machine, does not carry.
func (n *Node) trim(less bool) {
	for _, p := range n.order {
		for s := range p.children {
			if k := &p.children[s]; k.on && k.ends != 0 && n.now > k.ends {
				*k = child{}
			}
		}
	}
	if n.meter.tight || less {
		n.dismiss(n.slots())
	}
}

// Unsubscribed takes a neighbour's wish for a stripe no more.
func (n *Node) Unsubscribed(now time.Duration, from wire.PeerID, s int, until uint64) {
	n.now = now
	p := n.peers[from]
	if p == nil {
		return
	}
	if k := &p.children[s]; k.on {
		k.until = until
		if until <= max(k.from, n.stripes[s].high) {
			*k = child{}
		}
	}
}

// forward passes a chunk on to those who get its stripe from us: first to those who pass
// it on themselves, so that what waits on each line adds up for leaves alone.
func (n *Node) forward(s int, from wire.PeerID, sequence uint64, size int) {
	for _, leaves := range [...]bool{false, true} {
		for _, p := range n.order {
			k := &p.children[s]
			if !k.on || k.leaf != leaves || p.id == from || sequence < k.from {
				continue
			}
			if k.until != 0 && sequence >= k.until {
				*k = child{}
				continue
			}
			k.sent = max(k.sent, sequence+1)
			n.send(p, sequence, size)
		}
	}
}

func (n *Node) send(p *neighbour, sequence uint64, size int) {
	n.stats.SentChunks++
	n.stats.SentBytes += uint64(size)
	n.meter.queued(size)
	n.act(Action{Kind: Send, Peer: p.id, Sequence: sequence, Size: size})
}

// Sent says that bytes which were to be sent are out, or will not be.
func (n *Node) Sent(now time.Duration, bytes int) {
	n.now = now
	n.meter.sent(bytes)
}

// Requested takes a neighbour's request for single chunks: they are sent where the line
// has room, and the neighbour has not asked for more than what repairs need.
func (n *Node) Requested(now time.Duration, from wire.PeerID, l []uint64) {
	n.now = now
	p := n.peers[from]
	if p == nil {
		return
	}
	var missing []uint64
	for _, seq := range l {
		if size := int(n.window.at(seq).size); n.upload && n.window.holds(seq) && n.meter.cost() < 300*time.Millisecond && n.lend(p, size) {
			n.send(p, seq, size)
		} else {
			missing = append(missing, seq)
		}
	}
	if len(missing) > 0 {
		n.act(Action{Kind: Missing, Peer: from, List: missing})
	}
}
