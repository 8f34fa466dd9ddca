// SPDX-License-Identifier: LGPL-2.1-or-later

package viewer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/gstsrc/internal/target"
	"github.com/xp2p/xp2p/session"
)

// account is what makes a module: who is asking, and where.
type account struct {
	app        session.AppParams
	rendezvous string
}

var (
	modules pool[account, *session.Module]
	serial  atomic.Uint64 // makes the ids of services unique in their module
)

// New makes a dialer for the camera of t. The account's file is read when
// dialling, and again for each link, so that it may be replaced meanwhile.
func New(t target.Target, logger *slog.Logger) receiver.Dialer {
	return &dialer{t: t, logger: logger}
}

type dialer struct {
	t      target.Target
	logger *slog.Logger
}

func (d *dialer) Dial(ctx context.Context, events func(session.Event)) (receiver.Link, error) {
	const op = "init"
	app, err := session.ReadAppParams(d.t.App)
	if err != nil {
		return nil, &session.Error{Op: op, Code: session.BadArgument, Err: err}
	}
	m, release, err := modules.acquire(ctx, account{app, d.t.Rendezvous}, func(ctx context.Context) (*session.Module, error) {
		return session.Init(ctx, session.Config{App: app, Rendezvous: d.t.Rendezvous, Logger: d.logger})
	})
	if err != nil {
		return nil, err
	}
	s, err := m.StartService(ctx, d.id(), session.StreamInfo{
		ProductID:  d.t.Product,
		DeviceName: d.t.Device,
		XP2PInfo:   d.t.XP2PInfo,
		Events:     events,
	})
	if err != nil {
		release()
		return nil, err
	}
	return &link{s: s, release: release}, nil
}

// id names the service in events and logs. Two elements may watch one camera.
func (d *dialer) id() string {
	n := serial.Add(1)
	if d.t.Device == "" {
		return fmt.Sprintf("viewer-%d", n)
	}
	return fmt.Sprintf("%s/%s-%d", d.t.Product, d.t.Device, n)
}

// link is a service and its hold on the module.
type link struct {
	s       *session.Service
	release func()
}

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

func (l *link) Close() error {
	err := l.s.Close()
	l.release()
	return err
}
