// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"github.com/quic-go/quic-go"
)

// SocketConfig configures Listen. It is copied.
type SocketConfig struct {
	// Bind is the local address; the zero value means every address of the
	// machine, IPv6 too where it has it. A loopback address makes links that stay
	// on this machine.
	Bind netip.Addr
	// Port is the UDP port; 0: any free one.
	Port uint16
	// Impair wraps the sending side of the socket in tests; nil: the socket itself.
	Impair func(*net.UDPConn) Impairment
	// Logger; nil: discarded.
	Logger *slog.Logger
}

// Impairment is a network for tests in place of the real sending side.
type Impairment interface {
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
	Close() error
}

// Socket is the one UDP socket of a process, with QUIC and ICE on it.
type Socket struct {
	udp    *net.UDPConn
	pc     *packetConn
	mux    *stunMux
	tr     *quic.Transport
	ln     *quic.Listener
	impair Impairment
	log    *slog.Logger
	stop   context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	links  map[string]*Link // by name; both roles
	closed bool
	// interfaces is the machine's as they were looked at last.
	interfaces string
}

// ErrSocketClosed unwraps to net.ErrClosed.
var ErrSocketClosed = fmt.Errorf("link socket: %w", net.ErrClosed)

// Listen opens the socket.
func Listen(cfg SocketConfig) (*Socket, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	udp, err := listenUDP(cfg)
	if err != nil {
		return nil, fmt.Errorf("open UDP socket: %w", err)
	}
	s := &Socket{udp: udp, pc: newPacketConn(udp), log: cfg.Logger, links: map[string]*Link{}, interfaces: interfaces()}
	if cfg.Impair != nil {
		s.impair = cfg.Impair(udp)
		s.pc.out = s.impair
	}
	s.mux = newSTUNMux(s.pc, hostAddrs(udp))
	s.tr = &quic.Transport{Conn: s.pc}
	if s.ln, err = s.tr.Listen(s.serverTLS(), quicConfig()); err != nil {
		return nil, errors.Join(fmt.Errorf("start QUIC: %w", err), s.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.wg.Add(1)
	go s.accept(ctx)
	return s, nil
}

func listenUDP(cfg SocketConfig) (*net.UDPConn, error) {
	if cfg.Bind.IsValid() {
		network := "udp"
		if cfg.Bind.Is4() { // else 0.0.0.0 would mean IPv6 too
			network = "udp4"
		}
		return net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(cfg.Bind, cfg.Port)))
	}
	u, err := net.ListenUDP("udp", &net.UDPAddr{Port: int(cfg.Port)})
	if err != nil { // no IPv6 here
		u, err = net.ListenUDP("udp4", &net.UDPAddr{Port: int(cfg.Port)})
	}
	return u, err
}

// hostAddrs lists the addresses at which the socket can be reached on its own networks.
func hostAddrs(u *net.UDPConn) []net.Addr {
	local := u.LocalAddr().(*net.UDPAddr)
	if !local.IP.IsUnspecified() {
		return []net.Addr{local}
	}
	var addrs []net.Addr
	ifaces, _ := net.Interfaces()
	for _, i := range ifaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		as, _ := i.Addrs()
		for _, a := range as {
			n, ok := a.(*net.IPNet)
			if !ok || !n.IP.IsGlobalUnicast() {
				continue
			}
			ip := n.IP
			if ip4 := ip.To4(); ip4 != nil {
				ip = ip4
			}
			addrs = append(addrs, &net.UDPAddr{IP: ip, Port: local.Port})
		}
	}
	if len(addrs) == 0 { // a machine without a network can still talk to itself
		addrs = []net.Addr{&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: local.Port}}
	}
	return addrs
}

// LocalAddr is the socket's own address.
func (s *Socket) LocalAddr() *net.UDPAddr { return s.udp.LocalAddr().(*net.UDPAddr) }

// serverTLS finds the link that a connection belongs to by its server name and
// pins the key that the link expects.
func (s *Socket) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(ch *tls.ClientHelloInfo) (*tls.Config, error) {
			l := s.link(ch.ServerName)
			if l == nil || l.cfg.Controlling {
				return nil, errUnknownLink
			}
			return tlsConfig(l.cfg.Identity, l.cfg.Peer), nil
		},
	}
}

func (s *Socket) accept(ctx context.Context) {
	defer s.wg.Done()
	for {
		c, err := s.ln.Accept(ctx)
		if err != nil {
			return
		}
		l := s.link(c.ConnectionState().TLS.ServerName)
		if l == nil || !l.accepted(c) {
			c.CloseWithError(codeRefused, "")
		}
	}
}

func (s *Socket) link(name string) *Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.links[name]
}

func (s *Socket) register(l *Link) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrSocketClosed
	}
	key := l.registryKey()
	if s.links[key] != nil {
		return fmt.Errorf("link %s exists already", key)
	}
	s.links[key] = l
	return nil
}

func (s *Socket) unregister(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := l.registryKey(); s.links[key] == l {
		delete(s.links, key)
	}
}

// Close closes every link and the socket, and waits until both are done.
func (s *Socket) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	links := make([]*Link, 0, len(s.links))
	for _, l := range s.links {
		links = append(links, l)
	}
	s.mu.Unlock()
	for _, l := range links {
		l.Close()
	}
	if s.stop != nil {
		s.stop()
	}
	var err error
	if s.ln != nil {
		err = s.ln.Close()
	}
	err = errors.Join(err, s.tr.Close(), s.mux.Close())
	if s.impair != nil {
		err = errors.Join(err, s.impair.Close())
	}
	err = errors.Join(err, s.udp.Close())
	s.wg.Wait()
	return err
}
