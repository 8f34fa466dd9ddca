// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/xp2p/xp2p/session"
)

// source is where a camera's bytes come from.
type source interface {
	// open starts one stream of FLV bytes; ctx bounds the call. Closing the stream
	// wakes a Read on it. A Read gives a batch, since wake-ups cost more than bytes.
	open(ctx context.Context) (io.ReadCloser, error)
	// command sends a command over the connection that there is. Where there is none it
	// fails, or makes one if connect is set.
	command(ctx context.Context, command string, connect bool) (session.CommandResult, error)
	// voice begins to talk, over the same connection.
	voice(ctx context.Context, r session.VoiceRequest, connect bool) (Voice, error)
	// path is "direct" or "relay" for a peer, "http" for a URL, "" while there is none.
	path() string
	close()
}

// readBuffer is the size of reads; a connection of net/http has a buffer of it too. What
// a 2 Mbit/s camera sends between two ticks fits.
const readBuffer = 32 << 10

func newTransport(p *pacer) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialPaced(p, (&net.Dialer{Timeout: 10 * time.Second}).DialContext),
		ResponseHeaderTimeout: 10 * time.Second,
		ReadBufferSize:        readBuffer,
		WriteBufferSize:       1 << 10,
		DisableCompression:    true,
		DisableKeepAlives:     true,
	}
}

// httpSource is a plain http-flv URL.
type httpSource struct {
	client *http.Client
	url    string
}

// statusError is an HTTP server's refusal: it is the camera's, not the network's.
type statusError struct{ status string }

func (e *statusError) Error() string { return "the server answered " + e.status }

func (h *httpSource) open(ctx context.Context) (io.ReadCloser, error) {
	run, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, cancel)
	var conn *pacedConn
	req, err := http.NewRequestWithContext(traceConn(run, &conn), http.MethodGet, h.url, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	res, err := h.client.Do(req)
	if !stop() && err == nil {
		res.Body.Close()
		err = context.Cause(ctx)
	}
	if err == nil && res.StatusCode != http.StatusOK {
		res.Body.Close()
		err = &statusError{res.Status}
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open http-flv: %w", err)
	}
	// From here on nobody but the stream's reader reads from the connection.
	if err := conn.pace(); err != nil {
		res.Body.Close()
		cancel()
		return nil, fmt.Errorf("open http-flv: %w", err)
	}
	return &httpStream{res.Body, cancel}, nil
}

func (h *httpSource) command(context.Context, string, bool) (session.CommandResult, error) {
	return session.CommandResult{}, &session.Error{Op: "sendCommand", Code: session.NotSupported,
		Err: errors.New("this camera is an http-flv URL: only a camera with an xp2p-info takes commands")}
}

func (h *httpSource) voice(context.Context, session.VoiceRequest, bool) (Voice, error) {
	return nil, &session.Error{Op: "startVoiceService", Code: session.NotSupported,
		Err: errors.New("this camera is an http-flv URL: only a camera with an xp2p-info has a speaker")}
}

func (h *httpSource) path() string { return "http" }
func (h *httpSource) close()       {}

type httpStream struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (s *httpStream) Close() error {
	s.cancel()
	return s.ReadCloser.Close()
}
