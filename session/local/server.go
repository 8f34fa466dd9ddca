// SPDX-License-Identifier: LGPL-2.1-or-later

package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/session"
)

// Config configures Start. It is copied.
type Config struct {
	// Listen is "HOST:PORT"; port 0: any free one. HOST must be a loopback address or
	// localhost, unless there is a Token.
	Listen string
	// Token must come with every request where it is set, as "Authorization: Bearer TOKEN" or
	// as the parameter token, which players can be given. At least 16 characters.
	Token string
	// Module reaches the cameras (required). The server does not close it.
	Module *session.Module
	// Cameras that the server offers, at least one.
	Cameras []Camera
	// Idle is how long a camera's connection outlives its last request; 0: 30 s.
	Idle time.Duration
	// Logger; nil: discarded.
	Logger *slog.Logger
}

// Camera is one camera behind the server, by its XP2PInfo, or one stream of many viewers,
// by its URL.
type Camera struct {
	XP2PInfo string
	// LAN is "HOST:PORT" of a camera on the own network; empty: through the rendezvous.
	LAN string

	// URL is a 1vN stream's, and CodeURL where its key is looked up (session.StreamInfo).
	URL, CodeURL string
	// Name of such a stream in this server's URLs; empty: the last part of URL's path,
	// without ".flv".
	Name string
}

const (
	defaultIdle = 30 * time.Second
	minToken    = 16
	// maxRequests bounds the requests at once; the next one is answered with 503.
	maxRequests       = 256
	maxHeader         = 32 << 10
	readHeaderTimeout = 10 * time.Second
	keepAliveTimeout  = 2 * time.Minute
	closeTimeout      = 2 * time.Second
)

// Server is a local server that runs.
type Server struct {
	cfg      Config
	log      *slog.Logger
	ln       net.Listener
	http     *http.Server
	cameras  []*camera // in the order of Config
	byKey    map[string]*camera
	many     map[string]*many // streams of many viewers
	streams  []*many          // the same, in the order of Config
	requests atomic.Int64
	patience time.Duration // for a command, from its first byte to its answer
	stop     context.CancelFunc

	switching        sync.Mutex // over the switches of all streams of many viewers
	download, upload bool

	done chan struct{}
}

// Start starts the server. Its errors are *session.Error with the code LocalServerFailed,
// BadArgument where the configuration is wrong, or BadXP2PInfo.
func Start(cfg Config) (*Server, error) {
	const op = "startLocalServer"
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Idle == 0 {
		cfg.Idle = defaultIdle
	}
	s := &Server{cfg: cfg, log: cfg.Logger, byKey: map[string]*camera{}, many: map[string]*many{}, download: true, upload: true, done: make(chan struct{}), patience: commandTimeout}
	if err := s.check(); err != nil {
		return nil, &session.Error{Op: op, Code: session.BadArgument, Err: err}
	}
	for _, c := range cfg.Cameras {
		if err := s.add(c); err != nil {
			err.Op = op
			return nil, err
		}
	}
	var err error
	if s.ln, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, &session.Error{Op: op, Code: session.LocalServerFailed, Err: fmt.Errorf("the local server cannot listen: %w", err)}
	}
	base, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.http = &http.Server{
		Handler:           s.guard(s.routes()),
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       keepAliveTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("local server", "err", err)
		}
	}()
	return s, nil
}

func (s *Server) check() error {
	host, _, err := net.SplitHostPort(s.cfg.Listen)
	switch {
	case err != nil:
		return fmt.Errorf("the local server's address %q is not HOST:PORT, such as 127.0.0.1:8300", s.cfg.Listen)
	case s.cfg.Module == nil:
		return errors.New("the local server needs a module")
	case len(s.cfg.Cameras) == 0:
		return errors.New("no camera was given: the local server needs at least one xp2pInfo, or the URL of a stream of many viewers")
	case s.cfg.Idle < 0:
		return errors.New("the idle time is negative")
	case s.cfg.Token != "" && len(s.cfg.Token) < minToken:
		return fmt.Errorf("the token has %d characters, at least %d are needed", len(s.cfg.Token), minToken)
	case s.cfg.Token == "" && !isLoopback(host):
		return fmt.Errorf("%s is not a loopback address: whoever reaches it could use the cameras. Listen on 127.0.0.1, or set a token", s.cfg.Listen)
	}
	return nil
}

// isLoopback says whether a host, as an address or a name, is always this machine.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// add enters a camera, whose URLs begin with PRODUCT_DEVICE, or a stream of many viewers.
func (s *Server) add(c Camera) *session.Error {
	if c.URL != "" {
		return s.addMany(c)
	}
	g, err := grant.Parse(c.XP2PInfo)
	if err != nil {
		return &session.Error{Code: session.BadXP2PInfo, Err: err}
	}
	cam := newCamera(g.Product, g.Device, s.cfg.Idle, s.log)
	if s.many[cam.key] != nil {
		return &session.Error{Code: session.BadArgument, Err: fmt.Errorf("a camera and a stream would have the URL /%s: give the stream another name", cam.key)}
	}
	if old := s.byKey[cam.key]; old != nil {
		return &session.Error{Code: session.BadArgument, Err: fmt.Errorf("two cameras would have the URL /%s: %s/%s and %s/%s",
			cam.key, old.product, old.device, cam.product, cam.device)}
	}
	if cam.start, err = s.starter(cam.key, c); err != nil {
		return &session.Error{Code: session.BadArgument, Err: err}
	}
	s.byKey[cam.key] = cam
	s.cameras = append(s.cameras, cam)
	return nil
}

func (s *Server) addMany(c Camera) *session.Error {
	m, err := newMany(c, s.cfg.Module, s.log)
	switch {
	case err != nil:
	case c.XP2PInfo != "" || c.LAN != "":
		err = errors.New("a stream of many viewers has a url, and no xp2pInfo or LAN address: give either")
	case s.many[m.key] != nil || s.byKey[m.key] != nil:
		err = fmt.Errorf("two streams would have the URL /%s: give one of them another name", m.key)
	}
	if err != nil {
		return &session.Error{Code: session.BadArgument, Err: err}
	}
	s.many[m.key] = m
	s.streams = append(s.streams, m)
	return nil
}

// starter is how a camera's service is started.
func (s *Server) starter(id string, c Camera) (func(context.Context) (*session.Service, error), error) {
	if c.LAN == "" {
		return func(ctx context.Context) (*session.Service, error) {
			return s.cfg.Module.StartService(ctx, id, session.StreamInfo{XP2PInfo: c.XP2PInfo})
		}, nil
	}
	host, port, err := net.SplitHostPort(c.LAN)
	if err != nil {
		return nil, fmt.Errorf("the camera's LAN address %q is not HOST:PORT", c.LAN)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("the camera's LAN address %q has no port", c.LAN)
	}
	info := session.LANInfo{Host: host, Port: int(n), XP2PInfo: c.XP2PInfo}
	return func(ctx context.Context) (*session.Service, error) {
		return s.cfg.Module.StartLANService(ctx, id, info)
	}, nil
}

// Addr is where the server listens.
func (s *Server) Addr() netip.AddrPort { return s.ln.Addr().(*net.TCPAddr).AddrPort() }

// URL of the server, with a slash at its end.
func (s *Server) URL() string {
	a := s.Addr()
	if a.Addr().IsUnspecified() {
		a = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	}
	return "http://" + a.String() + "/"
}

// Keys are the names by which the cameras are found in URLs, PRODUCT_DEVICE, and behind
// them those of streams of many viewers.
func (s *Server) Keys() []string {
	var keys []string
	for _, c := range s.cameras {
		keys = append(keys, c.key)
	}
	for _, m := range s.streams {
		keys = append(keys, m.key)
	}
	return slices.Clip(keys)
}

// Close ends every request and connection to a camera, and waits until all is down.
func (s *Server) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil { // somebody does not let go
		err = s.http.Close()
	}
	<-s.done
	for _, c := range s.cameras {
		c.close()
	}
	return err
}
