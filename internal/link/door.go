// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"context"
	"net"
	"net/netip"

	"github.com/quic-go/quic-go"
)

const (
	// maxLANPending bounds connections on the LAN that are not admitted yet.
	// Further ones are refused; a peer that means well tries again.
	maxLANPending = 32
	// maxLANPendingPerHost keeps one host from taking all of those.
	maxLANPendingPerHost = 8
)

// door counts who is coming in on the LAN and who is in. LAN.mu guards it.
type door struct {
	maxLinks int
	admitted int
	waiting  int
	pending  map[netip.Addr]int // by host; a host without any is not in it
}

// guest is one connection on its way through the door.
type guest struct {
	n        *LAN
	host     netip.Addr
	admitted bool // it counts as a link, not as pending
	gone     bool
}

type guestKey struct{}

// knock is called for every connection before its handshake begins; the sender's
// address is validated by then. ctx ends with the connection.
func (n *LAN) knock(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	a, ok := info.RemoteAddr.(*net.UDPAddr)
	if !ok {
		return nil, net.InvalidAddrError("not a UDP address")
	}
	g := &guest{n: n, host: addrPort(a).Addr()}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || n.door.waiting >= maxLANPending || n.door.pending[g.host] >= maxLANPendingPerHost {
		return nil, ErrBusy
	}
	n.door.waiting++
	n.door.pending[g.host]++
	context.AfterFunc(ctx, g.leave)
	return context.WithValue(ctx, guestKey{}, g), nil
}

// admit turns a pending connection into a link; false when there are too many.
func (g *guest) admit() bool {
	g.n.mu.Lock()
	defer g.n.mu.Unlock()
	d := &g.n.door
	if g.gone || g.admitted || d.admitted >= d.maxLinks {
		return g.admitted
	}
	d.admitted++
	g.admitted = true
	d.notPending(g.host)
	return true
}

func (g *guest) leave() {
	g.n.mu.Lock()
	defer g.n.mu.Unlock()
	if g.gone {
		return
	}
	g.gone = true
	if g.admitted {
		g.n.door.admitted--
	} else {
		g.n.door.notPending(g.host)
	}
}

func (d *door) notPending(host netip.Addr) {
	d.waiting--
	if d.pending[host]--; d.pending[host] == 0 {
		delete(d.pending, host)
	}
}
