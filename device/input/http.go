package input

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// httpFLV is an http-flv stream.
type httpFLV struct {
	url *url.URL
	o   Options
}

func newHTTP(u *url.URL, o Options) *httpFLV { return &httpFLV{url: u, o: o} }

func (h *httpFLV) String() string { return urlName(h.url) }

// Open makes the request, follows redirects, and returns when the stream has
// begun as FLV does.
func (h *httpFLV) Open(ctx context.Context) (io.ReadCloser, error) {
	s := &httpStream{name: h.String(), idle: h.o.IdleTimeout}
	if err := s.open(ctx, h); err != nil {
		err = s.explain(err)
		s.Close()
		return nil, fmt.Errorf("input %s: %w", s.name, err)
	}
	return s, nil
}

// httpStream is the body of an answer that is being read.
type httpStream struct {
	name   string
	idle   time.Duration
	client *http.Transport
	cancel context.CancelFunc
	timer  *time.Timer // cancels the request when it was idle
	r      *bufio.Reader
	body   io.Closer

	closed, timedOut atomic.Bool
}

func (s *httpStream) open(ctx context.Context, h *httpFLV) error {
	s.client = &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: h.o.DialTimeout}).DialContext,
		TLSHandshakeTimeout:   h.o.DialTimeout,
		ResponseHeaderTimeout: h.o.HeaderTimeout,
		DisableCompression:    true,
	}
	// The request outlives ctx, which bounds only the opening.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	defer context.AfterFunc(ctx, cancel)()

	req, err := http.NewRequestWithContext(life, http.MethodGet, h.url.String(), nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: s.client}).Do(req)
	if err != nil {
		return cause(ctx, err)
	}
	s.body = resp.Body
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	s.timer = time.AfterFunc(s.idle, func() {
		s.timedOut.Store(true)
		cancel()
	})
	s.r = bufio.NewReaderSize(resp.Body, 64<<10)
	begin, err := s.r.Peek(len(magic))
	s.timer.Stop()
	if string(begin) != magic {
		if err != nil && !errors.Is(err, io.EOF) {
			return cause(ctx, err)
		}
		return fmt.Errorf("%w: it begins with %q, content type %q", ErrNotFLV, begin, resp.Header.Get("Content-Type"))
	}
	return nil
}

// cause is err without the URL that net/http puts into it, or why ctx ended.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// explain says what stopped the stream: its own error tells only that the
// request was cancelled.
func (s *httpStream) explain(err error) error {
	switch {
	case s.timedOut.Load():
		return fmt.Errorf("nothing came for %v: %w", s.idle, context.DeadlineExceeded)
	case s.closed.Load():
		return net.ErrClosed
	}
	return err
}

// Read counts as idle only the time that it waits itself: a slow reader is no
// fault of the server.
func (s *httpStream) Read(p []byte) (int, error) {
	s.timer.Reset(s.idle)
	n, err := s.r.Read(p)
	s.timer.Stop()
	if err != nil && (!errors.Is(err, io.EOF) || s.timedOut.Load() || s.closed.Load()) {
		return n, fmt.Errorf("input %s: %w", s.name, s.explain(err))
	}
	return n, err
}

func (s *httpStream) Close() error {
	s.closed.Store(true)
	s.cancel()
	if s.timer != nil {
		s.timer.Stop()
	}
	var err error
	if s.body != nil {
		err = s.body.Close()
	}
	s.client.CloseIdleConnections()
	return err
}
