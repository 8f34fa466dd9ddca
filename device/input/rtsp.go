package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
)

// rtsp is a network camera. Its media come interleaved in the TCP connection of
// the RTSP session (RFC 2326 §10.12), so that none are lost and no ports are opened.
type rtsp struct {
	url *url.URL
	o   Options

	mu   sync.Mutex
	open map[*rtspStream]struct{} // streams that play
}

func (r *rtsp) String() string { return urlName(r.url) }

// Open describes, sets up and plays the camera's first video track and its first
// audio track of codecs that FLV can carry.
func (r *rtsp) Open(ctx context.Context) (io.ReadCloser, error) {
	s, err := r.begin(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("input %s: %w", r, r.redact(err))
	}
	return s, nil
}

func (r *rtsp) begin(ctx context.Context) (*rtspStream, error) {
	// The library's URL has rules of its own (unescaped passwords, say).
	u, err := base.ParseURL(r.url.String())
	if err != nil {
		return nil, err
	}
	tcp := gortsplib.ProtocolTCP
	s := &rtspStream{in: r, pipe: newPipe(), ended: make(chan struct{})}
	log := r.o.Logger.With("input", r.String())
	s.client = &gortsplib.Client{
		Scheme:       u.Scheme,
		Host:         u.Host,
		Protocol:     &tcp,
		ReadTimeout:  r.o.IdleTimeout,
		WriteTimeout: r.o.DialTimeout,
		UserAgent:    "xp2p",
		DialContext:  (&net.Dialer{Timeout: r.o.DialTimeout}).DialContext,
		OnPacketsLost: func(lost uint64) {
			log.Warn("the camera skipped RTP packets", "count", lost)
		},
		OnDecodeError: func(err error) {
			log.Debug("undecodable packet", "error", r.redact(err))
		},
	}
	if err := s.client.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, s.client.Close)
	if err := s.play(u); err != nil {
		stop()
		s.discard()
		return nil, err
	}
	if !stop() {
		s.discard()
		return nil, context.Cause(ctx)
	}
	r.opened(s)
	go s.wait()
	return s, nil
}

// redact takes the camera's credentials out of err's text.
func (r *rtsp) redact(err error) error {
	password, ok := r.url.User.Password()
	if !ok || password == "" || !strings.Contains(err.Error(), password) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), password, "xxxxx"))
}

// rtspStream is a camera that plays. The client's reading goroutine writes into
// a pipe; a reader that is slow thereby slows the camera's TCP connection, and
// one that stops for longer than the idle time-out loses it.
type rtspStream struct {
	in     *rtsp
	client *gortsplib.Client
	pipe   *pipe
	tracks []*rtspTrack
	ended  chan struct{} // closed when the client has gone
	closed atomic.Bool
}

func (s *rtspStream) play(u *base.URL) error {
	desc, _, err := s.client.Describe(u)
	if err != nil {
		return err
	}
	tracks, err := chooseTracks(desc, s.in.o.Logger.With("input", s.in.String()))
	if err != nil {
		return err
	}
	s.tracks = tracks
	mux := newRTSPMux(s.pipe, tracks)
	var medias []*description.Media
	for _, t := range tracks {
		medias = append(medias, t.media)
	}
	if err := s.client.SetupAll(desc.BaseURL, medias); err != nil {
		return err
	}
	for _, t := range tracks {
		t.receive(s.client, mux)
	}
	_, err = s.client.Play(nil)
	return err
}

// wait ends the stream as the client ended.
func (s *rtspStream) wait() {
	defer close(s.ended)
	err := s.client.Wait()
	s.in.ended(s)
	switch {
	case s.closed.Load():
		err = net.ErrClosed
	case errors.Is(err, io.EOF):
		err = io.EOF
	}
	if err != io.EOF {
		err = fmt.Errorf("input %s: %w", s.in, s.in.redact(err))
	}
	s.pipe.closeWrite(err)
}

// discard takes down a client that never played.
func (s *rtspStream) discard() {
	s.pipe.drop(net.ErrClosed)
	s.client.Close()
}

func (s *rtspStream) Read(p []byte) (int, error) { return s.pipe.Read(p) }

func (s *rtspStream) Close() error {
	s.closed.Store(true)
	// First the pipe: the client may be waiting for a Read.
	s.pipe.drop(fmt.Errorf("input %s: %w", s.in, net.ErrClosed))
	s.client.Close()
	<-s.ended
	return nil
}
