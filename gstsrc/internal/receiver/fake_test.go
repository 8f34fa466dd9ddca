// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/session"
)

// fakeCamera answers each Dial and each Stream by the next of its scripts.
type fakeCamera struct {
	mu      sync.Mutex
	dials   []error // nil: a link; the last one stays
	streams []func(ctx context.Context) (io.ReadCloser, error)
	events  func(session.Event)
	dialled int
	asked   []string // params of every Stream

	commands []string
	answer   func(context.Context) // of a command; nil: at once
	links    int                   // open
	slow     time.Duration
}

func (c *fakeCamera) Dial(ctx context.Context, events func(session.Event)) (Link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialled++
	c.events = events
	if len(c.dials) > 0 {
		err := c.dials[0]
		if len(c.dials) > 1 {
			c.dials = c.dials[1:]
		}
		if err != nil {
			return nil, err
		}
	}
	c.links++
	events(session.Event{Kind: session.Notify, Subtype: session.Connected})
	return &fakeLink{c: c}, nil
}

func (c *fakeCamera) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.links
}

type fakeLink struct {
	c    *fakeCamera
	once sync.Once
}

func (l *fakeLink) Path() string { return "direct" }

func (l *fakeLink) Stats() session.LinkStats { return session.LinkStats{RTT: time.Millisecond} }

func (l *fakeLink) Command(ctx context.Context, command string) (session.CommandResult, error) {
	l.c.mu.Lock()
	l.c.commands = append(l.c.commands, command)
	answer := l.c.answer
	l.c.mu.Unlock()
	if answer != nil {
		answer(ctx)
	}
	return session.CommandResult{Type: session.CommandSuccess, Status: 200, Data: command}, nil
}

func (l *fakeLink) Close() error {
	l.once.Do(func() {
		time.Sleep(l.c.slow)
		l.c.mu.Lock()
		l.c.links--
		l.c.mu.Unlock()
	})
	return nil
}

func (l *fakeLink) Stream(ctx context.Context, params string) (io.ReadCloser, error) {
	l.c.mu.Lock()
	l.c.asked = append(l.c.asked, params)
	if len(l.c.streams) == 0 {
		l.c.mu.Unlock()
		return nil, errors.New("no more streams")
	}
	next := l.c.streams[0]
	l.c.streams = l.c.streams[1:]
	l.c.mu.Unlock()
	return next(ctx)
}

// bytesThen gives b, then err; with a nil err it blocks until it is closed.
func bytesThen(b []byte, err error) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) {
		return &fakeStream{b: b, err: err, closed: make(chan struct{})}, nil
	}
}

func refuse(err error) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return nil, err }
}

// hang ignores its context for a while: a call that is slow to notice.
func hang(d time.Duration, then func(context.Context) (io.ReadCloser, error)) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		time.Sleep(d)
		return then(ctx)
	}
}

type fakeStream struct {
	b      []byte
	err    error
	once   sync.Once
	closed chan struct{}
}

func (s *fakeStream) Read(p []byte) (int, error) {
	if len(s.b) > 0 {
		n := copy(p, s.b)
		s.b = s.b[n:]
		return n, nil
	}
	if s.err != nil {
		return 0, s.err
	}
	<-s.closed
	return 0, net.ErrClosed
}

func (s *fakeStream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// Parts of streams.

func header() []byte { return flv.AppendHeader(nil, true, false) }

func metadata(dst []byte) []byte {
	return flv.AppendTag(dst, flv.TagScript, 0, []byte{2, 0, 1, 'x', 5})
}

// config is an AVC sequence header, whose time cameras leave at 0.
func config(dst []byte) []byte {
	return flv.AppendTag(dst, flv.TagVideo, 0, []byte{0x17, 0, 0, 0, 0, 1, 66, 0, 30, 0xff, 0xe0, 0})
}

func frame(dst []byte, ms uint32) []byte {
	return flv.AppendTag(dst, flv.TagVideo, ms, []byte{0x27, 1, 0, 0, 0, 0, 0, 0, 2, 0x41, 0x9a})
}

func endOfSequence(dst []byte, ms uint32) []byte {
	return flv.AppendTag(dst, flv.TagVideo, ms, []byte{0x17, 2, 0, 0, 0})
}

func sequence(first uint32, n int) []byte {
	b := config(metadata(header()))
	for i := range n {
		b = frame(b, first+uint32(i)*40)
	}
	return b
}
