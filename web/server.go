// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xp2p/xp2p/session"
)

// Config is the argument of Start. It is copied.
type Config struct {
	// Listen is "HOST:PORT". Without HOST it is loopback; port 0: any free one.
	Listen string
	// Hosts are further names by which the server may be called, such as that of a proxy
	// in front of it. IP addresses, localhost and this machine's name are always right.
	Hosts []string
	// State is the directory of the token and of exports; made with mode 0700.
	State string

	Cameras    Cameras
	Recordings Recordings
	Pictures   Pictures     // nil: there are no thumbnails
	Logger     *slog.Logger // nil: discarded
}

// What the server takes at most; all of it at once costs some tens of MiB.
const (
	maxRequests = 512 // at once; the next one is answered with 503
	maxWatchers = 64  // live streams and, apart from them, event streams, at once
	maxHeader   = 32 << 10
	maxBody     = 64 << 10

	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second // of a body
	idleTimeout       = 2 * time.Minute
	// writeTimeout is how long a client may take nothing of what it asked for.
	writeTimeout = 30 * time.Second
	closeTimeout = 2 * time.Second
)

// Server serves until it is closed.
type Server struct {
	cfg      Config
	log      *slog.Logger
	ln       net.Listener
	http     *http.Server
	auth     *auth
	hosts    map[string]bool
	requests limit
	watchers limit
	events   limit
	heads    headCache
	exports  *exports
	thumbs   *thumbnails
	ctx      context.Context // ends with the server
	stop     context.CancelFunc
	wg       sync.WaitGroup
	once     sync.Once
}

// Start makes the token if there is none, listens and serves. Its errors are
// *session.Error with the code BadArgument where the configuration is wrong, else
// LocalServerFailed.
func Start(cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, log: cfg.Logger, hosts: ownNames(cfg.Hosts),
		requests: newLimit(maxRequests), watchers: newLimit(maxWatchers), events: newLimit(maxWatchers)}
	address, err := listenAddress(cfg.Listen)
	if err != nil {
		return nil, &session.Error{Op: "web", Code: session.BadArgument, Err: err}
	}
	if err := s.open(address); err != nil {
		return nil, &session.Error{Op: "web", Code: session.LocalServerFailed, Err: err}
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.guard(s.routes()),
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.wg.Go(func() {
		if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("web server", "error", err)
		}
	})
	return s, nil
}

// open gets what the server needs; where something is missing nothing stays behind.
func (s *Server) open(address string) (err error) {
	if s.auth, err = openAuth(s.cfg.State); err != nil {
		return err
	}
	if s.ln, err = net.Listen("tcp", address); err != nil {
		return err
	}
	if s.exports, err = openExports(s.cfg.State, s.cfg.Cameras); err != nil {
		return errors.Join(err, s.ln.Close())
	}
	if s.cfg.Pictures != nil {
		s.thumbs = newThumbnails(s.cfg.Pictures)
	}
	return nil
}

// listenAddress completes what a configuration says.
func listenAddress(listen string) (string, error) {
	if _, err := strconv.ParseUint(listen, 10, 16); err == nil {
		listen = ":" + listen
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("address %q is not HOST:PORT, such as 127.0.0.1:8420", listen)
	}
	if host == "" {
		host = "127.0.0.1" // whoever wants the world says 0.0.0.0
	}
	return net.JoinHostPort(host, port), nil
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

// LoginURL is the URL that lets a browser in, once; it holds the token.
func (s *Server) LoginURL() string { return s.URL() + "?" + tokenParam + "=" + s.auth.token }

// TokenFile is where the token is kept.
func (s *Server) TokenFile() string { return s.auth.file }

// Close ends every request and waits for all that was started. More than once is no error.
func (s *Server) Close() (err error) {
	s.once.Do(func() { err = s.close() })
	return err
}

func (s *Server) close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil { // somebody does not let go
		err = s.http.Close()
	}
	s.wg.Wait()
	s.watchers.drain() // those of WebSockets are no requests any more
	s.exports.close()
	return err
}

// limit counts what is under way; it refuses and does not queue.
type limit chan struct{}

func newLimit(n int) limit { return make(limit, n) }

func (l limit) enter() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l limit) leave() { <-l }

// drain waits until nothing is under way, and lets nothing begin any more.
func (l limit) drain() {
	for range cap(l) {
		l <- struct{}{}
	}
}

// paced is a response whose client must take something within writeTimeout, however
// long the whole of it lasts.
type paced struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func newPaced(w http.ResponseWriter) *paced { return &paced{w, http.NewResponseController(w)} }

func (p *paced) Write(b []byte) (int, error) {
	if err := p.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}

func (p *paced) flush() error { return p.rc.Flush() }

// trimHost is the name in a Host header, in lower case and without brackets.
func trimHost(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
