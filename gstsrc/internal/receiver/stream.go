// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// stream is a running stream whose Read ends with its context or after a
// silence, by closing it: a Read has no other way to be woken.
type stream struct {
	io.Reader
	ctx  context.Context
	shut func() // closes the stream; returns when it is closed, whoever closes it

	silence *time.Timer // nil: silence is not bounded
	limit   time.Duration
	silent  atomic.Bool // the timer has closed the stream
}

func newStream(ctx context.Context, rc io.ReadCloser, limit time.Duration) *stream {
	closed := sync.OnceFunc(func() { rc.Close() })
	stop := context.AfterFunc(ctx, closed)
	s := &stream{Reader: rc, ctx: ctx, limit: limit, shut: func() { stop(); closed() }}
	if limit > 0 {
		s.silence = time.AfterFunc(limit, func() {
			s.silent.Store(true)
			closed()
		})
		s.silence.Stop()
	}
	return s
}

// interrupted says that the context under which the stream was begun is over.
func (s *stream) interrupted() bool { return s.ctx.Err() != nil }

// read waits for bytes. Only this wait counts as silence: time that the caller
// takes between reads does not.
func (s *stream) read(p []byte) (int, error) {
	if s.silence != nil {
		s.silence.Reset(s.limit)
		defer s.silence.Stop()
	}
	n, err := s.Read(p)
	if n == 0 && err != nil && s.silent.Load() {
		err = &TimeoutError{After: s.limit}
	}
	return n, err
}
