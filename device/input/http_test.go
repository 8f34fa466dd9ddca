package input

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// soon is a time-out that a test waits for.
const soon = 200 * time.Millisecond

// serve starts a server whose handlers may wait for the end of the test.
func serve(t *testing.T, h func(w http.ResponseWriter, r *http.Request, end <-chan struct{})) string {
	t.Helper()
	end := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r, end) }))
	t.Cleanup(func() {
		close(end)
		s.Close()
	})
	return s.URL
}

func TestHTTP(t *testing.T) {
	data, err := os.ReadFile(testmedia.FLV(t, testmedia.H264AAC, 2, testmedia.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	base := serve(t, func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
		if user, password, _ := r.BasicAuth(); user != "admin" || password != "secret" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if r.URL.Path == "/old.flv" {
			http.Redirect(w, r, "/live.flv", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "video/x-flv")
		w.Write(data)
	})
	u, _ := url.Parse(base)
	u.User = url.UserPassword("admin", "secret")
	for _, path := range []string{"/live.flv", "/old.flv"} {
		s := open(t, u.JoinPath(path).String(), Options{})
		m := watch(t, s, testmedia.Frames(2), 1)
		if m.keys != 1 {
			t.Errorf("%d key frames", m.keys)
		}
		if _, err := io.Copy(io.Discard, s); err != nil {
			t.Errorf("at the end: %v", err)
		}
	}
	if err := refuse(t, base+"/live.flv", Options{}); !strings.Contains(err.Error(), "401") {
		t.Errorf("without credentials: %v", err)
	}
}

func TestHTTPErrors(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request, end <-chan struct{}) {
		switch r.URL.Path {
		case "/page":
			io.WriteString(w, "<html>no camera here</html>")
		case "/empty":
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/hang":
			select {
			case <-end:
			case <-r.Context().Done():
			}
		case "/stall":
			w.(http.Flusher).Flush()
			select {
			case <-end:
			case <-r.Context().Done():
			}
		default:
			http.NotFound(w, r)
		}
	})
	short := map[string]Options{"/hang": {HeaderTimeout: soon}, "/stall": {IdleTimeout: soon}}
	for path, says := range map[string]string{
		"/none.flv?token=secret": "404 Not Found",
		"/page":                  "text/html",
		"/empty":                 "not an FLV stream",
		"/loop":                  "redirect",
		"/hang":                  "timeout",
		"/stall":                 "nothing came for",
	} {
		err := refuse(t, base+path, short[path])
		if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", path, err, says)
		}
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := refuse(t, "http://"+l.Addr().String()+"/a.flv", Options{}); !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody there: %v", err)
	}

	in, err := Parse(base+"/hang", Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if _, err := in.Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a deadline: %v", err)
	}
}

// A stream that stalls ends with a time-out, and Close wakes one that waits.
func TestHTTPStall(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request, end <-chan struct{}) {
		io.WriteString(w, "FLV and no more")
		w.(http.Flusher).Flush()
		select {
		case <-end:
		case <-r.Context().Done():
		}
	})
	s := open(t, base, Options{IdleTimeout: soon})
	if _, err := io.Copy(io.Discard, s); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stalled stream: %v", err)
	}
	closeWakes(t, open(t, base, Options{}))
}
