// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/rendezvous"
)

// Service is a connection to one camera. When its link breaks, the event disconnect
// says so, what went over it ends, and the service joins the camera again by itself
// until it is closed: each attempt is an event reconnecting, success is connected. A
// request meanwhile tries at once.
type Service struct {
	m      *Module
	id     string
	grant  *grant.Grant
	info   string  // the xp2pInfo
	params string  // of the stream, where StartStream gets none
	lan    *viaLAN // nil: through the rendezvous
	// domain and codeURL are StreamInfo.LiveStreamDomain and CodeURL.
	domain, codeURL string
	events          *eventQueue
	log             *slog.Logger

	kick chan struct{} // one token: a rejoiner that waits shall try now

	// connecting has one token: whoever holds it connects, others wait for it.
	connecting chan struct{}
	life       context.Context // ends with Close
	end        context.CancelFunc
	closeOnce  sync.Once
	wg         sync.WaitGroup

	mu         sync.Mutex
	link       *link.Link
	many       *many // the stream is one of many viewers'; nil: the camera's
	stream     *Stream
	voice      *Voice
	downloads  map[string]*Download // by channel and file
	messages   listener
	recovering bool // somebody sees to a new link
	attempts   int  // to join, since a link that was good
	closed     bool
}

func newService(m *Module, id string, info StreamInfo, g *grant.Grant, params string) *Service {
	s := &Service{m: m, id: id, grant: g, params: params, domain: info.LiveStreamDomain, codeURL: info.CodeURL, connecting: make(chan struct{}, 1), kick: make(chan struct{}, 1),
		downloads: map[string]*Download{}}
	s.life, s.end = context.WithCancel(context.Background())
	if s.info = info.XP2PInfo; s.info == "" && g != nil {
		u, _ := ParseURL(info.URL) // resolve has read it before
		s.info = u.XP2PInfo
	}
	s.events = newEventQueue(id, m.cfg.Logger, m.cfg.Events, info.Events)
	s.log = teeLogs(m.cfg.Logger, m.cfg.LogEvents, s.events.line).With("service", id)
	s.messages.set(info.OnMessage, info.Levels)
	return s
}

// ID is the caller's id of the service.
func (s *Service) ID() string { return s.id }

// Camera is the camera's product and name; both are empty for a 1vN stream.
func (s *Service) Camera() (product, device string) {
	if s.grant == nil {
		return "", ""
	}
	return s.grant.Product, s.grant.Device
}

var errServiceClosed = fmt.Errorf("the service was stopped: %w", net.ErrClosed)

// connected returns the link, joining the camera first where there is none.
func (s *Service) connected(ctx context.Context, op string) (*link.Link, error) {
	if s.grant == nil {
		return nil, &Error{op, NotSupported, errNoCamera}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.m.cfg.ConnectTimeout,
		fmt.Errorf("the camera was not reached within %s", s.m.cfg.ConnectTimeout))
	defer cancel()
	select {
	case s.connecting <- struct{}{}:
		defer func() { <-s.connecting }()
	case <-ctx.Done():
		return nil, &Error{op, StreamFailed, context.Cause(ctx)}
	case <-s.life.Done():
		return nil, &Error{op, NoService, errServiceClosed}
	}
	s.mu.Lock()
	l, closed := s.link, s.closed
	s.mu.Unlock()
	if closed {
		return nil, &Error{op, NoService, errServiceClosed}
	}
	if l != nil && l.Err() == nil {
		return l, nil
	}
	stop := context.AfterFunc(s.life, cancel)
	defer stop()
	l, err := s.join(ctx)
	if err != nil {
		return nil, &Error{op, joinCode(err), err}
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		l.Close()
		return nil, &Error{op, NoService, errServiceClosed}
	}
	s.link = l
	s.wg.Add(1)
	s.mu.Unlock()
	go s.watch(l)
	p := pathDetail(l.Path())
	s.events.notify(Connected, p)
	s.log.Info("connected", "path", p.Path, "local", p.Local, "remote", p.Remote)
	s.listen()
	return l, nil
}

// RoundTrip sends a request of reference/xp2p.md §3 to the camera as it is, joining
// the camera first where there is no link: a Service is an http.RoundTripper. Any
// number of requests may be under way at once. The request's host is ignored, and
// its context bounds the whole exchange.
func (s *Service) RoundTrip(req *http.Request) (*http.Response, error) {
	l, err := s.connected(req.Context(), "request")
	if err != nil {
		return nil, err
	}
	return l.RoundTrip(req)
}

// join makes a new link to the camera.
func (s *Service) join(ctx context.Context) (*link.Link, error) {
	if err := s.grant.Check(time.Now()); err != nil {
		return nil, &Error{Code: BadXP2PInfo, Err: err}
	}
	pin, err := s.grant.Pin()
	if err != nil {
		return nil, &Error{Code: BadXP2PInfo, Err: err}
	}
	return s.way().join(ctx, s, pin)
}

func (viaRendezvous) join(ctx context.Context, s *Service, pin link.Pin) (_ *link.Link, err error) {
	if s.m.rv == nil {
		return nil, &Error{Code: BadArgument, Err: errNoRendezvous}
	}
	rv := s.m.rv
	servers, err := rv.Servers(ctx)
	if err != nil {
		return nil, err
	}
	var (
		l    *link.Link
		sent = make(chan link.Signal, 64) // what the agent finds before the offer is out
		id   = link.NewID()
		recv = make(chan link.Signal, 64)
	)
	call, err := rv.Call(id, s.grant.Product, s.grant.Device, func(b []byte) {
		var sig link.Signal
		if json.Unmarshal(b, &sig) == nil {
			select {
			case recv <- sig:
			default: // a peer that floods loses candidates
			}
		}
	})
	if err != nil {
		return nil, err
	}
	cfg := link.Config{
		ID: id, Controlling: true, Identity: s.m.id, Peer: pin, RelayOnly: s.m.cfg.RelayOnly,
		OnSignal: func(sig link.Signal) {
			select {
			case sent <- sig:
			default: // a candidate less
			}
		},
		MayRestart: rv.Connected,
		OnRestart: func() {
			s.events.notify(Reconnecting, ReconnectDetail{Reason: "nothing came from the camera for a while: looking for another path"})
		},
		OnPath: func(p link.Path) { s.events.notify(PathChanged, pathDetail(p)) },
	}
	for _, srv := range servers {
		cfg.Servers = append(cfg.Servers, link.Server(srv))
	}
	if l, err = s.m.sock.NewLink(cfg); err != nil {
		call.Close()
		return nil, err
	}
	offered := make(chan struct{})
	s.wg.Add(1)
	go s.exchange(l, call, sent, recv, offered)
	answer, err := s.offer(ctx, l, call)
	close(offered)
	if err == nil {
		err = l.Connect(ctx, answer, []byte(s.info))
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (s *Service) offer(ctx context.Context, l *link.Link, call *rendezvous.Call) (link.Signal, error) {
	desc, err := l.LocalDescription()
	if err != nil {
		return link.Signal{}, err
	}
	b, err := json.Marshal(link.Offer{Pin: s.m.id.Pin(), Description: desc})
	if err != nil {
		return link.Signal{}, err
	}
	answer, err := call.Offer(ctx, s.grant.Product, s.grant.Device, b)
	if err != nil {
		return link.Signal{}, err
	}
	return link.ParseAnswer(answer)
}

// exchange carries signals for as long as the link lives.
func (s *Service) exchange(l *link.Link, call *rendezvous.Call, sent, recv <-chan link.Signal, offered <-chan struct{}) {
	defer s.wg.Done()
	defer call.Close()
	select {
	case <-offered: // the camera knows the link now
	case <-l.Done():
		return
	}
	for {
		select {
		case sig := <-sent:
			b, err := json.Marshal(sig)
			if err == nil {
				err = call.Send(b)
			}
			if err != nil {
				s.log.Debug("send signal", "err", err)
			}
		case sig := <-recv:
			if err := l.HandleSignal(sig); err != nil {
				s.log.Debug("signal", "err", err)
			}
		case <-l.Done():
			return
		}
	}
}

// joinCode is the result code for a failure to reach the camera.
func joinCode(err error) Code {
	var coded *Error
	var refused *rendezvous.Refusal
	var hello *link.Refusal
	switch {
	case errors.As(err, &coded):
		return coded.Code
	case errors.As(err, &hello) && hello.Code != 0:
		return Code(hello.Code)
	case errors.As(err, &refused) && refused.Code != 0:
		return Code(refused.Code)
	case errors.Is(err, link.ErrTLS):
		return EncryptFailed
	case errors.Is(err, link.ErrPin):
		return BadXP2PInfo // who answers is not the camera that the xp2pInfo is for
	}
	return StreamFailed
}

func pathDetail(p link.Path) PathDetail {
	return PathDetail{Path: string(p.Kind), Local: p.Local, Remote: p.Remote}
}

// Path is how packets reach the camera now; the zero value where there is no link. Of a
// 1vN stream it is "swarm" or, where there is no swarm at its URL, "http".
func (s *Service) Path() PathDetail {
	if s.grant == nil {
		return s.manyNow().pathDetail()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil || s.link.Err() != nil {
		return PathDetail{}
	}
	return pathDetail(s.link.Path())
}

// LinkStats are the counters of the service's link since it stands.
type LinkStats struct {
	RTT                      time.Duration
	BytesSent, BytesReceived uint64
	PacketsSent, PacketsLost uint64
}

// Stats of the link; the zero value where there is none.
func (s *Service) Stats() LinkStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		return LinkStats{}
	}
	return LinkStats(s.link.Stats())
}

// Close ends the service, its stream, voice, downloads and link: the original's
// stopP2PService. It waits until all is down, callbacks too, so that it must not be
// called by one; a second call does nothing.
func (s *Service) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		l, st, v := s.link, s.stream, s.voice
		downloads := slices.Collect(maps.Values(s.downloads))
		s.mu.Unlock()
		s.end()
		if st != nil {
			st.Close()
		}
		s.endMany()
		if v != nil {
			v.Abort()
		}
		for _, d := range downloads {
			d.Close()
		}
		if l != nil {
			l.Close()
		}
		// A connection that is under way ends by life; it must be out before wg is waited for.
		s.connecting <- struct{}{}
		s.wg.Wait()
		s.m.forget(s)
		s.events.stop()
	})
	return nil
}
