// SPDX-License-Identifier: LGPL-2.1-or-later

// Package peer is a viewer of a swarm: it joins at the stream's URL, plays from the source
// at once, and then takes the stripes from other viewers and gives them on, as package plan
// decides.
//
//	way to the source  ──┐                       ┌─ link to a viewer: frames both ways
//	what the tracker says ┤── loop: plan.Node ───┤
//	the time ─────────────┘   window, verifier   └─ …
//	                             │
//	                     assembler ─> Peer.Read: FLV
//
// One goroutine, the loop, owns all state; what the others read reaches it as functions
// through a bounded queue. No byte of a chunk is used or passed on before its signature
// is verified.
package peer
