// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// LANConfig configures ListenLAN. It is copied.
type LANConfig struct {
	// Bind is the local address; the zero value: any free port of every address.
	Bind netip.AddrPort
	// Serve makes this the side that is dialled; nil: it only dials.
	Serve *LANService
	// Logger; nil: discarded.
	Logger *slog.Logger
}

// LANService is what peers that dial find.
type LANService struct {
	// Identity is this side's key, which dialling peers pin.
	Identity *Identity
	// Admit decides on a peer whose key is proven to be viewer: hello is what it
	// gave to DialLAN. The rest is as in Config.Admit.
	Admit func(ctx context.Context, l *Link, viewer Pin, hello []byte) (context.Context, error)
	// Handler serves the admitted peers' requests.
	Handler http.Handler
	// MaxLinks that are admitted at once; 0: 64. The next one is refused.
	MaxLinks int
}

// LAN is a UDP socket for links on the own network: a peer's address is known,
// so there is neither a rendezvous nor ICE, and QUIC has the socket to itself.
// Who dials pins the other's key, as on every link. Who is dialled takes any
// key, and lets the hello decide: the xp2pInfo may name the one key that may use it.
//
// Strangers are kept at a distance: an address is validated before a handshake
// begins (Retry, RFC 9000 §8.1.2), few handshakes may be under way at once and
// fewer from one host, and without a hello that is accepted a connection ends.
type LAN struct {
	udp *net.UDPConn
	tr  *quic.Transport
	ln  *quic.Listener // nil where this side only dials
	cfg LANConfig
	log *slog.Logger

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex // guards all below
	links  map[*Link]struct{}
	door   door
	closed bool
}

const (
	// lanServerName is what a peer on the LAN asks for by TLS; links through the
	// rendezvous have random names.
	lanServerName = "lan.xp2p"
	// lanIdleTimeout: no ICE tells that a peer on the LAN is gone, so QUIC must, soon.
	lanIdleTimeout     = 8 * time.Second
	defaultMaxLANLinks = 64
)

// ErrBusy says that a peer takes no more connections now.
var ErrBusy = errors.New("too many connections")

// ListenLAN opens a socket for links on the LAN.
func ListenLAN(cfg LANConfig) (*LAN, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	udp, err := listenUDP(SocketConfig{Bind: cfg.Bind.Addr(), Port: cfg.Bind.Port()})
	if err != nil {
		return nil, fmt.Errorf("open UDP socket for the LAN: %w", err)
	}
	n := &LAN{udp: udp, cfg: cfg, log: cfg.Logger, links: map[*Link]struct{}{}}
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.tr = &quic.Transport{Conn: udp}
	if cfg.Serve == nil {
		return n, nil
	}
	n.door = door{maxLinks: cfg.Serve.MaxLinks, pending: map[netip.Addr]int{}}
	if n.door.maxLinks == 0 {
		n.door.maxLinks = defaultMaxLANLinks
	}
	n.tr.VerifySourceAddress = func(net.Addr) bool { return true }
	n.tr.ConnContext = n.knock
	if n.ln, err = n.tr.Listen(n.serverTLS(), lanQUICConfig()); err != nil {
		return nil, errors.Join(fmt.Errorf("start QUIC on the LAN: %w", err), n.Close())
	}
	n.wg.Add(1)
	go n.accept()
	return n, nil
}

// lanQUICConfig: the path never becomes a relay, so its packet size may be probed.
func lanQUICConfig() *quic.Config {
	c := quicConfig()
	c.DisablePathMTUDiscovery = false
	c.MaxIdleTimeout = lanIdleTimeout
	return c
}

// LocalAddr is the socket's own address.
func (n *LAN) LocalAddr() *net.UDPAddr { return n.udp.LocalAddr().(*net.UDPAddr) }

func (n *LAN) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(ch *tls.ClientHelloInfo) (*tls.Config, error) {
			if ch.ServerName != lanServerName {
				return nil, errUnknownLink
			}
			return anyPeerTLS(n.cfg.Serve.Identity), nil
		},
	}
}

func (n *LAN) accept() {
	defer n.wg.Done()
	for {
		c, err := n.ln.Accept(n.ctx)
		if err != nil {
			return
		}
		if err := n.welcome(c); err != nil {
			n.log.Debug("connection on the LAN refused", "from", c.RemoteAddr(), "err", err)
			c.CloseWithError(codeRefused, "")
		}
	}
}

// welcome makes a link of a connection whose handshake is done.
func (n *LAN) welcome(c *quic.Conn) error {
	s := n.cfg.Serve
	pin, err := peerPin(c.ConnectionState().TLS)
	if err != nil {
		return err
	}
	g, _ := c.Context().Value(guestKey{}).(*guest)
	if g == nil {
		return errors.New("it did not come through the door")
	}
	l := &Link{done: make(chan struct{}), path: lanPath(c)}
	l.cfg = Config{ID: NewID(), Identity: s.Identity, Peer: pin, Handler: s.Handler,
		Admit: func(ctx context.Context, hello []byte) (context.Context, error) {
			ctx, err := s.Admit(ctx, l, pin, hello)
			if err == nil && !g.admit() {
				err = &Refusal{Code: codeStreamFailed, Reason: "the camera is busy: " + ErrBusy.Error()}
			}
			return ctx, err
		}}
	if err := n.enlist(l); err != nil {
		return err
	}
	if err := l.serveConn(c); err != nil {
		l.close(err)
		return err
	}
	return nil
}

// codeStreamFailed is the X-P2P code for a peer that cannot serve now (reference/xp2p.md §2).
const codeStreamFailed = -2402

// enlist puts a link into the books until it closes.
func (n *LAN) enlist(l *Link) error {
	l.leave = func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.links, l)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ErrSocketClosed
	}
	n.links[l] = struct{}{}
	return nil
}

// DialLAN joins the peer at addr, whose key must have the pin, and is admitted
// with hello; its error is a *Refusal when the peer said no, wraps ErrPin where
// another key answers, and ErrPeerLost where nobody does.
func (n *LAN) DialLAN(ctx context.Context, addr netip.AddrPort, id *Identity, pin Pin, hello []byte) (*Link, error) {
	cfg := tlsConfig(id, pin)
	cfg.ServerName = lanServerName
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()))
	c, err := n.tr.Dial(ctx, to, cfg, lanQUICConfig())
	if err != nil {
		return nil, lanDialError(addr, err)
	}
	l := &Link{cfg: Config{ID: NewID(), Controlling: true, Identity: id, Peer: pin},
		done: make(chan struct{}), path: lanPath(c)}
	if err := n.enlist(l); err != nil {
		c.CloseWithError(codeClosed, "")
		return nil, err
	}
	err = l.adopt(c, (&http3.Transport{DisableCompression: true}).NewClientConn(c))
	if err == nil {
		err = l.sayHello(ctx, hello)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func lanDialError(addr netip.AddrPort, err error) error {
	var te *quic.TransportError
	var idle *quic.IdleTimeoutError
	var handshake *quic.HandshakeTimeoutError
	switch {
	case errors.As(err, &te) && te.Remote && te.ErrorCode == quic.ConnectionRefused:
		return fmt.Errorf("the camera at %s refuses the connection for now: %w", addr, ErrBusy)
	case errors.As(err, &idle), errors.As(err, &handshake), errors.Is(err, context.DeadlineExceeded):
		return errors.Join(fmt.Errorf("no camera answers at %s on the LAN (was it started with --lan, and is the port its own?)", addr), ErrPeerLost)
	}
	return fmt.Errorf("join the peer at %s: %w", addr, pinError(err))
}

// lanPath describes the one path that a link on the LAN has.
func lanPath(c *quic.Conn) Path {
	return Path{Kind: Direct, Local: "host " + c.LocalAddr().String(), Remote: "host " + c.RemoteAddr().String()}
}

// Close closes every link and the socket, and waits until both are done.
func (n *LAN) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	links := make([]*Link, 0, len(n.links))
	for l := range n.links {
		links = append(links, l)
	}
	n.mu.Unlock()
	for _, l := range links {
		l.Close()
	}
	n.stop()
	var err error
	if n.ln != nil {
		err = n.ln.Close()
	}
	err = errors.Join(err, n.tr.Close(), n.udp.Close())
	n.wg.Wait()
	return err
}
