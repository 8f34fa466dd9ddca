// SPDX-License-Identifier: LGPL-2.1-or-later

// Package viewer connects a receiver to session: it dials the camera that a target
// names, over the service that all elements share (internal/gst/viewer).
package viewer

import (
	"context"
	"io"
	"log/slog"

	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/internal/gst/target"
	"github.com/xp2p/xp2p/internal/gst/viewer"
	"github.com/xp2p/xp2p/session"
)

// New makes a dialer for the camera of t.
func New(t target.Target, logger *slog.Logger) receiver.Dialer {
	return &dialer{t: t, logger: logger}
}

type dialer struct {
	t      target.Target
	logger *slog.Logger
}

func (d *dialer) Dial(ctx context.Context, events func(session.Event)) (receiver.Link, error) {
	s, err := viewer.Start(ctx, d.t, d.logger, events)
	if err != nil {
		return nil, err
	}
	return &link{s}, nil
}

// link is a service as a receiver sees it.
type link struct{ s *viewer.Service }

func (l *link) Stream(ctx context.Context, params string) (io.ReadCloser, error) {
	if isDownload(params) {
		return l.download(ctx, params)
	}
	st, err := l.s.StartStream(ctx, session.StreamRequest{Params: params})
	if err != nil {
		return nil, err
	}
	return st, nil
}

func (l *link) Path() string { return l.s.Path().Path }
func (l *link) Close() error { return l.s.Close() }
