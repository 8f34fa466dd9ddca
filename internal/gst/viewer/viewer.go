// SPDX-License-Identifier: LGPL-2.1-or-later

package viewer

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/xp2p/xp2p/internal/gst/target"
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

// Service is a service and its hold on the module.
type Service struct {
	*session.Service
	release func()
}

// Start connects to the camera of t, or joins its stream of many viewers. events receives what happens on the link, from any
// goroutine, until the service is closed. The account's file is read each time, so that
// it may be replaced meanwhile. Errors are those of session.Init and StartService.
func Start(ctx context.Context, t target.Target, logger *slog.Logger, events func(session.Event)) (*Service, error) {
	const op = "init"
	var app session.AppParams
	if t.App != "" { // a swarm needs none
		var err error
		if app, err = session.ReadAppParams(t.App); err != nil {
			return nil, &session.Error{Op: op, Code: session.BadArgument, Err: err}
		}
	}
	m, release, err := modules.acquire(ctx, account{app, t.Rendezvous}, func(ctx context.Context) (*session.Module, error) {
		return session.Init(ctx, session.Config{App: app, Rendezvous: t.Rendezvous, Logger: logger})
	})
	if err != nil {
		return nil, err
	}
	s, err := m.StartService(ctx, id(t), session.StreamInfo{
		ProductID:  t.Product,
		DeviceName: t.Device,
		XP2PInfo:   t.XP2PInfo,
		URL:        t.HTTP,
		CodeURL:    t.CodeURL,
		Events:     events,
	})
	if err == nil && t.NoUpload {
		err = s.SwitchSwarm(true, false)
	}
	if err != nil {
		if s != nil {
			s.Close()
		}
		release()
		return nil, err
	}
	return &Service{s, release}, nil
}

// id names a service in events and logs. Two elements may use one camera.
func id(t target.Target) string {
	n := serial.Add(1)
	if t.HTTP != "" {
		return fmt.Sprintf("%s-%d", t.Name(), n)
	}
	if t.Device == "" {
		return fmt.Sprintf("viewer-%d", n)
	}
	return fmt.Sprintf("%s/%s-%d", t.Product, t.Device, n)
}

// Close ends the service, and the module behind its last one.
func (s *Service) Close() error {
	err := s.Service.Close()
	s.release()
	return err
}
