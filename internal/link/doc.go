// SPDX-License-Identifier: LGPL-2.1-or-later

// Package link joins two peers by one authenticated, multiplexed connection:
// QUIC (RFC 9000) with HTTP/3 requests in it, over whatever path ICE (RFC 8445)
// finds between them.
//
// A process has one [Socket]: one UDP socket, owned by a quic.Transport. ICE
// runs beside QUIC on that socket; the first byte of a datagram tells them
// apart (RFC 9443):
//
//	 0 … 3    STUN, for ICE
//	 4 … 63   reserved for forward error correction under QUIC
//	64 … 255  QUIC
//
// QUIC never sees where a peer really is. Every peer has a fixed virtual
// address (240.0.0.0/4, which no network uses) and behind it a current route:
// direct (a UDP address, with batched and segmented sending) or relay (a TURN
// allocation on a socket of its own). When ICE chooses another pair the route
// is replaced and QUIC goes on; it only sees packets that were late.
//
//	http3 requests
//	quic.Conn            one per peer, mutual TLS 1.3, keys pinned
//	quic.Transport
//	packetConn           virtual address <-> route
//	 |          \
//	UDP socket   relay (TURN through pion/ice)
//	 |
//	stunMux  ->  ice.Agent per link
//
// On a LAN, where the address of the peer is known, all of this but HTTP/3 and
// QUIC is left out: see [LAN].
//
// This is the only package of xp2p that imports pion/ice and quic-go.
package link
