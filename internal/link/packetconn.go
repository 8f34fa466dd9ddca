// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
)

// datagramWriter is the sending half of the socket. Tests put a lossy network in its place.
type datagramWriter interface {
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
}

// datagram is a packet that did not go the batched way, and its sender.
type datagram struct {
	b    []byte
	addr *net.UDPAddr
}

// packetConn is the quic.OOBCapablePacketConn over the process's UDP socket.
// quic-go reads it in batches and writes with GSO and ECN as on a plain socket;
// in between, real addresses become virtual ones and STUN leaves for ICE.
type packetConn struct {
	*net.UDPConn
	batch *ipv4.PacketConn // serves IPv4 and IPv6 sockets alike: it only batches recvmsg
	out   datagramWriter

	// Several links between the same two sockets have one real address. Whose a packet
	// from there is, only QUIC knows, by its connection ID, so all count as the oldest
	// peer's: QUIC then finds other connections at that peer's virtual address too, and
	// follows them there. When the peer goes, another one at its address inherits the
	// virtual address, so that what was found there still is.
	mu        sync.RWMutex // guards the maps; held only for look-ups
	byVirtual map[netip.AddrPort]*peer
	byReal    map[netip.AddrPort][]*peer // the oldest first
	next      uint32

	// stun takes what belongs to ICE. When it is full, packets are lost as on any
	// network: ICE sends its checks again.
	stun chan datagram
	// injected holds what came through relays. When it is full, packets are lost.
	injected chan datagram

	deadlineMu sync.Mutex
	deadline   time.Time // as set by QUIC; an earlier one on the socket is ours, to wake the reader

	lost    atomic.Uint64 // datagrams dropped at a full queue
	unknown atomic.Uint64 // datagrams from addresses that no link has validated
}

const (
	stunQueue     = 256
	injectedQueue = 2048
)

func newPacketConn(u *net.UDPConn) *packetConn {
	return &packetConn{
		UDPConn:   u,
		batch:     ipv4.NewPacketConn(u),
		out:       u,
		byVirtual: map[netip.AddrPort]*peer{},
		byReal:    map[netip.AddrPort][]*peer{},
		stun:      make(chan datagram, stunQueue),
		injected:  make(chan datagram, injectedQueue),
	}
}

// LocalAddr is a specified address on purpose: on an unspecified one quic-go
// would pin the local address of the first packet to all its answers, which is
// wrong after a change of path. The kernel's routing decides instead.
func (c *packetConn) LocalAddr() net.Addr { return virtualAddr(0) }

func (c *packetConn) addPeer() *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		c.next = (c.next + 1) & 0x0fffffff
		v := virtualAddr(c.next)
		if c.next == 0 || c.byVirtual[addrPort(v)] != nil {
			continue
		}
		p := &peer{virtual: v}
		c.byVirtual[addrPort(v)] = p
		return p
	}
}

func (c *packetConn) removePeer(p *peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var heir *peer
	for _, a := range p.real {
		if rest := c.forget(a, p); len(rest) > 0 {
			heir = rest[0]
		}
	}
	for _, v := range append(p.inherited, addrPort(p.virtual)) {
		if heir == nil {
			delete(c.byVirtual, v)
			continue
		}
		c.byVirtual[v] = heir
		heir.inherited = append(heir.inherited, v)
	}
	p.real, p.inherited = nil, nil
	for heir != nil && len(heir.inherited) > maxInherited {
		delete(c.byVirtual, heir.inherited[0])
		heir.inherited = heir.inherited[1:]
	}
}

// forget takes an address from p, and gives the other peers at it.
func (c *packetConn) forget(a netip.AddrPort, p *peer) (rest []*peer) {
	rest = slices.DeleteFunc(c.byReal[a], func(q *peer) bool { return q == p })
	if c.byReal[a] = rest; len(rest) == 0 {
		delete(c.byReal, a)
	}
	return rest
}

const (
	// maxPeerAddrs bounds what a peer that keeps moving leaves behind.
	maxPeerAddrs = 64
	// maxInherited bounds what those leave behind that come and go beside one that stays:
	// QUIC has long found a connection elsewhere when the oldest is forgotten.
	maxInherited = 64
)

// learn makes packets from real count as p's. The addresses of earlier paths
// stay: late packets are still the peer's.
func (c *packetConn) learn(p *peer, real *net.UDPAddr) {
	a := addrPort(real)
	c.mu.RLock()
	known := slices.Contains(c.byReal[a], p)
	c.mu.RUnlock()
	if known {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byVirtual[addrPort(p.virtual)] != p {
		return // closed meanwhile
	}
	if slices.Contains(p.real, a) {
		return // learnt meanwhile
	}
	if len(p.real) >= maxPeerAddrs {
		c.forget(p.real[0], p)
		p.real = p.real[1:]
	}
	p.real = append(p.real, a)
	c.byReal[a] = append(c.byReal[a], p)
}

// inject hands a packet that p's relay brought to QUIC's reader. b is kept.
func (c *packetConn) inject(p *peer, b []byte) {
	select {
	case c.injected <- datagram{b, p.virtual}:
	default:
		c.lost.Add(1)
		return
	}
	c.deadlineMu.Lock()
	if c.deadline.IsZero() {
		c.UDPConn.SetReadDeadline(time.Unix(1, 0)) // wakes ReadBatch
	}
	c.deadlineMu.Unlock()
}

// SetReadDeadline is QUIC's: it uses it to end its reader.
func (c *packetConn) SetReadDeadline(t time.Time) error {
	c.deadlineMu.Lock()
	defer c.deadlineMu.Unlock()
	c.deadline = t
	return c.UDPConn.SetReadDeadline(t)
}

// ReadBatch fills ms with packets for QUIC. A message that is not for QUIC gets
// N = 0, which quic-go drops; messages are never moved, since quic-go pairs
// them with its buffers by index.
func (c *packetConn) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	for {
		if n := c.takeInjected(ms); n > 0 {
			return n, nil
		}
		n, err := c.batch.ReadBatch(ms, flags)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && c.wokenByInject() {
				continue
			}
			return n, err
		}
		c.sort(ms[:n])
		return n, nil
	}
}

func (c *packetConn) takeInjected(ms []ipv4.Message) int {
	for n := range ms {
		select {
		case d := <-c.injected:
			ms[n].N, ms[n].NN, ms[n].Addr = copy(ms[n].Buffers[0], d.b), 0, d.addr
		default:
			return n
		}
	}
	return len(ms)
}

// wokenByInject resets the deadline that inject set; false when QUIC set it.
func (c *packetConn) wokenByInject() bool {
	c.deadlineMu.Lock()
	defer c.deadlineMu.Unlock()
	if !c.deadline.IsZero() {
		return false
	}
	c.UDPConn.SetReadDeadline(time.Time{})
	return true
}

// sort sends STUN to ICE and gives the rest its virtual sender.
func (c *packetConn) sort(ms []ipv4.Message) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for i := range ms {
		m := &ms[i]
		from, _ := m.Addr.(*net.UDPAddr)
		if m.N == 0 || from == nil {
			m.N = 0
			continue
		}
		b := m.Buffers[0][:m.N]
		if b[0] < 64 { // see the package comment
			if b[0] < 4 {
				select {
				case c.stun <- datagram{append([]byte(nil), b...), from}:
				default:
					c.lost.Add(1)
				}
			}
			m.N = 0
			continue
		}
		if at := c.byReal[addrPort(from)]; len(at) > 0 {
			m.Addr = at[0].virtual
		} else {
			c.unknown.Add(1)
			m.N = 0
		}
	}
}

// WriteMsgUDP sends to the peer behind a virtual address.
func (c *packetConn) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (int, int, error) {
	c.mu.RLock()
	p := c.byVirtual[addrPort(addr)]
	c.mu.RUnlock()
	if p != nil {
		if r := p.route.Load(); r != nil {
			err := (*r).send(b, segmentSize(oob, len(b)), oob)
			// EIO says that the interface cannot segment, EMSGSIZE that the packet is
			// too big: quic-go must see both. Every other error is an unreachable
			// network, which may come back, and would kill the connection.
			if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EMSGSIZE) || errors.Is(err, net.ErrClosed) {
				return 0, 0, err
			}
		}
	}
	return len(b), len(oob), nil
}

// WriteTo is for packets without control data.
func (c *packetConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	a, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not a UDP address")
	}
	n, _, err := c.WriteMsgUDP(b, nil, a)
	return n, err
}
