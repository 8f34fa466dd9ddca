// Package input turns what a camera's pictures come from into FLV in real time:
//
//	flv:FILE               an FLV file, over and over
//	http://... https://... an http-flv stream
//	rtsp://... rtsps://... a network camera
//	test:                  a moving picture with a clock, and a tone
//	gst:LAUNCH-LINE        a GStreamer pipeline whose last element gives FLV
//
// The last two run gst-launch-1.0 as a child process, so that this package is
// pure Go.
package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Input is a source of FLV.
type Input interface {
	// Open starts the source. ctx bounds the call only: the stream lives until
	// it ends or is closed. A source may be opened again, also while it is open.
	//
	// Read of the stream gives io.EOF when the source ended it, an error that
	// wraps net.ErrClosed after Close. Close may be called from any goroutine,
	// more than once; it wakes Read and returns when all that belongs to the
	// stream has gone.
	Open(ctx context.Context) (io.ReadCloser, error)
	// String names the source for logs; it has no credentials.
	String() string
}

// Options of all inputs. Zero fields take the defaults.
type Options struct {
	// DialTimeout bounds making a connection, with TLS. Default 10 s.
	DialTimeout time.Duration
	// HeaderTimeout bounds the wait for an answer, and for the first bytes of a
	// pipeline. Default 15 s.
	HeaderTimeout time.Duration
	// IdleTimeout ends a network stream that brings nothing for so long. Default 15 s.
	IdleTimeout time.Duration
	// Logger gets what is no error of the stream: tracks that cannot be carried,
	// lost packets. Default: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.DialTimeout <= 0 {
		o.DialTimeout = 10 * time.Second
	}
	if o.HeaderTimeout <= 0 {
		o.HeaderTimeout = 15 * time.Second
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = 15 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// ErrSpec says that an input specification cannot be used.
var ErrSpec = errors.New("bad input")

// ErrNotFLV says that a source gives something else than FLV.
var ErrNotFLV = errors.New("not an FLV stream")

// magic is how FLV begins.
const magic = "FLV"

// Parse makes an Input of its specification; see the package comment for the
// forms. It opens nothing. Errors wrap ErrSpec and contain no credentials.
func Parse(spec string, o Options) (Input, error) {
	o = o.withDefaults()
	scheme, rest, found := strings.Cut(spec, ":")
	if !found {
		return nil, fmt.Errorf("%w %q: want flv:FILE, http(s)://..., rtsp(s)://..., test: or gst:LAUNCH-LINE", ErrSpec, spec)
	}
	switch scheme {
	case "flv":
		if rest == "" {
			return nil, fmt.Errorf("%w: flv: needs the name of a file", ErrSpec)
		}
		return &file{path: rest}, nil
	case "http", "https", "rtsp", "rtsps":
		u, err := parseURL(spec)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(scheme, "http") {
			return newHTTP(u, o), nil
		}
		return &rtsp{url: u, o: o}, nil
	case "test":
		return newTest(rest, o)
	case "gst":
		return newGst(spec, rest, o)
	}
	return nil, fmt.Errorf("%w: unknown kind %q: want flv, http, https, rtsp, rtsps, test or gst", ErrSpec, scheme)
}

// parseURL does not repeat in its errors a URL that may hold a password.
func parseURL(spec string) (*url.URL, error) {
	u, err := url.Parse(spec)
	if err != nil {
		return nil, fmt.Errorf("%w: the URL is malformed", ErrSpec)
	}
	if u.Host == "" {
		return nil, fmt.Errorf("%w: the URL has no host", ErrSpec)
	}
	return u, nil
}

// urlName names u for people: no credentials, and no query, where tokens travel.
func urlName(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
