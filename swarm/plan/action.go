// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"time"

	"github.com/xp2p/xp2p/swarm/wire"
)

// Kind says what an Action is.
type Kind uint8

const (
	Deliver     Kind = iota // Sequence is the stream's next; where sequences are left out, chunks are lost
	Send                    // the chunk Sequence to Peer
	Subscribe               // ask Peer for Stripe from Sequence on
	Unsubscribe             // ask Peer for Stripe no more from Sequence on
	Answer                  // tell Peer Code about Stripe
	Request                 // ask Peer for the chunks of List
	Missing                 // tell Peer that those of List are not here
	SendMap                 // Map to Peer
	Connect                 // make a link to Peer, and say LinkUp or LinkDown
	Disconnect              // end the link to Peer; there is no LinkDown
	Ask                     // ask the tracker for members
	Accuse                  // tell the tracker that Peer pollutes
)

// Action is something for a Node's owner to do. Peer is wire.Source for the source.
type Action struct {
	Kind     Kind
	Peer     wire.PeerID
	Stripe   int
	Sequence uint64
	Size     int // bytes of the chunk that is sent
	Code     wire.Code
	List     []uint64
	Map      *wire.Map
	Lag      time.Duration // of what is delivered
}

func (n *Node) act(a Action) { n.out = append(n.out, a) }

// Take gives the actions since it was called last. They are valid until the next call
// to the node.
func (n *Node) Take() []Action {
	out := n.out
	n.out = n.out[:0]
	return out
}
