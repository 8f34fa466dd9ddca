// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"slices"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// maxStrikes is how many chunks that nobody asked it for a peer may send.
	maxStrikes = 64
	// maxKnown bounds the members that are remembered.
	maxKnown = 96
	// idleFor is how long a link that carries nothing is kept when there are enough others.
	idleFor = 12 * time.Second
	// enough links without use are kept for repair and for later.
	enough = 4
	// maxConnecting links are being made at a time.
	maxConnecting = 3
	connectWithin = 12 * time.Second
)

// neighbour is a peer with a link.
type neighbour struct {
	id     wire.PeerID
	ours   bool // we began the link
	rtt    time.Duration
	upAt   time.Duration
	told   *wire.Map // nil: nothing yet
	toldAt time.Duration

	doubted  time.Duration // not asked before
	failures int
	stripe   [chunk.Stripes]time.Duration // likewise, for one stripe
	strikes  int
	usedAt   time.Duration

	children [chunk.Stripes]child
	lent     float64 // bytes beside its stripes, as at lentAt: see lend
	lentAt   time.Duration
}

// known is a member that the tracker told us of.
type known struct {
	wire.Member
	connecting bool
	since      time.Duration // of connecting
	retry      time.Duration
	failures   int
	shunned    bool
	heard      time.Duration
}

// backoff spaces what is tried again.
type backoff struct{ next, wait time.Duration }

// Members takes what the tracker tells.
func (n *Node) Members(now time.Duration, l []wire.Member) {
	n.now = now
	for _, m := range l {
		if m.ID == n.cfg.Self || m.ID == wire.Source || m.Home < 0 || m.Home >= chunk.Stripes {
			continue
		}
		k := n.members[m.ID]
		if k == nil {
			if len(n.members) >= maxKnown {
				n.forgetOldest()
			}
			k = &known{}
			n.members[m.ID] = k
		}
		k.Member, k.heard = m, now
	}
}

func (n *Node) forgetOldest() {
	var oldest *known
	for _, k := range n.members {
		if !k.connecting && !k.shunned && n.peers[k.ID] == nil && (oldest == nil || k.heard < oldest.heard || k.heard == oldest.heard && k.ID < oldest.ID) {
			oldest = k
		}
	}
	if oldest != nil {
		delete(n.members, oldest.ID)
	}
}

// Room says whether a link that another member begins is welcome.
func (n *Node) Room(from wire.PeerID) bool {
	k := n.members[from]
	if k != nil && k.shunned || n.peers[from] != nil {
		return false
	}
	guests := 0
	for _, p := range n.order {
		if !p.ours {
			guests++
		}
	}
	return n.upload && guests < n.cfg.MaxGuests
}

// LinkUp says that there is a link to a peer; ours: this viewer began it.
func (n *Node) LinkUp(now time.Duration, id wire.PeerID, ours bool, rtt time.Duration) {
	n.now = now
	if k := n.members[id]; k != nil {
		k.connecting, k.failures = false, 0
	}
	if n.peers[id] != nil {
		return
	}
	p := &neighbour{id: id, ours: ours, rtt: rtt, upAt: now, usedAt: now}
	n.peers[id] = p
	n.order = append(n.order, p)
	n.act(Action{Kind: SendMap, Peer: id, Map: n.ownMap()})
}

// LinkDown says that a link is gone, or could not be made.
func (n *Node) LinkDown(now time.Duration, id wire.PeerID) {
	n.now = now
	if k := n.members[id]; k != nil {
		k.connecting = false
		if k.failures < 6 {
			k.failures++
		}
		k.retry = now + time.Second<<k.failures + n.spread(time.Second)
	}
	n.forgetPeer(id)
}

// forgetPeer takes a neighbour out of everything.
func (n *Node) forgetPeer(id wire.PeerID) {
	if n.peers[id] == nil {
		return
	}
	delete(n.peers, id)
	n.order = slices.DeleteFunc(n.order, func(p *neighbour) bool { return p.id == id })
	for s := range n.stripes {
		st := &n.stripes[s]
		if st.has && st.parent == id {
			n.orphan(s)
		}
		if st.pending == id {
			st.pending = nobody
			st.retry = n.now
			n.stay(s)
		}
	}
}

// drop ends the link to a peer.
func (n *Node) drop(id wire.PeerID) {
	n.forgetPeer(id)
	n.act(Action{Kind: Disconnect, Peer: id})
}

// shun has a peer never be met again.
func (n *Node) shun(id wire.PeerID) {
	k := n.members[id]
	if k == nil {
		k = &known{Member: wire.Member{ID: id}}
		n.members[id] = k
	}
	k.shunned = true
}

// doubt has a peer not be asked for a while; the longer, the oftener.
func (n *Node) doubt(id wire.PeerID, d time.Duration) {
	if p := n.peers[id]; p != nil && d > 0 {
		p.failures = min(p.failures+1, 4)
		p.doubted = n.now + d<<(p.failures-1)
	}
}

func (n *Node) doubtStripe(id wire.PeerID, s int, d time.Duration) {
	if p := n.peers[id]; p != nil {
		p.stripe[s] = n.now + d
	}
}

// strike counts what a peer sends unasked: it costs us, so that the link ends.
func (n *Node) strike(from wire.PeerID, s int, asked bool) {
	p := n.peers[from]
	st := &n.stripes[s]
	if p == nil || asked || st.has && st.parent == from || st.pending == from || n.now-st.movedAt < 3*time.Second {
		return
	}
	if p.strikes++; p.strikes > maxStrikes {
		n.shun(from)
		n.drop(from)
	}
}

// Map takes what a neighbour says of itself.
func (n *Node) Map(now time.Duration, from wire.PeerID, m *wire.Map) {
	n.now = now
	if p := n.peers[from]; p != nil {
		p.told, p.toldAt = m, now
		for s := range p.children {
			p.children[s].leaf = m.Home != s || m.Slots == 0
		}
	}
}

// RTT says how long a peer's answers take.
func (n *Node) RTT(id wire.PeerID, rtt time.Duration) {
	if p := n.peers[id]; p != nil {
		p.rtt = rtt
	}
}

func (n *Node) rtt(id wire.PeerID) time.Duration {
	if p := n.peers[id]; p != nil {
		return p.rtt
	}
	return 50 * time.Millisecond
}

// best finds the parent for a stripe through which the least lag is to be expected.
func (n *Node) best(s int, besides wire.PeerID) (wire.PeerID, time.Duration) {
	self := n.cfg.Self.ShortName()
	best, bestCost, bestLag := nobody, time.Duration(0), time.Duration(0)
	for _, p := range n.order {
		m := p.told
		if p.id == besides || m == nil || !m.Upload || n.now-p.toldAt > mapHolds || n.now < p.doubted || n.now < p.stripe[s] ||
			p.children[s].on || n.stripes[s].pending == p.id {
			continue
		}
		sm := &m.Stripes[s]
		if sm.LagMS == wire.NoLag || len(sm.Path) >= wire.MaxPath-1 || slices.Contains(sm.Path, self) {
			continue
		}
		lag := time.Duration(sm.LagMS+m.CostMS)*time.Millisecond + p.rtt/2
		if lag > farAway+n.strain.delay() {
			continue
		}
		cost := lag
		if m.Home != s {
			cost += 150 * time.Millisecond
		}
		switch {
		case m.Free > 0:
		case m.Home == s && n.inside(s):
			cost += 100 * time.Millisecond // it will make room
		default:
			continue
		}
		if best == nobody || cost < bestCost {
			best, bestCost, bestLag = p.id, cost, lag
		}
	}
	return best, bestLag
}

// meet sees that there are links to peers that can feed each stripe, and to not many more.
func (n *Node) meet() {
	if !n.download || n.window.next == 0 {
		return
	}
	connecting, ours, most := 0, 0, maxConnecting
	switch {
	case n.strain.high():
		most = 0
	case n.strain.late > rested:
		most = 1
	}
	for _, k := range n.members {
		if k.connecting {
			if n.now-k.since > connectWithin {
				k.connecting = false
				k.retry = n.now + 5*time.Second
				n.act(Action{Kind: Disconnect, Peer: k.ID})
				continue
			}
			connecting++
		}
	}
	for _, p := range n.order {
		if p.ours {
			ours++
		}
	}
	for s := range n.stripes {
		if n.heads>>s&1 != 0 {
			continue
		}
		need := 2
		if st := &n.stripes[s]; st.parent == wire.Source || !st.has {
			need = 3
		}
		for viable := n.viable(s); viable < need && connecting < most && ours+connecting < n.cfg.MaxLinks; viable++ {
			k := n.stranger(s)
			if k == nil {
				n.wantMembers()
				break
			}
			k.connecting, k.since = true, n.now
			connecting++
			n.act(Action{Kind: Connect, Peer: k.ID})
		}
	}
	n.prune()
}

// viable counts the neighbours, and those to be, that may feed a stripe.
func (n *Node) viable(s int) (c int) {
	for _, p := range n.order {
		switch {
		case n.stripes[s].has && n.stripes[s].parent == p.id:
			c++
		case p.told == nil:
			if k := n.members[p.id]; k != nil && k.Home == s {
				c++ // it has not spoken yet
			}
		case p.told.Upload && (p.told.Home == s && p.told.Slots > 0 && n.home == s || p.told.Free > 0) && n.now >= p.doubted && n.now >= p.stripe[s]:
			c++
		}
	}
	for _, k := range n.members {
		if k.connecting && k.Home == s {
			c++
		}
	}
	return c
}

// stranger is a member to make a link to for a stripe's sake: one whose upload is for it,
// else one with room; of these the one heard of last.
func (n *Node) stranger(s int) *known {
	var best *known
	for _, k := range n.members {
		if k.connecting || k.shunned || k.Slots == 0 || k.Home != s && k.Free == 0 || n.peers[k.ID] != nil || n.now < k.retry || k.Pin == "" {
			continue
		}
		if best == nil || k.before(best, s) {
			best = k
		}
	}
	return best
}

func (k *known) before(o *known, s int) bool {
	switch {
	case k.failures != o.failures:
		return k.failures < o.failures
	case (k.Free > 0) != (o.Free > 0):
		return k.Free > 0
	case (k.Home == s) != (o.Home == s):
		return k.Home == s
	case k.heard != o.heard:
		return k.heard > o.heard
	}
	return k.ID < o.ID
}

// wantMembers asks the tracker, seldomer the longer it does not help.
func (n *Node) wantMembers() {
	if !n.tracked || n.now < n.asks.next {
		return
	}
	n.asks.wait = min(max(n.asks.wait*3/2, 1500*time.Millisecond), 6*time.Second)
	n.asks.next = n.now + n.asks.wait + n.spread(time.Second)
	n.act(Action{Kind: Ask})
}

// prune ends links that carry nothing, the longest unused first.
func (n *Node) prune() {
	idle := 0
	var oldest *neighbour
	for _, p := range n.order {
		if !p.ours {
			continue
		}
		if n.inUse(p) {
			p.usedAt = n.now
			continue
		}
		idle++
		if (n.now-p.usedAt > idleFor || n.strain.high()) && (oldest == nil || p.usedAt < oldest.usedAt) {
			oldest = p
		}
	}
	if (idle > enough || n.strain.high()) && oldest != nil {
		if k := n.members[oldest.id]; k != nil {
			k.retry = n.now + time.Minute
		}
		n.drop(oldest.id)
	}
}

func (n *Node) inUse(p *neighbour) bool {
	for s := range n.stripes {
		st := &n.stripes[s]
		if st.has && st.parent == p.id || st.pending == p.id || p.children[s].on {
			return true
		}
	}
	return false
}

// sendMaps tells every neighbour how things are.
func (n *Node) sendMaps() {
	if len(n.order) == 0 {
		return
	}
	m := n.ownMap()
	for _, p := range n.order {
		n.act(Action{Kind: SendMap, Peer: p.id, Map: m})
	}
}

func (n *Node) ownMap() *wire.Map {
	w := &n.window
	m := &wire.Map{Upload: n.upload, Home: n.home, Slots: n.slots(), Free: max(0, n.slots()-n.used()),
		CostMS: int(n.meter.cost().Milliseconds())}
	m.Base = max(w.next, 32) - 32
	for i := range uint64(64) {
		if w.holds(m.Base + i) {
			m.Have |= 1 << i
		}
	}
	for s := range n.stripes {
		st := &n.stripes[s]
		sm := &m.Stripes[s]
		sm.LagMS = wire.NoLag
		if st.has && w.next != 0 {
			sm.LagMS = int(max(0, min(st.usual()+n.overdue(st), 60*time.Second)).Milliseconds())
			sm.Path = st.path[:min(len(st.path), wire.MaxPath)]
			if len(sm.Path) > 0 {
				sm.Path = slices.Clone(sm.Path)
			}
		}
	}
	return m
}
