// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/session"
)

var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })

func isFinal(e session.Event) bool { return e.Detail.(session.DisconnectDetail).Final }

// count of the events of a subtype.
func (l *eventLog) count(subtype string) int {
	n := 0
	for _, s := range l.names() {
		if s == subtype {
			n++
		}
	}
	return n
}

func TestServiceRecoversByItself(t *testing.T) {
	c := newScripted(t, hello)
	var events eventLog
	s := c.service(session.StreamInfo{Events: events.add})
	for round := 1; round <= 3; round++ {
		c.HangUp()
		for events.count(session.Connected) <= round {
			time.Sleep(time.Millisecond)
		}
	}
	if r, err := s.SendCommand(t.Context(), "x"); err != nil || r.Data != "hello" {
		t.Errorf("command: %+v, %v", r, err)
	}
	s.Close()
	got := slices.DeleteFunc(events.names(), func(n string) bool { return n == session.PathChanged })
	want := []string{"connected"}
	for range 3 {
		want = append(want, "disconnect", "reconnecting", "connected")
	}
	if !slices.Equal(got, want) {
		t.Errorf("events %v", got)
	}
	// Links that do not last are no reason to start over with short waits.
	last := 0
	for _, e := range events.l {
		if d, ok := e.Detail.(session.ReconnectDetail); ok {
			if d.Attempt != last+1 || d.Code != session.StreamFailed {
				t.Errorf("%+v after attempt %d", d, last)
			}
			last = d.Attempt
		}
	}
}

func TestRecoveryGivesUpWhenRevoked(t *testing.T) {
	c := newScripted(t, hello)
	var events eventLog
	s := c.service(session.StreamInfo{Events: events.add})
	c.Refuse.Store(&link.Refusal{Code: -2001, Reason: "the camera refused: revoked"})
	c.HangUp()
	e := events.waitFor(t, session.Disconnect, isFinal)
	if d := e.Detail.(session.DisconnectDetail); d.Code != session.BadXP2PInfo {
		t.Errorf("%+v", d)
	}
	if n := c.Joins.Load(); n != 2 {
		t.Errorf("%d joins", n)
	}
	// Asked explicitly, it tries once more; and when it is let in again, all is well.
	_, err := s.SendCommand(t.Context(), "x")
	wantCode(t, err, session.BadXP2PInfo)
	c.Refuse.Store(nil)
	if r, err := s.SendCommand(t.Context(), "x"); err != nil || r.Data != "hello" {
		t.Errorf("let in again: %+v, %v", r, err)
	}
	c.HangUp()
	for events.count(session.Connected) < 3 {
		time.Sleep(time.Millisecond)
	}
	s.Close()
}

func TestRecoveryGivesUpWhenExpired(t *testing.T) {
	c := newScripted(t, hello)
	var events eventLog
	expires := time.Now().Add(2 * time.Second) // the token counts in seconds
	s := c.service(session.StreamInfo{Events: events.add, XP2PInfo: c.Info(func(g *grant.Grant) { g.Expires = expires })})
	time.Sleep(time.Until(expires))
	c.HangUp()
	events.waitFor(t, session.Disconnect, isFinal)
	if n := c.Joins.Load(); n != 1 {
		t.Errorf("%d joins: an xp2pInfo that has expired needs no asking", n)
	}
	s.Close()
}

// A service that is closed while it waits to join again ends at once.
func TestCloseDuringRecovery(t *testing.T) {
	c := newScripted(t, hello)
	var events eventLog
	s := c.service(session.StreamInfo{Events: events.add})
	c.Refuse.Store(&link.Refusal{Code: -2402, Reason: "busy"})
	c.HangUp()
	events.waitFor(t, session.Reconnecting, func(e session.Event) bool { return e.Detail.(session.ReconnectDetail).Attempt == 3 })
	s.Close()
	_, err := s.StartStream(t.Context(), session.StreamRequest{})
	wantCode(t, err, session.NoService)
	if !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestReset(t *testing.T) {
	c := newScripted(t, hello)
	var mod, events eventLog
	m := c.module(func(cfg *session.Config) { cfg.Events = mod.add })
	s, err := m.StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: c.Info(nil), Events: events.add})
	if err != nil {
		t.Fatal(err)
	}
	nat := m.NAT()
	if nat.Kind != session.NATNone || len(nat.Mapped) == 0 || len(nat.Local) != 1 || nat.Mapped[0] != nat.Local[0] {
		t.Errorf("NAT on loopback: %+v", nat)
	}
	if e := mod.waitFor(t, session.NATChanged, nil); e.Service != "" || e.Detail.(session.NAT).Kind != nat.Kind {
		t.Errorf("%+v", e)
	}
	if err := m.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := s.SendCommand(t.Context(), "x"); err != nil || r.Data != "hello" {
		t.Errorf("after a reset: %+v, %v", r, err)
	}
	if n := events.count(session.Connected); n != 1 {
		t.Errorf("the link did not survive a reset: %v", events.names())
	}

	// A service that waits for its camera tries at once.
	c.Refuse.Store(&link.Refusal{Code: -2402, Reason: "busy"})
	c.HangUp()
	events.waitFor(t, session.Reconnecting, func(e session.Event) bool { return e.Detail.(session.ReconnectDetail).Attempt > 1 })
	c.Refuse.Store(nil)
	if err := m.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	for events.count(session.Connected) < 2 {
		time.Sleep(time.Millisecond)
	}

	// Without a rendezvous there is nothing to learn, and what stands is left alone.
	m.Close()
	wantCode(t, m.Reset(t.Context()), session.NotInitialised)
}

func TestResetWithoutRendezvous(t *testing.T) {
	c := newScripted(t, hello)
	var mod eventLog
	m := c.module(func(cfg *session.Config) { cfg.Events, cfg.ConnectTimeout = mod.add, 2*time.Second })
	s, err := m.StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: c.Info(nil)})
	if err != nil {
		t.Fatal(err)
	}
	c.Rendezvous.Close()
	wantCode(t, m.Reset(t.Context()), session.ProbeFailed)
	mod.waitFor(t, session.NATError, nil)
	if r, err := s.SendCommand(t.Context(), "x"); err != nil || r.Data != "hello" {
		t.Errorf("the link without a rendezvous: %+v, %v", r, err)
	}
}
