// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

// StreamRequest says what to pull.
type StreamRequest struct {
	// Params is the query of GET /ipc.flv (reference/xp2p.md §3), such as
	// "action=live&channel=0&quality=high". Empty: the parameters of
	// StreamInfo.URL, or "action=live&channel=0". Parameters that we do not know
	// reach the camera unchanged.
	Params string
}

const defaultParams = "action=live&channel=0"

// Stream is a stream of FLV bytes. Close may be called from any goroutine and
// wakes Read.
type Stream struct {
	s      *Service
	res    *http.Response
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	ended  bool // an event said how
}

// StartStream pulls a stream: the original's startP2PStream. A service has one
// stream at a time. ctx bounds the call, not the stream. Errors have the codes
// BadArgument, AlreadyStarted, StreamFailed, NoService and those of StartService.
func (s *Service) StartStream(ctx context.Context, r StreamRequest) (*Stream, error) {
	const op = "startP2PStream"
	params := r.Params
	if params == "" {
		params = s.params
	}
	if params == "" {
		params = defaultParams
	}
	run, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(run, http.MethodGet, "https://camera/ipc.flv?"+params, nil)
	if err != nil {
		cancel()
		return nil, &Error{op, BadArgument, fmt.Errorf("stream parameters: %w", err)}
	}
	st := &Stream{s: s, cancel: cancel}
	s.mu.Lock()
	switch {
	case s.closed:
		err = &Error{op, NoService, errServiceClosed}
	case s.stream != nil:
		err = &Error{op, AlreadyStarted, errors.New("this service has a stream already: stop it first")}
	default:
		s.stream = st
	}
	s.mu.Unlock()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := st.open(ctx, op, req, params); err != nil {
		cancel()
		st.detach()
		return nil, err
	}
	return st, nil
}

func (st *Stream) open(ctx context.Context, op string, req *http.Request, params string) error {
	res, err := st.s.fetch(ctx, op, req, st.cancel, params)
	if err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		res.Body.Close()
		return &Error{op, NoService, errServiceClosed}
	}
	st.res = res
	return nil
}

// fetch asks for the stream where it is: at the camera, or among its many viewers.
func (s *Service) fetch(ctx context.Context, op string, req *http.Request, cancel context.CancelFunc, params string) (*http.Response, error) {
	if s.grant == nil {
		return s.streamMany(ctx, op, s.manyNow())
	}
	m, err := s.moveIfFull(ctx, op, params)
	if err != nil {
		return nil, err
	}
	if m == nil {
		s.mu.Lock()
		s.many = nil // it has come back
		s.mu.Unlock()
		res, err := s.ask(ctx, op, StreamFailed, req, cancel)
		if err == nil || s.domain == "" || !refusedAsFull(err) {
			return res, err
		}
		m = s.move(req.URL.Query().Get("channel")) // somebody was faster
	}
	return s.streamMany(ctx, op, m)
}

// Status of the camera's answer.
func (st *Stream) Status() int { return st.res.StatusCode }

// Header of the camera's answer.
func (st *Stream) Header() http.Header { return st.res.Header }

// Read gives FLV bytes. It ends with io.EOF when the camera ended the stream,
// with an *Error of code StreamFailed when the stream or the link broke, and
// with an error that wraps net.ErrClosed after Close.
func (st *Stream) Read(b []byte) (int, error) {
	n, err := st.res.Body.Read(b)
	if err == nil || n > 0 {
		return n, nil
	}
	return 0, st.finish(err)
}

// finish turns the body's error into ours and reports it once.
func (st *Stream) finish(err error) error {
	st.mu.Lock()
	first := !st.ended
	st.ended = true
	closed := st.closed
	st.mu.Unlock()
	switch {
	case closed:
		return errStreamClosed
	case errors.Is(err, io.EOF):
		if first {
			st.s.events.notify(EOF, nil)
		}
		return io.EOF
	}
	code := StreamFailed
	if st.s.manyNow() != nil {
		code = manyCode(err)
	}
	if first {
		st.s.events.notify(Disconnect, DisconnectDetail{Reason: err.Error(), Code: code})
	}
	return &Error{"startP2PStream", code, fmt.Errorf("the stream broke: %w", broken(err))}
}

var errStreamClosed = fmt.Errorf("stream: %w", net.ErrClosed)

// Close stops the stream and keeps the service: the original's stopP2PStream.
func (st *Stream) Close() error {
	st.mu.Lock()
	if st.closed {
		st.mu.Unlock()
		return nil
	}
	st.closed = true
	first := !st.ended
	st.ended = true
	res := st.res
	st.mu.Unlock()
	if first {
		st.s.events.notify(Closed, nil)
	}
	st.detach() // before Read wakes: whoever it belongs to may start the next one at once
	st.cancel()
	if res != nil {
		res.Body.Close()
	}
	return nil
}

func (st *Stream) detach() {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	if st.s.stream == st {
		st.s.stream = nil
	}
}

// StopStream stops the service's stream, if it has one: the original's stopP2PStream.
func (s *Service) StopStream() {
	s.mu.Lock()
	st := s.stream
	s.mu.Unlock()
	if st != nil {
		st.Close()
	}
}
