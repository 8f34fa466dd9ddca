// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"math/rand/v2"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

// Config configures New. It is copied.
type Config struct {
	// Self is the viewer's own ID (required).
	Self wire.PeerID
	// MaxUpload bounds what is uploaded, bytes/s; 0: what the line is found to carry.
	MaxUpload float64
	// NoUpload and NoDownload are the switches of reference/xp2p.md §8 at the start.
	NoUpload, NoDownload bool
	// Window is how many chunks are remembered, a power of two; 0: 1024.
	Window int
	// MaxLinks that this viewer begins at a time; 0: 12. MaxGuests that others begin; 0: 36.
	MaxLinks, MaxGuests int
	// Rand spreads what viewers do over time (required).
	Rand *rand.Rand
}

// Times are since any fixed moment, the same for all calls to a Node.
const (
	// TickEvery is how often Tick wants to be called.
	TickEvery = 50 * time.Millisecond
	// mapEvery is the fixed rate of maps.
	mapEvery = time.Second
	// meetEvery is how often a viewer looks whether it knows enough others.
	meetEvery = 150 * time.Millisecond
	// mapHolds is how long a map is believed.
	mapHolds = 3500 * time.Millisecond
	// giveUp is the lag at which a chunk that cannot be had is left out.
	giveUp = 8 * time.Second
)

// Stats of a node since it was made.
type Stats struct {
	PeerChunks, PeerBytes     uint64 // received from viewers, and used
	SourceChunks, SourceBytes uint64
	Duplicates                uint64 // received again
	Delivered                 uint64 // chunks in order
	Lost                      uint64 // chunks that were left out
	Late                      uint64 // chunks that were delivered more than LateLag behind
	Requests                  uint64 // chunks asked for again, of whomever
	SourceRequests            uint64 // of these, of the source
	Moves                     uint64 // changes of a parent
	SentChunks, SentBytes     uint64 // to viewers
}

// LateLag is the lag beyond which a chunk is late: what the viewer's player is expected
// to keep in hand.
const LateLag = 1200 * time.Millisecond

// Node is one viewer's decisions. It is not safe for concurrent use.
type Node struct {
	cfg Config
	now time.Duration
	out []Action

	window  window
	stripes [chunk.Stripes]stripe
	peers   map[wire.PeerID]*neighbour
	members map[wire.PeerID]*known
	order   []*neighbour // in the order in which they came: what a map's order would make random

	sourceUp bool
	tracked  bool // a policy has come
	home     int
	heads    uint8
	download bool // switches: our own and the tracker's together
	upload   bool
	policy   wire.Policy

	lag      time.Duration
	heard    time.Duration // when a chunk came last that was not asked for
	probed   time.Duration // when the source was asked whether the stream goes on
	margin   time.Duration // see needless
	strain   strain
	meter    meter
	nextMap  time.Duration
	nextMeet time.Duration
	asks     backoff

	stats Stats
}

// New makes a node that has nothing yet.
func New(cfg Config) *Node {
	if cfg.Window == 0 {
		cfg.Window = 1024
	}
	if cfg.MaxLinks == 0 {
		cfg.MaxLinks = 12
	}
	if cfg.MaxGuests == 0 {
		cfg.MaxGuests = 36
	}
	n := &Node{cfg: cfg, peers: map[wire.PeerID]*neighbour{}, members: map[wire.PeerID]*known{},
		policy: wire.Policy{Download: true, Upload: true}}
	n.window.init(cfg.Window)
	for s := range n.stripes {
		n.stripes[s].pending = nobody
	}
	n.meter.init(cfg.MaxUpload)
	n.applySwitches()
	return n
}

// Stats reads the counters.
func (n *Node) Stats() Stats { return n.stats }

// Source says that the way to the source stands, or does not: it then sends the stripes
// that it was asked for in the request that opened it, from their next chunks on.
func (n *Node) Source(now time.Duration, up bool) {
	n.now = now
	n.sourceUp = up
	for s := range n.stripes {
		st := &n.stripes[s]
		switch {
		case up && !st.has && st.pending == nobody && n.window.next == 0: // the beginning
			st.feed(wire.Source, now)
		case !up && st.has && st.parent == wire.Source:
			n.orphan(s)
		case !up && st.pending == wire.Source:
			st.pending = nobody
			n.stay(s)
		}
	}
}

// FromSource are the stripes that the source feeds, or is to feed, and the sequence from
// which on they are wanted: for opening the way to it again.
func (n *Node) FromSource() (stripes uint8, from uint64) {
	if n.window.next == 0 {
		return 1<<chunk.Stripes - 1, 0
	}
	return 0, n.window.next
}

// Policy takes what the tracker says.
func (n *Node) Policy(now time.Duration, p wire.Policy) {
	n.now = now
	n.tracked = true
	for s := range n.stripes {
		if p.Heads>>s&1 != n.heads>>s&1 {
			n.stripes[s].retry = now
		}
	}
	n.policy, n.home, n.heads = p, p.Home&(chunk.Stripes-1), p.Heads
	n.applySwitches()
}

// Untracked says that the tracker is gone: who is head stays so, and nobody is asked for.
func (n *Node) Untracked() { n.tracked = false }

// Switch turns downloading from and uploading to other viewers on or off.
func (n *Node) Switch(now time.Duration, download, upload bool) {
	n.now = now
	n.cfg.NoDownload, n.cfg.NoUpload = !download, !upload
	n.applySwitches()
}

func (n *Node) applySwitches() {
	n.download = n.policy.Download && !n.cfg.NoDownload
	n.upload = n.policy.Upload && !n.cfg.NoUpload
	if !n.upload {
		n.dismiss(0)
	}
	if !n.download {
		for s := range n.stripes {
			st := &n.stripes[s]
			if st.pending != nobody && st.pending != wire.Source {
				n.abandon(s, 0)
			}
			if st.has && st.parent != wire.Source && st.pending == nobody && n.sourceUp {
				n.move(s, wire.Source)
			}
		}
	}
}

// Epoch says that an epoch of the stream begins with the sequence first; run is where
// the source's run began.
func (n *Node) Epoch(now time.Duration, first, run uint64) {
	n.now = now
	w := &n.window
	if first <= w.epoch || first >= chunk.MaxSequence {
		return
	}
	w.epoch = first
	if w.next != 0 && run > w.high { // what has not come yet of the run before never comes
		w.restart(run)
		for s := range n.stripes {
			n.stripes[s].high = 0
		}
	}
}

// Chunk says that a chunk came that the source has signed. It reports whether the chunk
// is wanted: one that is there already, or too old, is not.
func (n *Node) Chunk(now time.Duration, from wire.PeerID, sequence uint64, dts uint32, size int, key bool) bool {
	n.now = now
	w := &n.window
	if sequence >= chunk.MaxSequence {
		return false
	}
	if w.next == 0 {
		if !key {
			return false
		}
		w.begin(sequence)
	} else if key && sequence >= w.next+uint64(len(w.slots)) { // after a long silence
		n.stats.Lost += sequence - w.next
		w.restart(sequence)
	}
	s := chunk.StripeOf(sequence)
	asked := w.askedOf(sequence) == from
	if asked && from == wire.Source {
		n.fetched(now - w.at(sequence).askedAt)
	}
	if !asked {
		n.heard = now
	}
	if !w.put(sequence, dts, size, key, now) {
		n.stats.Duplicates++
		n.needless(sequence)
		n.strike(from, s, asked)
		n.pushed(s, from, sequence, asked)
		return false
	}
	if from == wire.Source {
		n.stats.SourceChunks++
		n.stats.SourceBytes += uint64(size)
	} else {
		n.stats.PeerChunks++
		n.stats.PeerBytes += uint64(size)
		n.strike(from, s, asked)
	}
	n.pushed(s, from, sequence, asked)
	n.forward(s, from, sequence, size)
	n.deliver()
	return true
}

// Bad says that a peer sent something that the source has not signed. It is the last
// that is heard of it.
func (n *Node) Bad(now time.Duration, from wire.PeerID) {
	n.now = now
	if from == wire.Source {
		return // the way is broken, which its owner sees to
	}
	n.shun(from)
	n.act(Action{Kind: Accuse, Peer: from})
	n.drop(from)
}

// deliver hands on what is in order.
func (n *Node) deliver() {
	w := &n.window
	for w.has(w.next) {
		n.delivered(w.next)
		w.next++
	}
}

func (n *Node) delivered(sequence uint64) {
	n.stats.Delivered++
	lag := n.window.lag(sequence, n.now)
	if sequence >= n.window.settled {
		n.lag += (lag - n.lag) / 32
	}
	if lag > LateLag && sequence >= n.window.settled {
		n.stats.Late++
	}
	n.act(Action{Kind: Deliver, Sequence: sequence, Lag: lag})
}

// Next is the sequence that is to be delivered next; 0: nothing has come yet.
func (n *Node) Next() uint64 { return n.window.next }

// Parents are whom the stripes come from: wire.Source, a peer, or Nobody.
func (n *Node) Parents() (l [chunk.Stripes]wire.PeerID) {
	for s := range n.stripes {
		l[s] = nobody
		if st := &n.stripes[s]; st.has {
			l[s] = st.parent
		}
	}
	return l
}

// Place is the stripe that the upload is for, and the stripes of which the viewer is head.
func (n *Node) Place() (home int, heads uint8) { return n.home, n.heads }

// Lag is the mean of what was delivered of late.
func (n *Node) Lag() time.Duration { return n.lag }

// Tick lets time pass.
func (n *Node) Tick(now time.Duration) {
	n.now = now
	n.window.drift(now)
	n.margin -= n.margin * min(now-n.strain.last, marginHolds) / marginHolds
	less := n.strain.tick(now)
	n.meter.tick(now, n.used(), n.window.rate)
	n.trim(less)
	for s := range n.stripes {
		n.tend(s)
	}
	n.repair()
	n.listen()
	n.leaveOut()
	if now >= n.nextMeet {
		n.nextMeet = now + meetEvery
		n.meet()
	}
	if now >= n.nextMap {
		n.nextMap = now + mapEvery
		n.sendMaps()
	}
}

// leaveOut goes on at the next key frame where a chunk cannot be had.
func (n *Node) leaveOut() {
	w := &n.window
	if w.next == 0 || w.next >= w.high || w.has(w.next) {
		return
	}
	missing := w.next
	if lag, ok := w.missingLag(missing, n.now); (!ok || lag < giveUp) && w.high-missing < uint64(len(w.slots))*3/4 {
		return
	}
	if key := w.nextKey(missing); key != 0 {
		n.stats.Lost += key - missing
		w.next = key
		n.deliver()
	}
}
