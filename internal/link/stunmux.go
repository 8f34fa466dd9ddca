// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/stun"
)

// stunMux hands the STUN packets of the shared socket to the ICE agents.
// Requests find their agent by USERNAME (RFC 8445 §7.3), responses by the
// transaction that they answer; never by the sender's address, because several
// agents may talk to one remote socket. (pion's own mux goes by address.)
//
// It implements ice.UDPMux and ice.UniversalUDPMux.
type stunMux struct {
	pc *packetConn

	done chan struct{}
	once sync.Once
	wg   sync.WaitGroup

	answered atomic.Int64 // Unix ns of a server's last answer; 0: none on this network

	mu       sync.Mutex // guards all below; nothing blocks under it
	addrs    []net.Addr // where host candidates are
	conns    map[string]*muxConn
	pending  map[transactionID]pendingRequest
	mapped   map[string]*mappedAddr
	noSTUN   map[string]bool // "IP:PORT" of servers that speak TCP only
	sweepDue time.Time
}

type transactionID [stun.TransactionIDSize]byte

// pendingRequest is a request that waits for its response: an agent's, or our own to a STUN server.
type pendingRequest struct {
	conn *muxConn
	own  chan<- *net.UDPAddr
	at   time.Time
}

// mappedAddr is our address as one STUN server sees it; ready is closed when addr or err is set.
type mappedAddr struct {
	ready chan struct{}
	at    time.Time
	addr  *stun.XORMappedAddress
	err   error
}

const (
	// A response later than this is not waited for (RFC 8489 §6.2.1: 39.5 s at most, ICE gives up far earlier).
	transactionLifetime = 10 * time.Second
	// A NAT's mapping is asked for again after this.
	mappedLifetime = 20 * time.Second
	// answerHolds is how long a server's answer over UDP says that the network has UDP.
	answerHolds  = 30 * time.Second
	muxConnQueue = 64 // packets an agent has not read yet; more are lost
	// An agent cannot be closed while it waits for a STUN server; one that is
	// slower than this would be of no use to a live picture either.
	mappedPatience = 1500 * time.Millisecond
)

var errNoSTUN = errors.New("the server has no STUN over UDP")

// skipSTUN keeps agents from asking a server for a mapped address: pion asks
// every server of its list, also one for TURN over TCP, and waits for it.
func (m *stunMux) skipSTUN(host string, port int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noSTUN[net.JoinHostPort(host, strconv.Itoa(port))] = true
}

var _ ice.UniversalUDPMux = (*stunMux)(nil)

func newSTUNMux(pc *packetConn, addrs []net.Addr) *stunMux {
	m := &stunMux{
		pc: pc, addrs: addrs,
		done:    make(chan struct{}),
		conns:   map[string]*muxConn{},
		pending: map[transactionID]pendingRequest{},
		mapped:  map[string]*mappedAddr{},
		noSTUN:  map[string]bool{},
	}
	m.wg.Add(1)
	go m.loop()
	return m
}

func (m *stunMux) loop() {
	defer m.wg.Done()
	for {
		select {
		case d := <-m.pc.stun:
			m.dispatch(d)
		case <-m.done:
			return
		}
	}
}

func (m *stunMux) dispatch(d datagram) {
	if !stun.IsMessage(d.b) {
		return
	}
	if ip4 := d.addr.IP.To4(); ip4 != nil { // agents compare addresses in the 4-byte form
		d.addr = &net.UDPAddr{IP: ip4, Port: d.addr.Port}
	}
	var t stun.MessageType
	t.ReadValue(uint16(d.b[0])<<8 | uint16(d.b[1]))
	switch t.Class {
	case stun.ClassSuccessResponse, stun.ClassErrorResponse:
		m.mu.Lock()
		id := transactionOf(d.b)
		p := m.pending[id]
		delete(m.pending, id)
		m.mu.Unlock()
		if p.conn != nil {
			p.conn.put(d)
		}
		if p.own != nil {
			if a, ok := xorMapped(d.b); ok {
				p.own <- a // buffered for its one answer
			}
		}
	default:
		if ufrag, ok := localUfrag(d.b); ok {
			m.mu.Lock()
			c := m.conns[ufrag]
			m.mu.Unlock()
			if c != nil {
				c.put(d)
			}
		}
	}
}

func transactionOf(b []byte) (id transactionID) {
	copy(id[:], b[8:20])
	return id
}

func decode(b []byte) (*stun.Message, bool) {
	msg := &stun.Message{Raw: b}
	return msg, msg.Decode() == nil
}

// localUfrag is the receiver's half of USERNAME, the part before the colon.
func localUfrag(b []byte) (string, bool) {
	msg, ok := decode(b)
	if !ok {
		return "", false
	}
	u, err := msg.Get(stun.AttrUsername)
	if err != nil {
		return "", false
	}
	ufrag, _, ok := strings.Cut(string(u), ":")
	return ufrag, ok
}

func xorMapped(b []byte) (*net.UDPAddr, bool) {
	msg, ok := decode(b)
	if !ok {
		return nil, false
	}
	var x stun.XORMappedAddress
	if x.GetFrom(msg) != nil {
		return nil, false
	}
	return &net.UDPAddr{IP: x.IP, Port: x.Port}, true
}

// expect notes a request, so that its response finds the way back.
func (m *stunMux) expect(id transactionID, p pendingRequest) {
	p.at = time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.at.After(m.sweepDue) {
		m.sweepDue = p.at.Add(transactionLifetime)
		for k, q := range m.pending {
			if p.at.Sub(q.at) > transactionLifetime {
				delete(m.pending, k)
			}
		}
	}
	m.pending[id] = p
}

func (m *stunMux) conn(key string) (net.PacketConn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.done:
		return nil, net.ErrClosed
	default:
	}
	if c := m.conns[key]; c != nil {
		return c, nil
	}
	c := &muxConn{m: m, key: key, in: make(chan datagram, muxConnQueue), done: make(chan struct{})}
	m.conns[key] = c
	return c, nil
}

// GetConn implements ice.UDPMux.
func (m *stunMux) GetConn(ufrag string, _ net.Addr) (net.PacketConn, error) { return m.conn(ufrag) }

// GetConnForURL implements ice.UniversalUDPMux.
func (m *stunMux) GetConnForURL(ufrag, url string, _ net.Addr) (net.PacketConn, error) {
	return m.conn(ufrag + "|" + url)
}

// GetRelayedAddr implements ice.UniversalUDPMux; pion never calls it: relays have sockets of their own.
func (m *stunMux) GetRelayedAddr(net.Addr, time.Duration) (*net.Addr, error) {
	return nil, errors.ErrUnsupported
}

// RemoveConnByUfrag implements ice.UDPMux.
func (m *stunMux) RemoveConnByUfrag(ufrag string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, c := range m.conns {
		if k == ufrag || strings.HasPrefix(k, ufrag+"|") {
			c.shut()
			delete(m.conns, k)
		}
	}
}

// GetListenAddresses implements ice.UDPMux.
func (m *stunMux) GetListenAddresses() []net.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.addrs // replaced as a whole, never changed
}

// rescan takes new addresses and forgets what was learnt with the old ones.
func (m *stunMux) rescan(addrs []net.Addr) (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	same := slices.EqualFunc(m.addrs, addrs, func(a, b net.Addr) bool { return a.String() == b.String() })
	m.addrs = addrs
	clear(m.mapped) // who waits for an answer holds its own entry
	m.answered.Store(0)
	return !same
}

// Close implements ice.UDPMux.
func (m *stunMux) Close() error {
	m.once.Do(func() {
		m.mu.Lock()
		close(m.done)
		for _, c := range m.conns {
			c.shut()
		}
		m.mu.Unlock()
		m.wg.Wait()
	})
	return nil
}

// GetXORMappedAddr implements ice.UniversalUDPMux: one question to a server serves
// every agent that asks within mappedLifetime.
func (m *stunMux) GetXORMappedAddr(server net.Addr, timeout time.Duration) (*stun.XORMappedAddress, error) {
	key := server.String()
	m.mu.Lock()
	if m.noSTUN[key] {
		m.mu.Unlock()
		return nil, errNoSTUN
	}
	a := m.mapped[key]
	if a == nil || time.Since(a.at) > mappedLifetime {
		a = &mappedAddr{ready: make(chan struct{}), at: time.Now()}
		m.mapped[key] = a
		m.mu.Unlock()
		a.addr, a.err = m.askMapped(server, min(timeout, mappedPatience))
		close(a.ready) // a failure counts as long as an answer: who asks meanwhile need not wait again
		return a.addr, a.err
	}
	m.mu.Unlock()
	select {
	case <-a.ready:
		return a.addr, a.err
	case <-m.done:
		return nil, net.ErrClosed
	}
}

// reachesUDP says whether a server answered over UDP just now, on the network that
// the socket is on.
func (m *stunMux) reachesUDP() bool {
	return time.Since(time.Unix(0, m.answered.Load())) < answerHolds
}

// askMapped sends a binding request until it is answered (RFC 8489 §6.2.1).
func (m *stunMux) askMapped(server net.Addr, timeout time.Duration) (*stun.XORMappedAddress, error) {
	to, ok := server.(*net.UDPAddr)
	if !ok {
		return nil, net.InvalidAddrError("not a UDP address")
	}
	req, err := stun.Build(stun.BindingRequest, stun.TransactionID)
	if err != nil {
		return nil, err
	}
	end := time.NewTimer(timeout)
	defer end.Stop()
	for rto := 200 * time.Millisecond; ; rto *= 2 {
		answer := make(chan *net.UDPAddr, 1)
		m.expect(transactionOf(req.Raw), pendingRequest{own: answer})
		m.pc.out.WriteMsgUDP(req.Raw, nil, to)
		again := time.NewTimer(rto)
		select {
		case a := <-answer:
			again.Stop()
			m.answered.Store(time.Now().UnixNano())
			return &stun.XORMappedAddress{IP: a.IP, Port: a.Port}, nil
		case <-again.C:
		case <-end.C:
			again.Stop()
			return nil, fmt.Errorf("STUN server %s does not answer", server)
		case <-m.done:
			again.Stop()
			return nil, net.ErrClosed
		}
	}
}

// muxConn is one agent's share of the socket. Deadlines are not needed: closing wakes the reader.
type muxConn struct {
	m    *stunMux
	key  string
	in   chan datagram
	done chan struct{}
	once sync.Once
}

func (c *muxConn) put(d datagram) {
	select {
	case c.in <- d:
	default:
		c.m.pc.lost.Add(1)
	}
}

func (c *muxConn) shut() { c.once.Do(func() { close(c.done) }) }

func (c *muxConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.in:
		return copy(b, d.b), d.addr, nil
	case <-c.done:
		return 0, nil, io.EOF
	}
}

func (c *muxConn) WriteTo(b []byte, a net.Addr) (int, error) {
	to, ok := a.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not a UDP address")
	}
	if stun.IsMessage(b) {
		var t stun.MessageType
		t.ReadValue(uint16(b[0])<<8 | uint16(b[1]))
		if t.Class == stun.ClassRequest {
			c.m.expect(transactionOf(b), pendingRequest{conn: c})
		}
	}
	_, _, err := c.m.pc.out.WriteMsgUDP(b, nil, to)
	return len(b), err
}

func (c *muxConn) LocalAddr() net.Addr { return c.m.pc.UDPConn.LocalAddr() }

func (c *muxConn) Close() error {
	c.shut()
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.m.conns[c.key] == c {
		delete(c.m.conns, c.key)
	}
	return nil
}

func (c *muxConn) SetDeadline(time.Time) error      { return nil }
func (c *muxConn) SetReadDeadline(time.Time) error  { return nil }
func (c *muxConn) SetWriteDeadline(time.Time) error { return nil }
