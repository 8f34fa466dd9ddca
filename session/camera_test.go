// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testcamera"
	"github.com/xp2p/xp2p/session"
)

// scripted is a camera whose requests a test answers itself.
type scripted struct {
	*testcamera.Camera
	t testing.TB
}

func newScripted(t testing.TB, h http.Handler) *scripted {
	t.Helper()
	return &scripted{testcamera.New(t, h), t}
}

func (c *scripted) module(change func(*session.Config)) *session.Module {
	return (&world{t: c.t, rv: c.Rendezvous}).module(change)
}

// service is a service of a module of its own.
func (c *scripted) service(info session.StreamInfo) *session.Service {
	c.t.Helper()
	if info.XP2PInfo == "" {
		info.XP2PInfo = c.Info(nil)
	}
	s, err := c.module(nil).StartService(c.t.Context(), "one", info)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// waitFor returns the first event of a subtype for which ok holds, in the order in which they came.
func (l *eventLog) waitFor(t testing.TB, subtype string, ok func(session.Event) bool) session.Event {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		l.mu.Lock()
		for _, e := range l.l {
			if e.Subtype == subtype && (ok == nil || ok(e)) {
				l.mu.Unlock()
				return e
			}
		}
		l.mu.Unlock()
	}
	t.Fatalf("no event %s came; events: %v", subtype, l.names())
	return session.Event{}
}
