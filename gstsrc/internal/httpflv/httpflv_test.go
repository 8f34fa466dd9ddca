// SPDX-License-Identifier: LGPL-2.1-or-later

package httpflv

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/session"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func link0(t *testing.T, h http.HandlerFunc) (receiver.Link, *[]string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	var events []string
	l, err := New(srv.URL+"/live.flv?token=secret", slog.New(slog.DiscardHandler)).Dial(t.Context(), func(e session.Event) { events = append(events, e.Subtype) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, &events
}

func TestStream(t *testing.T) {
	l, events := link0(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.URL.RawQuery)
	})
	s, err := l.Stream(t.Context(), "action=live")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if b, err := io.ReadAll(s); err != nil || string(b) != "token=secret" {
		t.Errorf("%q, %v", b, err)
	}
	if got := strings.Join(*events, " "); got != "request connected parsed eof" {
		t.Errorf("events %s", got)
	}
	if l.Path() != "http" {
		t.Error(l.Path())
	}
	if r, err := l.Command(t.Context(), "x"); err == nil || r.ErrCode != session.NotSupported {
		t.Error(r, err)
	}
}

func TestRefusals(t *testing.T) {
	for status, want := range map[int]session.Code{
		401: session.BadArgument, 403: session.BadArgument, 404: session.StreamFailed, 406: session.NotSupported, 503: session.StreamFailed,
	} {
		l, _ := link0(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		_, err := l.Stream(t.Context(), "")
		if code, _ := session.CodeOf(err); code != want {
			t.Errorf("status %d: %v, want code %d", status, err, want)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := New("http://127.0.0.1:1/x?token=secret", nil).Dial(t.Context(), func(session.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Stream(t.Context(), "")
	if code, _ := session.CodeOf(err); code != session.StreamFailed || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// Closing wakes a read, and ending the call's context ends the call.
func TestCloseWakes(t *testing.T) {
	l, _ := link0(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	s, err := l.Stream(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { _, err := s.Read(make([]byte, 1)); done <- err }()
	s.Close()
	if err := <-done; err == nil || err == io.EOF {
		t.Error(err)
	}

	silent, _ := link0(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	if _, err := silent.Stream(ctx, ""); err == nil {
		t.Error("no error")
	}
}
