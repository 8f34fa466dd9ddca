// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"context"
	"log/slog"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/gst/target"
	"github.com/xp2p/xp2p/internal/gst/viewer"
	"github.com/xp2p/xp2p/session"
)

// Dialer makes links to one camera.
type Dialer interface {
	// Dial connects. events receives what happens on the link, from any goroutine,
	// until the link is closed.
	Dial(ctx context.Context, events func(session.Event)) (Link, error)
}

// Link is an open connection to a camera.
type Link interface {
	// Talk takes the camera's line. ctx bounds the call only.
	Talk(ctx context.Context, r session.VoiceRequest) (Voice, error)
	// Path says how packets reach the camera now: "direct", "relay".
	Path() string
	Close() error
}

// Voice is a line that was taken; *session.Voice is one.
type Voice interface {
	Format() session.AudioFormat
	WriteUnit(u *demux.Unit) error
	// Close waits until the camera has played everything. It and Abort may be called
	// from any goroutine; Abort wakes WriteUnit and Close.
	Close() error
	Abort()
	// Done is closed when the camera does not listen any more.
	Done() <-chan struct{}
}

// Camera makes a dialer for the camera of t.
func Camera(t target.Target, logger *slog.Logger) Dialer { return &dialer{t, logger} }

type dialer struct {
	t      target.Target
	logger *slog.Logger
}

func (d *dialer) Dial(ctx context.Context, events func(session.Event)) (Link, error) {
	s, err := viewer.Start(ctx, d.t, d.logger, events)
	if err != nil {
		return nil, err
	}
	return &link{s}, nil
}

type link struct{ s *viewer.Service }

func (l *link) Talk(ctx context.Context, r session.VoiceRequest) (Voice, error) {
	v, err := l.s.StartVoice(ctx, r)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (l *link) Path() string { return l.s.Path().Path }
func (l *link) Close() error { return l.s.Close() }
