// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A route carries datagrams to one peer. b holds one datagram, or several of
// seg bytes each (the last may be shorter); oob is what QUIC wants on the
// packets (ECN, segmentation). An error that only means "lost" is nil:
// QUIC's loss recovery does the rest.
type route interface {
	send(b []byte, seg int, oob []byte) error
}

// directRoute sends from the socket itself.
type directRoute struct {
	out  datagramWriter
	addr *net.UDPAddr
}

func (r *directRoute) send(b []byte, _ int, oob []byte) error {
	_, _, err := r.out.WriteMsgUDP(b, oob, r.addr)
	return err
}

// relayRoute sends through a TURN allocation: c is the ICE connection, which
// frames each datagram for the relay.
type relayRoute struct{ c net.Conn }

func (r *relayRoute) send(b []byte, seg int, _ []byte) error {
	for len(b) > 0 {
		n := min(seg, len(b))
		r.c.Write(b[:n]) // an error here is a lost packet: the pair may be gone until ICE restarts
		b = b[n:]
	}
	return nil
}

// peer is what QUIC sees: a fixed virtual address in front of a route that may change.
type peer struct {
	virtual *net.UDPAddr
	route   atomic.Pointer[route]

	// The packetConn's: addresses of packets that count as this peer's, maybe not as its
	// alone, and virtual addresses of peers that have gone.
	real      []netip.AddrPort
	inherited []netip.AddrPort
}

func (p *peer) setRoute(r route) { p.route.Store(&r) }

// virtualAddr numbers peers within 240.0.0.0/4 (reserved, RFC 1112 §4).
func virtualAddr(n uint32) *net.UDPAddr {
	return &net.UDPAddr{IP: net.IPv4(240|byte(n>>24)&0x0f, byte(n>>16), byte(n>>8), byte(n)).To4(), Port: 1}
}

// addrPort is the comparable form of a UDP address; IPv4-mapped IPv6 becomes IPv4.
func addrPort(a *net.UDPAddr) netip.AddrPort {
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// segmentSize is the size of the datagrams within a buffer of n bytes: what
// the UDP_SEGMENT control message in oob says, else n.
func segmentSize(oob []byte, n int) int {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		if h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_SEGMENT && len(data) >= 2 {
			if s := int(binary.NativeEndian.Uint16(data)); s > 0 {
				return s
			}
		}
		oob = rest
	}
	return n
}
