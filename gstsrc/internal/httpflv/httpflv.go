// SPDX-License-Identifier: LGPL-2.1-or-later

// Package httpflv is a way to a stream for a receiver that needs no camera of ours:
// plain http-flv, as media servers and the local server give it.
package httpflv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/session"
)

const op = "startP2PStream"

// dialTimeout bounds the way to a server; Options.Timeout bounds the rest.
const dialTimeout = 10 * time.Second

// New makes a dialer for an http or https URL.
func New(url string, logger *slog.Logger) receiver.Dialer {
	return &dialer{url: url, logger: logger}
}

type dialer struct {
	url    string
	logger *slog.Logger
}

// Dial opens nothing: the request of the stream does.
func (d *dialer) Dial(_ context.Context, events func(session.Event)) (receiver.Link, error) {
	transport := &http.Transport{
		Proxy:              http.ProxyFromEnvironment,
		DialContext:        (&net.Dialer{Timeout: dialTimeout}).DialContext,
		DisableCompression: true,
	}
	return &link{d: d, events: events, transport: transport, client: &http.Client{Transport: transport}}, nil
}

type link struct {
	d         *dialer
	events    func(session.Event)
	transport *http.Transport
	client    *http.Client
}

func (l *link) notify(subtype string, detail any) {
	l.events(session.Event{Service: host(l.d.url), Kind: session.Notify, Subtype: subtype, Detail: detail})
}

// host names the stream in events; the rest of a URL may hold a password.
func host(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Host
}

// Stream gets the URL. The parameters of a camera's request mean nothing here.
func (l *link) Stream(ctx context.Context, _ string) (io.ReadCloser, error) {
	run, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, cancel)
	req, err := http.NewRequestWithContext(run, http.MethodGet, l.d.url, nil)
	if err != nil {
		cancel()
		return nil, &session.Error{Op: op, Code: session.BadArgument, Err: withoutURL(err)}
	}
	l.notify(session.Request, session.RequestDetail{Method: http.MethodGet, Path: req.URL.Path})
	res, err := l.client.Do(req)
	if err != nil {
		cancel()
		return nil, &session.Error{Op: op, Code: session.StreamFailed, Err: withoutURL(err)}
	}
	s := &stream{l: l, body: res.Body, cancel: cancel}
	switch {
	case !stop(): // ctx has ended meanwhile
		s.Close()
		return nil, ctx.Err()
	case res.StatusCode != http.StatusOK:
		s.Close()
		return nil, &session.Error{Op: op, Code: code(res.StatusCode), Err: fmt.Errorf("the server answered %s", res.Status)}
	}
	l.notify(session.Connected, session.PathDetail{Path: l.Path()})
	l.notify(session.Parsed, session.ParsedDetail{Status: res.StatusCode, Headers: res.Header})
	return s, nil
}

// code says whether it helps to ask again.
func code(status int) session.Code {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return session.BadArgument
	case http.StatusNotAcceptable:
		return session.NotSupported
	}
	return session.StreamFailed // a stream that is not there yet may come
}

// withoutURL is what went wrong, without the URL that net/http puts in front.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (l *link) Path() string { return strings.SplitN(l.d.url, ":", 2)[0] }

// Stats are those of a link of ours, which this is none of.
func (l *link) Stats() session.LinkStats { return session.LinkStats{} }

func (l *link) Command(context.Context, string) (session.CommandResult, error) {
	err := errors.New("a plain http-flv stream takes no commands")
	return session.CommandResult{Type: session.CommandError, ErrCode: session.NotSupported, ErrMsg: err.Error()},
		&session.Error{Op: "sendCommand", Code: session.NotSupported, Err: err}
}

func (l *link) Close() error {
	l.transport.CloseIdleConnections()
	return nil
}

// stream is the body of an answer. Close wakes Read.
type stream struct {
	l      *link
	body   io.ReadCloser
	cancel context.CancelFunc
}

func (s *stream) Read(b []byte) (int, error) {
	n, err := s.body.Read(b)
	switch {
	case n > 0 || err == nil:
		return n, nil
	case err == io.EOF:
		s.l.notify(session.EOF, nil)
		return 0, io.EOF
	}
	return 0, &session.Error{Op: op, Code: session.StreamFailed, Err: fmt.Errorf("the stream broke: %w", err)}
}

func (s *stream) Close() error {
	s.cancel()
	return s.body.Close()
}
