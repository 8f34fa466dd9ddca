// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	originDial   = 10 * time.Second
	originAnswer = 10 * time.Second
	// originIdle is how long an origin may send nothing before it is asked anew.
	originIdle = 10 * time.Second
)

// HTTPOrigin opens an http-flv stream.
func HTTPOrigin(originURL string) (Opener, error) {
	u, err := url.Parse(originURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the origin is not an http or https URL (http://HOST/live/a.flv)")
	}
	return func(ctx context.Context) (io.ReadCloser, error) { return openHTTP(ctx, u) }, nil
}

// httpOrigin is the body of an answer; reading fails when nothing comes for originIdle.
type httpOrigin struct {
	body      io.ReadCloser
	idle      *time.Timer
	cancel    context.CancelCauseFunc
	ctx       context.Context
	transport *http.Transport
	once      sync.Once
}

var errOriginIdle = fmt.Errorf("the origin has sent nothing for %s", originIdle)

func openHTTP(ctx context.Context, u *url.URL) (io.ReadCloser, error) {
	life, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
	o := &httpOrigin{ctx: life, cancel: cancel, transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: originDial}).DialContext,
		TLSHandshakeTimeout:   originDial,
		ResponseHeaderTimeout: originAnswer,
		DisableCompression:    true,
	}}
	req, err := http.NewRequestWithContext(life, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.Join(withoutURL(err), o.Close())
	}
	res, err := (&http.Client{Transport: o.transport}).Do(req)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("origin: %w", withoutURL(err)), o.Close())
	}
	o.body = res.Body
	if res.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("the origin answered %s", res.Status), o.Close())
	}
	o.idle = time.AfterFunc(originIdle, func() { cancel(errOriginIdle) })
	return o, nil
}

func (o *httpOrigin) Read(b []byte) (int, error) {
	n, err := o.body.Read(b)
	if n > 0 {
		o.idle.Reset(originIdle)
	}
	if err != nil && context.Cause(o.ctx) == errOriginIdle {
		err = errOriginIdle
	}
	return n, err
}

// Close may be called from any goroutine.
func (o *httpOrigin) Close() (err error) {
	o.once.Do(func() {
		o.cancel(net.ErrClosed)
		if o.idle != nil {
			o.idle.Stop()
		}
		if o.body != nil {
			err = o.body.Close()
		}
		o.transport.CloseIdleConnections()
	})
	return err
}

// withoutURL is what went wrong without the URL, which may hold a password.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
