// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/internal/gst/target"
	"github.com/xp2p/xp2p/session"
)

// camera is one in this process, in the place of one behind a network.
type camera struct {
	dial   func(context.Context) error                                              // nil: succeeds
	stream func(ctx context.Context, n int) (io.ReadCloser, error)                  // n counts from 0
	answer func(ctx context.Context, command string) (session.CommandResult, error) // nil: status 0

	mu       sync.Mutex
	target   target.Target
	dials    int
	streams  []string // params of each
	commands []string
	open     int // links
}

// use makes the elements of this test reach c.
func (c *camera) use(t testing.TB) {
	t.Helper()
	t.Setenv(target.EnvApp, "app.json")
	t.Setenv(target.EnvRendezvous, "nats://127.0.0.1:1")
	t.Setenv(target.EnvXP2PInfo, "XP2PAAAA%1.0.0")
	before := newDialer
	newDialer = func(to target.Target, _ *slog.Logger) receiver.Dialer {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.target = to
		return c
	}
	t.Cleanup(func() {
		newDialer = before
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open != 0 {
			t.Errorf("%d links left open", c.open)
		}
	})
}

func (c *camera) Dial(ctx context.Context, events func(session.Event)) (receiver.Link, error) {
	c.mu.Lock()
	c.dials++
	c.mu.Unlock()
	if c.dial != nil {
		if err := c.dial(ctx); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	c.open++
	c.mu.Unlock()
	events(session.Event{Service: "T/cam-1", Kind: session.Notify, Subtype: session.Connected,
		Detail: session.PathDetail{Path: "direct", Local: "host 127.0.0.1:1", Remote: "host 127.0.0.1:2"}})
	return &cameraLink{c, events}, nil
}

func (c *camera) asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.streams...)
}

type cameraLink struct {
	c      *camera
	events func(session.Event)
}

func (l *cameraLink) Path() string { return "direct" }

func (l *cameraLink) Stats() session.LinkStats {
	return session.LinkStats{RTT: 20 * time.Millisecond, PacketsSent: 100, PacketsLost: 3}
}

func (l *cameraLink) Command(ctx context.Context, command string) (session.CommandResult, error) {
	l.c.mu.Lock()
	l.c.commands = append(l.c.commands, command)
	answer := l.c.answer
	l.c.mu.Unlock()
	if answer != nil {
		return answer(ctx, command)
	}
	return session.CommandResult{Type: session.CommandSuccess, Status: 200, Data: `{"status":"0"}`}, nil
}

func (l *cameraLink) Close() error {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.c.open--
	return nil
}

func (l *cameraLink) Stream(ctx context.Context, params string) (io.ReadCloser, error) {
	l.c.mu.Lock()
	n := len(l.c.streams)
	l.c.streams = append(l.c.streams, params)
	l.c.mu.Unlock()
	l.events(session.Event{Service: "T/cam-1", Kind: session.Notify, Subtype: session.Parsed,
		Detail: session.ParsedDetail{Status: 200, Headers: http.Header{"Content-Type": {"video/x-flv"}}}})
	return l.c.stream(ctx, n)
}

// playback gives b in pieces, then err, or with a nil err nothing until closed.
type playback struct {
	b      []byte
	piece  int // 0: as much as there is room for
	err    error
	once   sync.Once
	closed chan struct{}
}

func play(b []byte, err error) *playback {
	return &playback{b: b, err: err, closed: make(chan struct{})}
}

func (p *playback) Read(to []byte) (int, error) {
	if len(p.b) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		<-p.closed
		return 0, net.ErrClosed
	}
	if p.piece > 0 {
		to = to[:min(len(to), p.piece)]
	}
	n := copy(to, p.b)
	p.b = p.b[n:]
	return n, nil
}

func (p *playback) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}
