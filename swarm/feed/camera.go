// SPDX-License-Identifier: LGPL-2.1-or-later

package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Camera is the camera's side of a feed.
type Camera struct {
	url    string
	cfg    CameraConfig
	client *http.Client
}

// CameraConfig configures NewCamera. It is copied.
type CameraConfig struct {
	// URL of the stream at its source, "https://HOST/live/PRODUCT_DEVICE.flv" (required).
	URL string
	// Token that the source wants (required).
	Token string
	// Open gives the camera's stream, FLV (required). ctx bounds the call alone; Close
	// wakes a Read.
	Open func(ctx context.Context) (io.ReadCloser, error)
	// Logger; nil: discarded.
	Logger *slog.Logger
}

const (
	dialTimeout = 10 * time.Second
	// answerPatience is how long the source may take beyond the time that it holds a wait.
	answerPatience = 15 * time.Second
	// retryMin and retryMax bound the pause behind what did not work; it doubles.
	retryMin, retryMax = time.Second, 30 * time.Second
	maxRefusal         = 4 << 10
)

// NewCamera checks a configuration; Run does the rest.
func NewCamera(cfg CameraConfig) (*Camera, error) {
	u, err := url.Parse(cfg.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("the stream's URL at its source must look like https://HOST/live/PRODUCT_DEVICE.flv")
	case len(cfg.Token) < MinToken:
		return nil, errors.New("the token that the source wants has at least 16 characters")
	case cfg.Open == nil:
		return nil, errors.New("feed: there is no stream to give")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Logger = cfg.Logger.With("source", u.Host)
	return &Camera{url: u.String(), cfg: cfg, client: &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
	}}}, nil
}

// Run feeds the source whenever somebody watches, until ctx ends. What does not work is
// logged and tried again.
func (c *Camera) Run(ctx context.Context) {
	defer c.client.CloseIdleConnections()
	pause := retryMin
	said := ""
	for {
		began := time.Now()
		err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			pause, said = retryMin, ""
			if time.Since(began) > retryMin {
				continue
			} // else it had enough at once, which must not go round and round
		} else if err.Error() != said { // a source that is away for long is said once
			said = err.Error()
			c.cfg.Logger.Warn("relay; trying again", "err", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, retryMax)
	}
}

// once waits to be wanted, and then sends the stream until it is not any longer.
func (c *Camera) once(ctx context.Context) error {
	wanted, err := c.wait(ctx)
	if err != nil || !wanted {
		return err
	}
	open, cancel := context.WithTimeout(ctx, openPatience)
	stream, err := c.cfg.Open(open)
	cancel()
	if err != nil {
		return fmt.Errorf("the camera's stream: %w", err)
	}
	c.cfg.Logger.Info("somebody watches at the source: sending the stream")
	if err := c.push(ctx, stream); err != nil {
		return err
	}
	c.cfg.Logger.Info("nobody watches at the source any longer")
	return nil
}

func (c *Camera) wait(ctx context.Context) (wanted bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, poll+answerPatience, errors.New("the source does not answer"))
	defer cancel()
	res, err := c.post(ctx, "wait", nil)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, maxRefusal)) // keeps the connection
	return res.StatusCode == http.StatusOK, nil
}

// push sends a stream, which it closes.
func (c *Camera) push(ctx context.Context, stream io.ReadCloser) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer stream.Close() // the answer may come before the stream has ended
	res, err := c.post(ctx, "push", stream)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func (c *Camera) post(ctx context.Context, what string, body io.Reader) (*http.Response, error) {
	u, err := url.Parse(c.url)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	q.Set("_feed", what)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	req.Header.Set("Content-Type", "video/x-flv")
	res, err := c.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("source: %w", err)
	}
	if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNoContent {
		return res, nil
	}
	defer res.Body.Close()
	var refusal struct {
		Error string `json:"error"`
	}
	if json.NewDecoder(io.LimitReader(res.Body, maxRefusal)).Decode(&refusal) != nil || refusal.Error == "" {
		refusal.Error = "there may be no xp2p source at the URL"
	}
	return nil, fmt.Errorf("the source answered %s: %s", res.Status, refusal.Error)
}
