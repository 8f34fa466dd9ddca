// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/stun"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// PathKind says how packets reach the peer.
type PathKind string

const (
	Direct PathKind = "direct"
	Relay  PathKind = "relay"
)

// Path is the pair of candidates in use.
type Path struct {
	Kind   PathKind
	Local  string // "host 192.0.2.1:4000", "srflx …", "relay …"
	Remote string
}

// Config configures NewLink. It is copied.
type Config struct {
	// ID names the link to both sides: random, at most 60 letters, digits and hyphens.
	ID string
	// Controlling: this side (the viewer) nominates the pair and dials QUIC.
	Controlling bool
	// Identity is this side's key, Peer the pin of the other's.
	Identity *Identity
	Peer     Pin
	// Servers for reflexive and relayed candidates; none: only the own networks.
	Servers []Server
	// RelayOnly leaves out every path but the relay.
	RelayOnly bool
	// OnSignal sends a signal to the other side. It must not block; what it
	// cannot send is lost.
	OnSignal func(Signal)
	// MayRestart says whether the other side can be signalled now; nil: always.
	// Without signalling a restart would throw away a path that may come back.
	MayRestart func() bool
	// OnRestart is told when the path is silent and another is looked for; nil: nobody.
	// It must not block.
	OnRestart func()
	// OnPath is told of every change of path; nil: nobody. It must not block.
	OnPath func(Path)
	// Admit decides on the controlled side whether a peer, whose key is proven by
	// now, may send requests: hello is what it gave to Connect. The returned
	// context is the base of its requests. An error that is a *Refusal reaches the peer.
	Admit func(ctx context.Context, hello []byte) (context.Context, error)
	// Handler serves the admitted peer's requests on the controlled side.
	Handler http.Handler
}

// Link is one connection to a peer. A link on a LAN (see LAN) has neither a
// Socket nor ICE: its path is the address that was dialled.
type Link struct {
	cfg   Config
	sock  *Socket
	peer  *peer
	agent *ice.Agent
	ice   *ice.Conn // set by negotiate
	// leave takes the link out of its socket's books, once, when it closes.
	leave func()

	restartMu        sync.Mutex // one restart at a time
	generation       atomic.Uint32
	remoteCandidates int // HandleSignal's
	negotiated       atomic.Bool
	paired           chan struct{} // one token: a pair was selected; full: it is there already

	gatherMu sync.Mutex
	gathered chan struct{} // closed when the agent has all its candidates

	pathMu sync.Mutex
	path   Path

	incoming chan *quic.Conn // controlled side: the connection that the peer dialled

	connMu sync.Mutex
	conn   *quic.Conn
	client *http3.ClientConn

	done      chan struct{}
	closeOnce sync.Once
	closeErr  error
	wg        sync.WaitGroup
}

const (
	codeClosed  quic.ApplicationErrorCode = 0x100 // H3_NO_ERROR (RFC 9114 §8.1)
	codeRefused quic.ApplicationErrorCode = 0x10b // H3_REQUEST_REJECTED
	// codeEnded ends a link that was admitted; its reason is a Refusal in JSON.
	codeEnded quic.ApplicationErrorCode = 0x78703270
)

// ErrPeerLost says that the peer does not answer on any path any more.
var ErrPeerLost = errors.New("the peer does not answer any more")

// ErrTLS says that the peer did not accept this side's half of the encryption: its
// key is not the one that the peer was told of.
var ErrTLS = errors.New("the peer refused the encryption")

// NewLink prepares a link: from now on the socket knows it by its ID.
func (s *Socket) NewLink(cfg Config) (*Link, error) {
	l := &Link{cfg: cfg, sock: s, done: make(chan struct{}), paired: make(chan struct{}, 1), incoming: make(chan *quic.Conn, 1)}
	agent, err := newAgent(s, cfg, l.onBindingRequest)
	if err != nil {
		return nil, fmt.Errorf("start ICE: %w", err)
	}
	l.agent = agent
	l.peer = s.pc.addPeer()
	l.leave = func() {
		s.unregister(l)
		agent.Close()
		s.pc.removePeer(l.peer)
	}
	if err := s.register(l); err != nil {
		s.pc.removePeer(l.peer)
		return nil, errors.Join(err, agent.Close())
	}
	err = errors.Join(
		agent.OnCandidate(l.onCandidate),
		agent.OnConnectionStateChange(l.onState),
		agent.OnSelectedCandidatePairChange(func(ice.Candidate, ice.Candidate) { l.followPair() }),
	)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// serverName is the link's TLS server name.
func (l *Link) serverName() string { return "l-" + l.cfg.ID }

// registryKey keeps the two ends of a link apart where both are in one process.
func (l *Link) registryKey() string {
	if l.cfg.Controlling {
		return "dial " + l.serverName()
	}
	return l.serverName()
}

func (l *Link) onState(s ice.ConnectionState) {
	switch s {
	case ice.ConnectionStateConnected:
		select {
		case l.paired <- struct{}{}:
		default:
		}
	case ice.ConnectionStateDisconnected:
		if l.cfg.MayRestart == nil || l.cfg.MayRestart() {
			if l.cfg.OnRestart != nil {
				l.cfg.OnRestart()
			}
			l.wg.Go(func() { // not in the agent's own goroutine: it may have to wait for candidates
				if err := l.Restart(); err != nil {
					l.sock.log.Debug("ICE restart", "link", l.cfg.ID, "err", err)
				}
			})
		}
	case ice.ConnectionStateFailed:
		go l.close(ErrPeerLost) // not from the agent's own goroutine, which Close waits for
	}
}

// Connect finds a path, joins the peer by QUIC and, on the controlling side,
// is admitted with hello; its error is a *Refusal when the peer said no. On the
// controlled side it returns when the peer's connection stands; its requests
// are served until the link closes. remote is the other side's description.
func (l *Link) Connect(ctx context.Context, remote Signal, hello []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // a link that is closed meanwhile must not be waited for
		select {
		case <-l.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := l.negotiate(ctx, remote)
	if err == nil {
		if l.cfg.Controlling {
			err = l.dial(ctx, hello)
		} else {
			err = l.serve(ctx)
		}
	}
	if err != nil {
		// What ended the connection says more than what that did to the request. But a
		// refusal came over it while it stood.
		if cause := l.Err(); cause != nil && !errors.Is(cause, net.ErrClosed) && !errors.As(err, new(*Refusal)) {
			err = cause
		}
		l.close(err)
		return err
	}
	return nil
}

func (l *Link) dial(ctx context.Context, hello []byte) error {
	cfg := tlsConfig(l.cfg.Identity, l.cfg.Peer)
	cfg.ServerName = l.serverName()
	c, err := l.sock.tr.Dial(ctx, l.peer.virtual, cfg, quicConfig())
	if err != nil {
		return fmt.Errorf("join the peer: %w", pinError(err))
	}
	client := (&http3.Transport{DisableCompression: true}).NewClientConn(c)
	if err := l.adopt(c, client); err != nil {
		return err
	}
	return l.sayHello(ctx, hello)
}

// pinError unwraps the TLS alert that a failed pin becomes on the way through QUIC.
func pinError(err error) error {
	var te *quic.TransportError
	if errors.As(err, &te) && te.ErrorCode.IsCryptoError() && !te.Remote {
		return errors.Join(ErrPin, err)
	}
	return err
}

func (l *Link) serve(ctx context.Context) error {
	select {
	case c := <-l.incoming:
		return l.serveConn(c)
	case <-ctx.Done():
		return fmt.Errorf("the peer did not connect: %w", context.Cause(ctx))
	}
}

// serveConn makes c, which the peer dialled, the link's connection and serves it.
func (l *Link) serveConn(c *quic.Conn) error {
	if err := l.adopt(c, nil); err != nil {
		return err
	}
	g := &gate{link: l, open: make(chan struct{})}
	srv := &http3.Server{Handler: g, MaxHeaderBytes: maxHeaderBytes}
	l.wg.Add(2)
	go func() {
		defer l.wg.Done()
		srv.ServeQUICConn(c) // until the connection ends; adopt reports why it did
		srv.Close()
	}()
	go func() {
		defer l.wg.Done()
		g.expectHello()
	}()
	return nil
}

// accepted takes the connection that the peer dialled; false when there is one already.
func (l *Link) accepted(c *quic.Conn) bool {
	select {
	case l.incoming <- c:
		return true
	default:
		return false
	}
}

// adopt makes c the link's connection and watches it.
func (l *Link) adopt(c *quic.Conn, client *http3.ClientConn) error {
	l.connMu.Lock()
	defer l.connMu.Unlock()
	select {
	case <-l.done:
		c.CloseWithError(codeClosed, "")
		return net.ErrClosed
	default:
	}
	l.conn, l.client = c, client
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		select {
		case <-c.Context().Done():
			go l.close(connError(context.Cause(c.Context())))
		case <-l.done:
		}
	}()
	return nil
}

// connError says in our words why a QUIC connection ended. quic-go's own errors count as
// net.ErrClosed, which here means that this side closed the link: they stay text.
func connError(err error) error {
	var app *quic.ApplicationError
	var idle *quic.IdleTimeoutError
	var transport *quic.TransportError
	switch {
	case errors.As(err, &app) && app.Remote && app.ErrorCode == codeEnded:
		return readRefusal(app.ErrorMessage)
	case errors.As(err, &app) && app.Remote:
		return fmt.Errorf("the peer closed the link: %v", err)
	case errors.As(err, &transport) && transport.Remote && transport.ErrorCode.IsCryptoError():
		return fmt.Errorf("%w: %v", ErrTLS, err)
	case errors.As(err, &idle):
		return fmt.Errorf("%w: %v", ErrPeerLost, err)
	}
	return errors.New(err.Error())
}

// RoundTrip sends a request to the peer: a Link is an http.RoundTripper.
// The request's host is ignored.
func (l *Link) RoundTrip(req *http.Request) (*http.Response, error) {
	l.connMu.Lock()
	c, client := l.conn, l.client
	l.connMu.Unlock()
	if client == nil {
		return nil, fmt.Errorf("link: %w", net.ErrClosed)
	}
	res, err := client.RoundTrip(req)
	if err != nil {
		// A connection that ends fails its requests a moment before it says so. Who asks
		// Err then shall know.
		t := time.NewTimer(endingGrace)
		defer t.Stop()
		select {
		case <-c.Context().Done():
		case <-req.Context().Done():
		case <-t.C:
		}
	}
	return res, err
}

const endingGrace = 50 * time.Millisecond

// ID names the link to both sides; on a LAN, to this side alone.
func (l *Link) ID() string { return l.cfg.ID }

// Path is the path in use; the zero Path before there is one.
func (l *Link) Path() Path {
	l.pathMu.Lock()
	defer l.pathMu.Unlock()
	return l.path
}

// Stats are the link's counters since it stands.
type Stats struct {
	RTT                      time.Duration // smoothed
	BytesSent, BytesReceived uint64        // QUIC packets, retransmissions included
	PacketsSent, PacketsLost uint64
}

// Stats reads the counters.
func (l *Link) Stats() Stats {
	l.connMu.Lock()
	c := l.conn
	l.connMu.Unlock()
	if c == nil {
		return Stats{}
	}
	s := c.ConnectionStats()
	return Stats{RTT: s.SmoothedRTT, BytesSent: s.BytesSent, BytesReceived: s.BytesReceived, PacketsSent: s.PacketsSent, PacketsLost: s.PacketsLost}
}

// Done is closed when the link is.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err says why the link closed or is about to, its connection being lost: nil while it
// stands, net.ErrClosed after Close.
func (l *Link) Err() error {
	select {
	case <-l.done:
		return l.closeErr
	default:
	}
	l.connMu.Lock()
	c := l.conn
	l.connMu.Unlock()
	if c != nil && c.Context().Err() != nil {
		return connError(context.Cause(c.Context()))
	}
	return nil
}

// Close ends the link and waits for its goroutines.
func (l *Link) Close() error {
	l.close(fmt.Errorf("link: %w", net.ErrClosed))
	l.wg.Wait()
	return nil
}

// End closes the link and tells the peer why; the peer's Err is a *Refusal.
// It does not wait for the link's goroutines: Close does.
func (l *Link) End(r *Refusal) { l.close(r) }

func (l *Link) close(cause error) {
	l.closeOnce.Do(func() {
		l.connMu.Lock()
		l.closeErr = cause
		close(l.done)
		c := l.conn
		l.connMu.Unlock()
		if c != nil {
			code, reason := closeReason(cause)
			c.CloseWithError(code, reason)
		}
		select {
		case c := <-l.incoming:
			c.CloseWithError(codeRefused, "")
		default:
		}
		l.leave()
	})
}

// bindingHandler adapts onBindingRequest to pion.
func bindingHandler(f func(local, remote ice.Candidate)) func(*stun.Message, ice.Candidate, ice.Candidate, *ice.CandidatePair) bool {
	return func(_ *stun.Message, local, remote ice.Candidate, _ *ice.CandidatePair) bool {
		f(local, remote)
		return false // never switches pairs by itself
	}
}
