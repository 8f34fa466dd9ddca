// SPDX-License-Identifier: LGPL-2.1-or-later

package feed

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/internal/testorigin"
	"github.com/xp2p/xp2p/swarm/source"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	path  = "/live/P_D.flv"
	token = "a token of cameras"
)

// world is a source whose stream a camera feeds.
type world struct {
	feed   *Feed
	url    string
	client *http.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	f, err := New(token)
	if err != nil {
		t.Fatal(err)
	}
	s, err := source.New(t.Context(), source.Config{Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)),
		Streams: []source.Stream{{Path: path, Origin: f.Open}}, Linger: 100 * time.Millisecond, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(Handler(map[string]*Feed{path: f}, s))
	w := &world{feed: f, url: srv.URL + path, client: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(func() {
		f.Close()
		s.Close()
		w.client.CloseIdleConnections()
		srv.CloseClientConnections()
		srv.Close()
	})
	return w
}

// camera feeds the source from an origin until the test ends; open counts its streams.
func (w *world) camera(t *testing.T, o *testorigin.Origin) (open *atomic.Int32) {
	t.Helper()
	origin, err := source.HTTPOrigin(o.URL())
	if err != nil {
		t.Fatal(err)
	}
	open = new(atomic.Int32)
	c, err := NewCamera(CameraConfig{URL: w.url, Token: token, Open: func(ctx context.Context) (io.ReadCloser, error) {
		rc, err := origin(ctx)
		if err == nil {
			open.Add(1)
			rc = &counted{ReadCloser: rc, n: open}
		}
		return rc, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { c.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return open
}

type counted struct {
	io.ReadCloser
	n    *atomic.Int32
	gone atomic.Bool
}

func (c *counted) Close() error {
	if c.gone.CompareAndSwap(false, true) {
		c.n.Add(-1)
	}
	return c.ReadCloser.Close()
}

// watch reads so many pictures as a player and leaves.
func (w *world) watch(pictures int) error {
	res, err := w.client.Get(w.url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	r := flv.NewReader(res.Body, flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for pictures > 0 {
		if err := r.Next(&tag, &u); err != nil {
			return fmt.Errorf("%s, %d pictures before the end: %w", res.Status, pictures, err)
		}
		if u.Kind == demux.Video && !u.Config {
			pictures--
		}
	}
	return nil
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("never: ", what)
}

// The camera sends while somebody watches, and only then; also for who comes back, and
// behind an end of the camera's own stream.
func TestFeed(t *testing.T) {
	o := testorigin.New(t, testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25}), 1)
	w := newWorld(t)
	w.feed.poll = 50 * time.Millisecond // so that a wait is answered with nothing
	open := w.camera(t, o)
	time.Sleep(200 * time.Millisecond)
	if n := o.Pulls.Load(); n != 0 {
		t.Fatalf("the camera was asked %d times before anybody watched", n)
	}
	if err := w.watch(30); err != nil {
		t.Fatal(err)
	}
	until(t, "the camera ends its stream", func() bool { return open.Load() == 0 && o.Active.Load() == 0 })
	if err := w.watch(10); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.watch(100) }()
	until(t, "it is sent again", func() bool { return open.Load() == 1 })
	o.Cut()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A request that is wrong is refused in words; a stream without its camera says so.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	other, err := New(token)
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	w.feed.push = 100 * time.Millisecond
	srv := httptest.NewServer(Handler(map[string]*Feed{path: w.feed, "/closed": other}, http.NotFoundHandler()))
	t.Cleanup(srv.Close)
	for _, tt := range []struct {
		method, url, token string
		status             int
		say                string
	}{
		{"GET", path + "?_feed=wait", token, 405, "POST"},
		{"POST", "/none?_feed=wait", token, 404, "--feed"},
		{"POST", path + "?_feed=wait", "", 401, "XP2P_FEED_TOKEN"},
		{"POST", path + "?_feed=push", token + "x", 401, "XP2P_FEED_TOKEN"},
		{"POST", path + "?_feed=pull", token, 404, "wait and push"},
		{"POST", "/closed?_feed=wait", token, 503, "ends"},
		{"POST", "/closed?_feed=push", token, 503, "ends"},
		{"POST", path + "?_feed=push", token, 409, "nobody watches"},
		{"POST", path, token, 404, ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, srv.URL+tt.url, strings.NewReader("FLV"))
		if err != nil {
			t.Fatal(err)
		}
		if tt.token != "" {
			req.Header.Set("Authorization", "Bearer "+tt.token)
		}
		res, err := w.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != tt.status || !strings.Contains(string(b), tt.say) {
			t.Errorf("%+v: %s %s", tt, res.Status, b)
		}
	}
	if _, err := New("short"); err == nil {
		t.Error("a short token is taken")
	}
	open := func(context.Context) (io.ReadCloser, error) { return nil, io.EOF }
	for _, cfg := range []CameraConfig{{URL: "h/a", Token: token, Open: open}, {URL: "http://h/a", Token: "x", Open: open}, {URL: "http://h/a", Token: token}} {
		if _, err := NewCamera(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

// A camera that pushes garbage or falls silent harms its own stream alone: the next one
// takes its place.
func TestBadCamera(t *testing.T) {
	o := testorigin.New(t, testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25}), 1)
	w := newWorld(t)
	done := make(chan error, 1)
	go func() { done <- w.watch(10) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"?_feed=push", io.MultiReader(strings.NewReader("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"), strings.NewReader(strings.Repeat("garbage", 100_000))))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if res, err := w.client.Do(req); err == nil {
		res.Body.Close()
	}
	w.camera(t, o)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
