// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pacedConn is a TCP connection that, once paced, is read at the pacer's ticks without
// blocking. Go's own poller is woken by every packet of every connection, whether somebody
// waits for it or not; a camera of 2 Mbit/s sends 170 of them a second, and waking costs
// more than their bytes. The kernel keeps what has come in the meantime.
type pacedConn struct {
	net.Conn // until it is paced, and what it says of its ends afterwards
	pacer    *pacer

	mu     sync.RWMutex // over the use of fd and its closing
	fd     int          // -1 until it is paced
	closed chan struct{}
	once   sync.Once

	drained bool // nothing can be there before the next tick; the reader's
}

// dialPaced dials connections that traceConn finds and pace makes paced.
func dialPaced(p *pacer, dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &pacedConn{Conn: c, pacer: p, fd: -1, closed: make(chan struct{})}, nil
	}
}

// traceConn remembers in *c over which connection a request with the context it returns
// was sent: the last one where the server sent it elsewhere.
func traceConn(ctx context.Context, c **pacedConn) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		under := info.Conn
		for {
			secure, ok := under.(*tls.Conn)
			if !ok {
				break
			}
			under = secure.NetConn() // of a proxy's connection too
		}
		*c, _ = under.(*pacedConn)
	}})
}

// pace takes the connection from Go's poller. No Read may be under way. Nothing is paced
// where c is nil or no TCP connection.
func (c *pacedConn) pace() error {
	if c == nil {
		return nil
	}
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fd := -1
	controlErr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	switch {
	case controlErr != nil: // it is closed
		return controlErr
	case err != nil:
		return os.NewSyscallError("dup", err)
	}
	c.fd = fd
	tcp.Close() // takes it from the poller; the duplicate keeps the connection
	return nil
}

// Read returns what has come, at least a byte. It waits for ticks until there is some.
func (c *pacedConn) Read(p []byte) (int, error) {
	for {
		n, err := c.tryRead(p)
		switch {
		case n > 0:
			c.drained = n < len(p)
			return n, nil
		case err == nil && len(p) > 0:
			return 0, io.EOF
		case errors.Is(err, errUnpaced):
			return c.Conn.Read(p)
		case !errors.Is(err, unix.EAGAIN):
			return 0, err
		}
		select {
		case <-c.pacer.next():
			c.drained = false
		case <-c.closed:
			return 0, c.failed("read", net.ErrClosed)
		}
	}
}

// errUnpaced says that the connection is still Go's.
var errUnpaced = errors.New("not paced")

func (c *pacedConn) tryRead(p []byte) (int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	select {
	case <-c.closed:
		return 0, c.failed("read", net.ErrClosed)
	default:
	}
	if c.fd < 0 {
		return 0, errUnpaced
	}
	if c.drained {
		return 0, unix.EAGAIN
	}
	for {
		n, err := unix.Read(c.fd, p)
		switch {
		case err == nil:
			return n, nil
		case err == unix.EAGAIN:
			return 0, err
		case err != unix.EINTR:
			return 0, c.failed("read", os.NewSyscallError("read", err))
		}
	}
}

// Write sends p. Of a paced connection the request is long sent, and what TLS may still
// say finds room or is an error: it never waits.
func (c *pacedConn) Write(p []byte) (int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.fd < 0 {
		return c.Conn.Write(p)
	}
	n, err := unix.SendmsgN(c.fd, p, nil, nil, unix.MSG_NOSIGNAL)
	switch {
	case err != nil:
		return max(n, 0), c.failed("write", os.NewSyscallError("sendmsg", err))
	case n < len(p):
		return n, c.failed("write", io.ErrShortWrite)
	}
	return n, nil
}

// Close ends a Read that waits.
func (c *pacedConn) Close() (err error) {
	c.once.Do(func() {
		close(c.closed)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.fd < 0 {
			err = c.Conn.Close()
			return
		}
		err = unix.Close(c.fd)
		c.fd = -1
	})
	return err
}

// A paced connection has no deadlines: whoever waits too long closes it.

func (c *pacedConn) SetDeadline(t time.Time) error {
	return c.deadline(func() error { return c.Conn.SetDeadline(t) })
}
func (c *pacedConn) SetReadDeadline(t time.Time) error {
	return c.deadline(func() error { return c.Conn.SetReadDeadline(t) })
}
func (c *pacedConn) SetWriteDeadline(t time.Time) error {
	return c.deadline(func() error { return c.Conn.SetWriteDeadline(t) })
}

func (c *pacedConn) deadline(set func() error) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.fd >= 0 {
		return os.ErrNoDeadline
	}
	return set()
}

func (c *pacedConn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
