// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// hush is how long nothing may come of any stripe before the source is asked whether the
	// stream goes on: longer than the key frame of a parent's other children takes on its line.
	hush = 450 * time.Millisecond
	// hushAsks is how often it is asked, and maxHushed for how many chunks at once.
	hushAsks  = 250 * time.Millisecond
	maxHushed = 32
)

// listen sees to a silence of all stripes at once: their parents are lost together, as when
// one feeds them all or many leave at once, or the stream itself stands still. No chunk that
// comes tells then that others are missing. So those that should have come are fetched from
// the source, which has none if it is the stream. Those that come show which parents are lost.
func (n *Node) listen() {
	w := &n.window
	quiet := n.now - n.heard
	if w.next == 0 || !n.sourceUp || n.heard == 0 || w.chunkGap == 0 || quiet < n.hushed() || n.now-n.probed < hushAsks || !n.fedByPeers() {
		return
	}
	n.probed = n.now
	var l []uint64
	for i := range uint64(min(quiet/w.chunkGap, maxHushed)) {
		seq := w.high + i
		if seq >= w.next+uint64(len(w.slots))/2 {
			break
		}
		if asked := w.askedOf(seq); asked == wire.Source && n.now-w.at(seq).askedAt < askSource {
			continue // it is on its way
		}
		w.ask(seq, wire.Source, n.now)
		l = append(l, seq)
	}
	for len(l) > 0 {
		k := min(len(l), maxPerRepair)
		n.stats.Requests += uint64(k)
		n.stats.SourceRequests += uint64(k)
		n.act(Action{Kind: Request, Peer: wire.Source, List: l[:k]})
		l = l[k:]
	}
}

// hushed is how long all may be silent.
func (n *Node) hushed() time.Duration {
	return max(hush, 3*chunk.Stripes*n.window.chunkGap) + n.margin + n.strain.delay()
}

func (n *Node) fedByPeers() bool {
	for s := range n.stripes {
		if st := &n.stripes[s]; st.has && st.parent != wire.Source {
			return true
		}
	}
	return false
}
