// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/xp2p/xp2p/nvr/hooks"
)

// Config is the argument of Listen.
type Config struct {
	Path       string // of the socket
	Cameras    Cameras
	Recordings Recordings
	Pipelines  Pipelines                               // nil: there are no such methods
	Hooks      func() []hooks.Status                   // nil: there is no such method
	Dir        string                                  // relative paths of cameras that are added are under it
	Reload     func(context.Context) (Reloaded, error) // reads the configuration again; nil: there is no such method
	Logger     *slog.Logger                            // nil: discarded
}

// maxClients is how many connections are served at once; further ones are closed.
const maxClients = 64

// Server serves a control socket until it is closed.
type Server struct {
	cfg     Config
	log     *slog.Logger
	l       *net.UnixListener
	started time.Time
	wg      sync.WaitGroup

	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
}

// Listen makes the socket with mode 0600 and serves it. A file that a recorder
// left behind is replaced; a socket that somebody serves is refused.
func Listen(cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := listen(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	s := &Server{cfg: cfg, log: cfg.Logger, l: l, started: time.Now(), conns: map[*conn]struct{}{}}
	s.wg.Go(s.accept)
	return s, nil
}

func listen(path string) (*net.UnixListener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// The mode must be right from the first moment on.
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// removeStale removes a socket that nobody listens on.
func removeStale(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is no socket", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("%s is served by another process: stop that one, or use another path", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// Path of the socket.
func (s *Server) Path() string { return s.cfg.Path }

// Close ends every connection and removes the socket; more than once is no error.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for c := range s.conns {
		c.end()
	}
	s.mu.Unlock()
	err := s.l.Close()
	s.wg.Wait()
	return err
}

func (s *Server) accept() {
	for {
		nc, err := s.l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Error("accept on control socket", "error", err)
			time.Sleep(100 * time.Millisecond) // out of descriptors: do not spin
			continue
		}
		c := &conn{s: s, nc: nc}
		c.ctx, c.end = context.WithCancel(context.Background())
		s.mu.Lock()
		full := s.closed || len(s.conns) >= maxClients
		if !full {
			s.conns[c] = struct{}{}
			s.wg.Go(c.serve)
		}
		s.mu.Unlock()
		if full {
			c.end()
			nc.Close()
		}
	}
}

// conn is one client.
type conn struct {
	s   *Server
	nc  net.Conn
	ctx context.Context // ends with the connection
	end context.CancelFunc
	rpc *jrpc2.Server
	wg  sync.WaitGroup

	mu         sync.Mutex
	subscribed bool
}

func (c *conn) serve() {
	defer c.wg.Wait()
	defer c.end()
	c.rpc = jrpc2.NewServer(assigner(c.s.methods(c)), &jrpc2.ServerOptions{
		AllowPush:  true,
		NewContext: func() context.Context { return c.ctx },
	})
	c.rpc.Start(newLineChannel(c.nc, maxLine))
	stop := context.AfterFunc(c.ctx, c.rpc.Stop)
	defer stop()
	if err := c.rpc.Wait(); err != nil {
		c.s.log.Debug("control client ended", "error", err)
	}
	c.s.mu.Lock()
	delete(c.s.conns, c)
	c.s.mu.Unlock()
}

type subscribeResult struct {
	Subscribed bool `json:"subscribed"`
}

// subscribe makes the connection an event stream: from here on it gets
// notifications of method "event". Once is enough; more often changes nothing.
func (c *conn) subscribe(context.Context, none) (subscribeResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subscribed {
		return subscribeResult{true}, nil
	}
	c.subscribed = true
	sub := c.s.cfg.Cameras.Subscribe()
	c.wg.Go(func() {
		defer sub.Close()
		for {
			select {
			case e, ok := <-sub.C:
				if !ok {
					c.end()
					return
				}
				if err := c.rpc.Notify(c.ctx, "event", e); err != nil {
					return
				}
			case <-c.ctx.Done():
				return
			}
		}
	})
	return subscribeResult{true}, nil
}
