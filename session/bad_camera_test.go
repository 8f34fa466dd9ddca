// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/session"
)

// Whatever a camera does with a command, the caller gets a result of the documented
// kind, and the service is of use afterwards.
func TestCommandsToABadCamera(t *testing.T) {
	c := newScripted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch cmd := string(b); {
		case cmd == "never":
			<-r.Context().Done()
		case cmd == "half":
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte("half of a reply"))
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case cmd == "stuck":
			w.Write([]byte("a reply that does not"))
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case cmd == "huge":
			io.Copy(w, io.LimitReader(zeros{}, 8<<20))
		case cmd == "bytes":
			w.Write([]byte{0xff, 0xfe, 0})
		case cmd == "silence":
		case cmd == "no":
			w.WriteHeader(500)
			w.Write([]byte("<html>not JSON"))
		default:
			w.Write(b)
		}
	}))
	m := c.module(func(cfg *session.Config) { cfg.CommandTimeout = time.Second })
	s, err := m.StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: c.Info(nil)})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 16<<10)
	for _, tt := range []struct {
		command string
		typ     string
		code    session.Code
		data    string
	}{
		{long, session.CommandSuccess, session.OK, long},
		{strings.Repeat("x", 16<<20), session.CommandError, session.BadArgument, ""},
		{"caf\xe9", session.CommandError, session.BadArgument, ""},
		{"never", session.CommandTimeout, session.StreamFailed, ""},
		{"stuck", session.CommandTimeout, session.StreamFailed, ""},
		{"half", session.CommandError, session.StreamFailed, ""},
		{"huge", session.CommandError, session.StreamFailed, ""},
		{"bytes", session.CommandSuccess, session.OK, "\xff\xfe\x00"},
		{"silence", session.CommandSuccess, session.OK, ""},
		{"no", session.CommandFailure, session.OK, "<html>not JSON"},
	} {
		r, err := s.SendCommand(t.Context(), tt.command)
		if answered := tt.typ == session.CommandSuccess || tt.typ == session.CommandFailure; r.Type != tt.typ || r.ErrCode != tt.code ||
			r.Data != tt.data || (err == nil) != answered || !answered && r.ErrMsg == "" {
			t.Errorf("%.20q: %.200v, %v", tt.command, r, err)
		}
		if r, err := s.SendCommand(t.Context(), "are you well?"); err != nil || r.Data != "are you well?" {
			t.Fatalf("after %.20q: %+v, %v", tt.command, r, err)
		}
	}
}

func TestCommandTimeoutIsTheOriginals(t *testing.T) {
	c := newScripted(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	s := c.service(session.StreamInfo{})
	began := time.Now()
	r, err := s.SendCommand(t.Context(), "x")
	if d := time.Since(began); r.Type != session.CommandTimeout || err == nil || d < 7*time.Second {
		t.Errorf("%+v after %s, %v", r, d, err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestLogEvents(t *testing.T) {
	c := newScripted(t, hello)
	var all, own eventLog
	var log strings.Builder
	m := c.module(func(cfg *session.Config) {
		cfg.Events, cfg.LogEvents = all.add, slog.LevelInfo
		cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	s, err := m.StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: c.Info(nil), Events: own.add})
	if err != nil {
		t.Fatal(err)
	}
	c.HangUp()
	own.waitFor(t, session.LogWarn, nil)
	s.Close()
	m.Close()
	line := func(l *eventLog, service, level, text string) {
		t.Helper()
		for _, e := range l.l {
			if e.Kind == session.Log && e.Service == service && e.Subtype == level && strings.Contains(e.Detail.(string), text) {
				return
			}
		}
		t.Errorf("no log event %s of %q with %q in %v", level, service, text, l.l)
	}
	line(&own, "one", session.LogInfo, "msg=connected service=one path=direct")
	line(&own, "one", session.LogWarn, `msg="link lost"`)
	line(&all, "one", session.LogWarn, `msg="link lost"`)
	line(&all, "", session.LogInfo, "msg=network nat=none")
	for _, e := range all.l {
		if e.Kind == session.Log && e.Subtype == session.LogDebug {
			t.Errorf("below the level: %v", e)
		}
		if l, _ := e.Detail.(string); e.Kind == session.Log && (strings.Contains(l, "\n") || strings.Contains(l, "level=")) {
			t.Errorf("line %q", l)
		}
	}
	if l := log.String(); !strings.Contains(l, "link lost") || strings.Contains(l, "msg=connected") {
		t.Errorf("the log itself: %s", l)
	}
}
