// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/stun"
)

// Signal is one message that the two sides of a link exchange through the
// rendezvous while they look for a path: credentials (RFC 8445 §5.3) or one
// candidate (§5.1, in the form of RFC 8839 §5.1 without "candidate:").
// Messages of one side must arrive in order; a lost one costs a path, not the link.
type Signal struct {
	// Generation counts ICE restarts; what belongs to an older one is ignored.
	Generation uint32 `json:"gen"`
	Ufrag      string `json:"ufrag,omitempty"`
	Password   string `json:"pwd,omitempty"`
	Candidate  string `json:"cand,omitempty"`
}

// Server is a STUN or TURN server (RFC 7064, RFC 7065).
type Server struct {
	URL      string // "stun:HOST:PORT", "turn:HOST:PORT?transport=udp"
	Username string
	Password string
}

func (s Server) uri() (*stun.URI, error) {
	u, err := stun.ParseURI(s.URL)
	if err != nil {
		return nil, fmt.Errorf("ICE server %q: %w", s.URL, err)
	}
	u.Username, u.Password = s.Username, s.Password
	return u, nil
}

const (
	iceCheckInterval = 20 * time.Millisecond  // RFC 8445 §14.2 allows 5 ms and more
	iceKeepalive     = 500 * time.Millisecond // keeps NAT bindings and tells soon that a path died
	iceDisconnected  = 2 * time.Second        // then an ICE restart
	iceFailed        = 5 * time.Second        // then the link is given up
	// A relay answers before a hole is punched more often than not; it waits for
	// direct paths this long before it may be chosen.
	relayHeadStart = 250 * time.Millisecond
)

func newAgent(s *Socket, cfg Config, onRequest func(local, remote ice.Candidate)) (*ice.Agent, error) {
	urls := make([]*stun.URI, 0, len(cfg.Servers))
	for _, srv := range cfg.Servers {
		u, err := srv.uri()
		if err != nil {
			return nil, err
		}
		if u.Proto == stun.ProtoTypeTCP {
			if s.mux.reachesUDP() {
				continue // each allocation costs both sides memory; this one is for networks without UDP
			}
			s.mux.skipSTUN(u.Host, u.Port)
		}
		urls = append(urls, u)
	}
	now, relay := time.Duration(0), relayHeadStart
	disconnected, failed, keepalive, check := iceDisconnected, iceFailed, iceKeepalive, iceCheckInterval
	maxChecks := uint16((iceDisconnected + iceFailed) / iceCheckInterval)
	types := []ice.CandidateType{ice.CandidateTypeHost, ice.CandidateTypeServerReflexive, ice.CandidateTypeRelay}
	if cfg.RelayOnly {
		types, relay = types[2:], 0
	}
	return ice.NewAgent(&ice.AgentConfig{
		Urls:                   urls,
		NetworkTypes:           networkTypes(s.mux.GetListenAddresses()),
		CandidateTypes:         types,
		MulticastDNSMode:       ice.MulticastDNSModeDisabled,
		UDPMux:                 s.mux,
		UDPMuxSrflx:            s.mux,
		HostAcceptanceMinWait:  &now,
		SrflxAcceptanceMinWait: &now,
		PrflxAcceptanceMinWait: &now,
		RelayAcceptanceMinWait: &relay,
		CheckInterval:          &check,
		KeepaliveInterval:      &keepalive,
		DisconnectedTimeout:    &disconnected,
		FailedTimeout:          &failed,
		MaxBindingRequests:     &maxChecks,
		BindingRequestHandler:  bindingHandler(onRequest),
		LoggerFactory:          iceLog{s.log},
	})
}

func networkTypes(addrs []net.Addr) []ice.NetworkType {
	var v4, v6 bool
	for _, a := range addrs {
		if a.(*net.UDPAddr).IP.To4() != nil {
			v4 = true
		} else {
			v6 = true
		}
	}
	var ts []ice.NetworkType
	if v4 {
		ts = append(ts, ice.NetworkTypeUDP4)
	}
	if v6 {
		ts = append(ts, ice.NetworkTypeUDP6)
	}
	return ts
}

// gather starts to look for candidates; each is sent as it is found.
func (l *Link) gather() error {
	l.gatherMu.Lock()
	l.gathered = make(chan struct{})
	l.gatherMu.Unlock()
	err := l.agent.GatherCandidates()
	if err != nil {
		l.hasGathered()
	}
	return err
}

func (l *Link) hasGathered() {
	l.gatherMu.Lock()
	defer l.gatherMu.Unlock()
	select {
	case <-l.gathered:
	default:
		close(l.gathered)
	}
}

// gatherPatience is more than servers are waited for.
const gatherPatience = 10 * time.Second

// awaitGathered waits until the agent has its candidates. pion reads the credentials while
// it gathers, and a restart would change them; the end of the old gathering would stop
// the new one.
func (l *Link) awaitGathered(ctx context.Context) error {
	l.gatherMu.Lock()
	gathered := l.gathered
	l.gatherMu.Unlock()
	if gathered == nil {
		return nil
	}
	t := time.NewTimer(gatherPatience)
	defer t.Stop()
	select {
	case <-gathered:
		return nil
	case <-t.C:
		return errors.New("ICE does not end to gather candidates")
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.done:
		return fmt.Errorf("link: %w", net.ErrClosed)
	}
}

func (l *Link) onCandidate(c ice.Candidate) {
	if c == nil { // that is all; the other side need not know
		l.hasGathered()
		return
	}
	l.cfg.OnSignal(Signal{Generation: l.generation.Load(), Candidate: c.Marshal()})
}

// LocalDescription is what the other side must know before Connect: this side's credentials.
func (l *Link) LocalDescription() (Signal, error) {
	ufrag, pwd, err := l.agent.GetLocalUserCredentials()
	if err != nil {
		return Signal{}, err
	}
	return Signal{Generation: l.generation.Load(), Ufrag: ufrag, Password: pwd}, nil
}

// maxCandidates bounds what a peer may make us check in one generation.
const maxCandidates = 64

// HandleSignal takes what the other side sent after its description.
// Calls for one link must not overlap.
func (l *Link) HandleSignal(sig Signal) error {
	gen := l.generation.Load()
	switch {
	case sig.Generation < gen:
		return nil // of before a restart
	case sig.Ufrag != "":
		return l.handleRestart(sig, gen)
	case sig.Generation > gen:
		return errors.New("candidate of an ICE generation that was not announced")
	case sig.Candidate != "":
		if l.remoteCandidates++; l.remoteCandidates > maxCandidates {
			return errors.New("too many candidates")
		}
		c, err := ice.UnmarshalCandidate(sig.Candidate)
		if err != nil {
			return fmt.Errorf("candidate: %w", err)
		}
		return l.agent.AddRemoteCandidate(c)
	}
	return nil
}

// handleRestart: the controlling side began a new generation (RFC 8445 §9), or
// the controlled side answers ours.
func (l *Link) handleRestart(sig Signal, gen uint32) error {
	l.remoteCandidates = 0
	if l.cfg.Controlling {
		if sig.Generation != gen || gen == 0 {
			return errors.New("ICE credentials that nobody asked for")
		}
		return l.agent.SetRemoteCredentials(sig.Ufrag, sig.Password)
	}
	if sig.Generation <= gen {
		return nil
	}
	if err := l.awaitGathered(context.Background()); err != nil {
		return err
	}
	l.generation.Store(sig.Generation)
	if err := l.agent.Restart("", ""); err != nil {
		return err
	}
	if err := l.agent.SetRemoteCredentials(sig.Ufrag, sig.Password); err != nil {
		return err
	}
	d, err := l.LocalDescription()
	if err != nil {
		return err
	}
	l.cfg.OnSignal(d)
	return l.gather()
}

// Restart looks for a path anew while the connection stands (RFC 8445 §9).
// Only the controlling side begins one; elsewhere it does nothing.
func (l *Link) Restart() error { return l.restart(context.Background()) }

func (l *Link) restart(ctx context.Context) error {
	if !l.cfg.Controlling || l.agent == nil { // on a LAN there is no other path
		return nil
	}
	l.restartMu.Lock()
	defer l.restartMu.Unlock()
	if err := l.awaitGathered(ctx); err != nil {
		return err
	}
	l.generation.Add(1)
	if err := l.agent.Restart("", ""); err != nil {
		return err
	}
	d, err := l.LocalDescription()
	if err != nil {
		return err
	}
	l.cfg.OnSignal(d)
	return l.gather()
}

// Renew restarts ICE and waits for a path. A link for which none is found until the
// deadline of ctx is of no use any more: it closes with ErrPeerLost, which is also Renew's
// error. Where ctx is cancelled before, it is left to who did that.
func (l *Link) Renew(ctx context.Context) error {
	if l.agent == nil { // on the LAN there is one path
		return l.Err()
	}
	select {
	case <-l.paired: // of an earlier negotiation
	default:
	}
	err := l.restart(ctx)
	for err == nil {
		select {
		case <-l.paired:
			// A restart leaves the agent without a pair, so that one which is there is new.
			if pair, e := l.agent.GetSelectedCandidatePair(); e == nil && pair != nil {
				return nil
			}
		case <-l.done:
			return l.Err()
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	err = fmt.Errorf("%w: no path after a restart: %w", ErrPeerLost, err)
	l.close(err)
	return l.Err()
}

// negotiate waits for the first path.
func (l *Link) negotiate(ctx context.Context, remote Signal) error {
	if err := l.gather(); err != nil {
		return err
	}
	var err error
	if l.cfg.Controlling {
		l.ice, err = l.agent.Dial(ctx, remote.Ufrag, remote.Password)
	} else {
		l.ice, err = l.agent.Accept(ctx, remote.Ufrag, remote.Password)
	}
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("no path to the peer was found: %w", context.Cause(ctx))
		}
		return fmt.Errorf("no path to the peer was found: %w", err)
	}
	l.negotiated.Store(true)
	l.followPair()
	l.wg.Add(1)
	go l.pump()
	return nil
}

// followPair makes the pair that ICE selected the link's route. Before the
// first negotiation is through, negotiate does it.
func (l *Link) followPair() {
	if !l.negotiated.Load() {
		return
	}
	l.pathMu.Lock()
	changed := l.followPairLocked()
	p := l.path
	l.pathMu.Unlock()
	if changed && l.cfg.OnPath != nil {
		l.cfg.OnPath(p)
	}
}

func (l *Link) followPairLocked() (changed bool) {
	pair, err := l.agent.GetSelectedCandidatePair()
	if err != nil || pair == nil {
		return false // in the middle of a restart: the old route stays until a new pair is found
	}
	local, remote := pair.Local, pair.Remote
	to := candidateAddr(remote)
	if to == nil {
		return false
	}
	p := Path{Kind: Direct, Local: describe(local), Remote: describe(remote)}
	if local.Type() == ice.CandidateTypeRelay || remote.Type() == ice.CandidateTypeRelay {
		p.Kind = Relay
	}
	if local.Type() == ice.CandidateTypeRelay {
		l.peer.setRoute(&relayRoute{l.ice})
	} else {
		l.sock.pc.learn(l.peer, to)
		l.peer.setRoute(&directRoute{l.sock.pc.out, to})
	}
	changed = l.path != p
	l.path = p
	return changed
}

// onBindingRequest runs inside the agent for every request that passed its
// integrity check: whoever sent it is the peer. QUIC's first packet may come
// right behind, before the pair is reported, and must not be dropped.
func (l *Link) onBindingRequest(local, remote ice.Candidate) {
	if local.Type() == ice.CandidateTypeRelay {
		return
	}
	to := candidateAddr(remote)
	if to == nil {
		return
	}
	l.sock.pc.learn(l.peer, to)
	if l.peer.route.Load() == nil {
		l.peer.setRoute(&directRoute{l.sock.pc.out, to})
	}
}

// pump moves what comes through relays into QUIC.
func (l *Link) pump() {
	defer l.wg.Done()
	for {
		b := make([]byte, 1500)
		n, err := l.ice.Read(b)
		if err != nil {
			return
		}
		if n > 0 && b[0] >= 64 {
			l.sock.pc.inject(l.peer, b[:n])
		}
	}
}

func candidateAddr(c ice.Candidate) *net.UDPAddr {
	ip := net.ParseIP(c.Address())
	if ip == nil {
		return nil
	}
	if ip4 := ip.To4(); ip4 != nil {
		ip = ip4
	}
	return &net.UDPAddr{IP: ip, Port: c.Port()}
}

func describe(c ice.Candidate) string {
	return strings.Join([]string{c.Type().String(), net.JoinHostPort(c.Address(), strconv.Itoa(c.Port()))}, " ")
}
