// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/rendezvous"
)

// Module is a viewer: one socket, one connection to the rendezvous, any number
// of services. Several modules may live in one process.
type Module struct {
	cfg  Config
	id   *link.Identity
	sock *link.Socket
	rv   *rendezvous.Client
	log  *slog.Logger // whose lines are log events too

	events *eventQueue // of the module itself
	life   context.Context
	end    context.CancelFunc
	wg     sync.WaitGroup
	// resetting has one token: whoever holds it follows a change of network.
	resetting chan struct{}

	mu       sync.Mutex
	services map[string]*Service
	nat      NAT
	closed   bool

	lan lanSocket
}

// Init starts a module: the original's init. It looks at the network at once, so that no
// connection has to wait for that. Errors have the codes BadArgument (also an account that
// the rendezvous refuses), ProbeFailed (the rendezvous cannot be reached) and
// TransportStarted (the socket cannot be opened; with Config.Port, because another module
// or program has it).
func Init(ctx context.Context, cfg Config) (*Module, error) {
	const op = "init"
	if err := cfg.validate(); err != nil {
		return nil, &Error{op, BadArgument, err}
	}
	cfg = cfg.withDefaults()
	raw := cfg.Logger
	m := &Module{services: map[string]*Service{}, nat: NAT{Kind: NATUnknown}, resetting: make(chan struct{}, 1)}
	m.life, m.end = context.WithCancel(context.Background())
	m.events = newEventQueue("", raw, cfg.Events, nil)
	m.cfg = cfg
	m.log = teeLogs(raw, cfg.LogEvents, m.events.line)
	m.events.start()
	if err := m.start(ctx); err != nil {
		m.Close()
		err.Op = op
		return nil, err
	}
	return m, nil
}

func (m *Module) start(ctx context.Context) *Error {
	var err error
	if m.cfg.KeyFile != "" {
		m.id, err = link.LoadIdentity(m.cfg.KeyFile)
	} else {
		m.id, err = link.NewIdentity()
	}
	if err != nil {
		return &Error{Code: BadArgument, Err: err}
	}
	m.sock, err = link.Listen(link.SocketConfig{Bind: link.BindFor(m.cfg.Rendezvous), Port: m.cfg.Port, Logger: m.log})
	if err != nil {
		return &Error{Code: TransportStarted, Err: err}
	}
	if m.cfg.Rendezvous == "" {
		return nil // for services on the LAN
	}
	m.rv, err = rendezvous.Dial(ctx, rendezvous.Config{URL: m.cfg.Rendezvous, App: m.cfg.App, Logger: m.log})
	if err == nil {
		// Asked now, so that no connection has to wait for it.
		ctx, cancel := context.WithTimeout(ctx, m.cfg.ConnectTimeout)
		defer cancel()
		if _, err = m.rv.Servers(ctx); err == nil {
			m.probe(ctx) // what it finds wrong is an event: the rendezvous works
		}
	}
	switch {
	case errors.Is(err, rendezvous.ErrRefused):
		return &Error{Code: BadArgument, Err: err}
	case err != nil:
		return &Error{Code: ProbeFailed, Err: err}
	}
	m.watchNetwork()
	return nil
}

// UUID is this viewer's identity for logs, the pin of its key: the original's getUUID.
func (m *Module) UUID() string { return m.id.Pin().String() }

// StreamInfo is the original's streamInfo.
type StreamInfo struct {
	// XP2PInfo is the camera's grant (required, here or in URL).
	XP2PInfo string
	// ProductID and DeviceName must be the grant's where they are set.
	ProductID  string
	DeviceName string
	// URL in the original's form, "http://XP2P_INFO.xnet/ipc.p2p.com/ipc.flv?PARAMS";
	// its parameters are the stream's where StartStream gets none. An https (or http) URL of
	// another form is a 1vN stream's: its viewers have it from each other where `xp2p source`
	// serves it, and plain http-flv elsewhere.
	URL string
	// CodeURL is where a 1vN stream's key is looked up, with the stream's code in it
	// ("https://HOST/code/CODE"); empty: the stream is not sealed.
	CodeURL string
	// LiveStreamDomain is where the camera's 1vN stream is (see ManyURL); with it, a viewer
	// for whom the camera has no room is moved there, and the event moved says so. Empty: it
	// is refused.
	LiveStreamDomain string
	// Events receives this service's events, besides Config.Events; nil: nobody.
	// The same rules hold for it.
	Events func(Event)
	// OnMessage answers what the camera says by itself; nil: nobody listens.
	OnMessage MessageHandler
	// Levels asks for the events level: how full the camera's send buffer for us is.
	Levels bool
	// MinVersion is the oldest version of the camera, as its xp2pInfo states it, that the
	// caller can do with ("2.4.46"); empty: any.
	MinVersion string
}

// StartService connects to a camera, or joins the viewers of a 1vN stream: the original's startP2PService. id is the
// caller's, one service per id. ctx bounds the call, not the service. Errors have the
// codes BadArgument, BadXP2PInfo, NotInitialised, AlreadyStarted, DeviceVersionTooLow,
// NotInEnvironment (a URL that is neither a camera's nor http-flv), EncryptFailed,
// DecryptFailed (a 1vN stream without its code), and StreamFailed where the camera or the
// stream's source is not reached.
func (m *Module) StartService(ctx context.Context, id string, info StreamInfo) (*Service, error) {
	const op = "startP2PService"
	if id == "" {
		return nil, &Error{op, BadArgument, errors.New("the service's id is empty")}
	}
	if is1vN(info.URL) {
		return m.startMany(ctx, id, info)
	}
	g, params, err := info.resolve()
	if err != nil {
		err.Op = op
		return nil, err
	}
	return m.begin(ctx, op, newService(m, id, info, g, params))
}

// begin enters a service into the books and connects it.
func (m *Module) begin(ctx context.Context, op string, s *Service) (*Service, error) {
	id := s.id
	m.mu.Lock()
	switch {
	case m.closed:
		m.mu.Unlock()
		return nil, &Error{op, NotInitialised, errModuleClosed}
	case m.services[id] != nil:
		m.mu.Unlock()
		return nil, &Error{op, AlreadyStarted, fmt.Errorf("a service with the id %q is there already", id)}
	}
	m.services[id] = s
	m.mu.Unlock()
	s.events.start()
	var err error
	if s.many != nil {
		err = s.joinMany(ctx, op, s.many)
	} else {
		_, err = s.connected(ctx, op)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

var errModuleClosed = fmt.Errorf("module: %w", net.ErrClosed)

// Service finds a service that was started; the error has the code NoService.
func (m *Module) Service(id string) (*Service, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.services[id]; s != nil {
		return s, nil
	}
	return nil, &Error{"service", NoService, fmt.Errorf("no service with the id %q was started", id)}
}

// StopService ends a service: the original's stopP2PService (stopServiceById).
// An id that is not there is no error.
func (m *Module) StopService(id string) {
	if s, err := m.Service(id); err == nil {
		s.Close()
	}
}

func (m *Module) forget(s *Service) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.services[s.id] == s {
		delete(m.services, s.id)
	}
}

// Close ends every service and the module: the original's destroy.
func (m *Module) Close() error {
	m.mu.Lock()
	m.closed = true
	services := make([]*Service, 0, len(m.services))
	for _, s := range m.services {
		services = append(services, s)
	}
	m.mu.Unlock()
	m.end()
	for _, s := range services {
		s.Close()
	}
	m.wg.Wait()
	if m.rv != nil {
		m.rv.Close()
	}
	err := m.lan.close()
	if m.sock != nil {
		err = errors.Join(err, m.sock.Close())
	}
	m.events.stop()
	return err
}

// resolve finds the grant and the parameters, and checks what fits together.
func (i StreamInfo) resolve() (*grant.Grant, string, *Error) {
	info, params := i.XP2PInfo, ""
	if i.URL != "" {
		if isForeign(i.URL) {
			return nil, "", &Error{Code: NotInEnvironment, Err: errors.New("streams of this kind are not pulled: give a camera's URL " +
				"(http://XP2P_INFO.xnet/ipc.p2p.com/ipc.flv?PARAMS) or that of an http-flv stream (https://HOST/live/a.flv)")}
		}
		u, err := ParseURL(i.URL)
		if err != nil {
			return nil, "", &Error{Code: BadArgument, Err: err}
		}
		params = u.Params
		if info == "" {
			info = u.XP2PInfo
		}
	}
	if info == "" {
		return nil, "", &Error{Code: BadArgument, Err: errors.New("no xp2pInfo given (the camera prints it: camera ready XP2P…)")}
	}
	g, err := grant.Parse(info)
	if err != nil {
		return nil, "", &Error{Code: BadXP2PInfo, Err: err}
	}
	if i.ProductID != "" && i.ProductID != g.Product || i.DeviceName != "" && i.DeviceName != g.Device {
		return nil, "", &Error{Code: BadArgument, Err: fmt.Errorf("the xp2pInfo is for %s/%s, not for %s/%s", g.Product, g.Device, i.ProductID, i.DeviceName)}
	}
	if i.MinVersion != "" {
		older, err := olderVersion(g.Version, i.MinVersion)
		switch {
		case err != nil:
			return nil, "", &Error{Code: BadArgument, Err: err}
		case older:
			return nil, "", &Error{Code: DeviceVersionTooLow, Err: fmt.Errorf("the camera %s/%s has version %s, at least %s is asked for: upgrade it",
				g.Product, g.Device, g.Version, i.MinVersion)}
		}
	}
	return g, params, nil
}
