// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/link/lossy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a camera's and a viewer's socket on loopback.
type world struct {
	t              testing.TB
	viewer, camera *Socket
	vid, cid       *Identity
	vnet, cnet     *lossy.Network // nil without impairment
}

func newWorld(t testing.TB, impair *lossy.Config) *world {
	t.Helper()
	w := &world{t: t}
	sock := func(n **lossy.Network, seed uint64) *Socket {
		cfg := SocketConfig{Bind: netip.MustParseAddr("127.0.0.1")}
		if impair != nil {
			c := *impair
			c.Seed += seed
			cfg.Impair = func(u *net.UDPConn) Impairment { *n = lossy.New(u, c); return *n }
		}
		s, err := Listen(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("close socket: %v", err)
			}
		})
		return s
	}
	w.viewer, w.camera = sock(&w.vnet, 1), sock(&w.cnet, 2)
	var err error
	if w.vid, err = NewIdentity(); err != nil {
		t.Fatal(err)
	}
	if w.cid, err = NewIdentity(); err != nil {
		t.Fatal(err)
	}
	return w
}

// signals carries one side's signals to the other in order, as the rendezvous does.
func signals(t testing.TB, to func() *Link) (send func(Signal), start func()) {
	ch := make(chan Signal, 256)
	ready := make(chan struct{})
	var once sync.Once
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ready:
		case <-stop:
			return
		}
		for {
			select {
			case s := <-ch:
				to().HandleSignal(s)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return func(s Signal) { ch <- s }, func() { once.Do(func() { close(ready) }) }
}

type ends struct {
	viewer, camera *Link
	viewerErr      error
	cameraErr      error
}

var testLinkID = func() func() string {
	var mu sync.Mutex
	n := 0
	return func() string { mu.Lock(); defer mu.Unlock(); n++; return fmt.Sprintf("test-%d", n) }
}()

// connect joins the two. change may alter the configurations.
func (w *world) connect(h http.Handler, change func(v, c *Config)) ends {
	w.t.Helper()
	var e ends
	toCamera, startC := signals(w.t, func() *Link { return e.camera })
	toViewer, startV := signals(w.t, func() *Link { return e.viewer })
	id := testLinkID()
	vc := Config{ID: id, Controlling: true, Identity: w.vid, Peer: w.cid.Pin(), OnSignal: toCamera}
	cc := Config{ID: id, Identity: w.cid, Peer: w.vid.Pin(), OnSignal: toViewer, Handler: h,
		Admit: func(ctx context.Context, hello []byte) (context.Context, error) {
			if string(hello) != "let me in" {
				return nil, &Refusal{Code: -2001, Reason: "no grant"}
			}
			return ctx, nil
		}}
	if change != nil {
		change(&vc, &cc)
	}
	var err error
	if e.viewer, err = w.viewer.NewLink(vc); err != nil {
		w.t.Fatal(err)
	}
	if e.camera, err = w.camera.NewLink(cc); err != nil {
		w.t.Fatal(err)
	}
	vd, _ := e.viewer.LocalDescription()
	cd, _ := e.camera.LocalDescription()
	startC()
	startV()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Add(2)
	go func() { defer wg.Done(); e.cameraErr = e.camera.Connect(ctx, vd, nil) }()
	go func() { defer wg.Done(); e.viewerErr = e.viewer.Connect(ctx, cd, []byte("let me in")) }()
	wg.Wait()
	w.t.Cleanup(func() { e.viewer.Close(); e.camera.Close() })
	return e
}

func (e ends) must(t testing.TB) ends {
	t.Helper()
	if e.viewerErr != nil || e.cameraErr != nil {
		t.Fatalf("connect: viewer %v, camera %v", e.viewerErr, e.cameraErr)
	}
	return e
}

func get(t testing.TB, l *Link, path string) *http.Response {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, "https://peer"+path, nil)
	res, err := l.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// echo answers with a body of the wanted size and its hash in a trailer-like first line.
func randomBody(n int) ([]byte, [32]byte) {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b, sha256.Sum256(b)
}

func bodyHandler(b []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(b) })
}

func TestRequestOverDirectPath(t *testing.T) {
	body, sum := randomBody(3 << 20)
	e := newWorld(t, nil).connect(bodyHandler(body), nil).must(t)
	res := get(t, e.viewer, "/ipc.flv?action=live")
	got, err := io.ReadAll(res.Body)
	if err != nil || sha256.Sum256(got) != sum {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
	if p := e.viewer.Path(); p.Kind != Direct || !strings.HasPrefix(p.Local, "host 127.0.0.1:") {
		t.Errorf("path is %+v", p)
	}
	if s := e.viewer.Stats(); s.BytesReceived < 3<<20 {
		t.Errorf("stats: %+v", s)
	}
}

func TestUploadWhileDownloading(t *testing.T) {
	e := newWorld(t, nil).connect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		http.NewResponseController(w).Flush()
		io.Copy(w, r.Body)
	}), nil).must(t)
	pr, pw := io.Pipe()
	req, _ := http.NewRequest(http.MethodPost, "https://peer/voice", pr)
	go func() {
		for range 50 {
			pw.Write(bytes.Repeat([]byte("voice"), 100))
		}
		pw.Close()
	}()
	res, err := e.viewer.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Body); err != nil || len(b) != 50*500 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
}

func TestLossAndDelay(t *testing.T) {
	for _, c := range []lossy.Config{
		{Seed: 7, Loss: 0.02, Delay: 10 * time.Millisecond},
		{Seed: 8, Loss: 0.1, Delay: 2 * time.Millisecond, Jitter: 5 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("loss %v", c.Loss), func(t *testing.T) {
			body, sum := randomBody(200 << 10)
			w := newWorld(t, &c)
			e := w.connect(bodyHandler(body), nil).must(t)
			got, err := io.ReadAll(get(t, e.viewer, "/x").Body)
			if err != nil || sha256.Sum256(got) != sum {
				t.Fatalf("got %d bytes, %v", len(got), err)
			}
			if _, lost := w.cnet.Counts(); lost == 0 {
				t.Error("the network lost nothing: the test shows nothing")
			}
		})
	}
}

func TestManyLinksOnTwoSockets(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 6 {
		want := fmt.Sprint("camera ", i)
		e := w.connect(bodyHandler([]byte(want)), nil).must(t)
		if b, _ := io.ReadAll(get(t, e.viewer, "/x").Body); string(b) != want {
			t.Fatalf("link %d answered %q", i, b)
		}
	}
}

func TestRefused(t *testing.T) {
	other, _ := NewIdentity()
	for _, tt := range []struct {
		name   string
		change func(v, c *Config)
		check  func(error) bool
	}{
		{"by the hello", func(v, c *Config) {
			c.Admit = func(context.Context, []byte) (context.Context, error) {
				return nil, &Refusal{Code: -2001, Reason: "the grant expired"}
			}
		}, func(err error) bool {
			var r *Refusal
			return errors.As(err, &r) && r.Code == -2001 && r.Reason == "the grant expired"
		}},
		{"camera has another key", func(v, c *Config) { c.Identity = other }, func(err error) bool { return errors.Is(err, ErrPin) }},
		{"viewer has another key", func(v, c *Config) { v.Identity = other }, func(err error) bool { return err != nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newWorld(t, nil).connect(bodyHandler(nil), func(v, c *Config) {
				tt.change(v, c)
				admit := c.Admit
				c.Admit = admit
			})
			if !tt.check(e.viewerErr) {
				t.Errorf("viewer's error: %v", e.viewerErr)
			}
		})
	}
}

func TestNothingBeforeHello(t *testing.T) {
	served := false
	g := &gate{link: &Link{cfg: Config{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true })}}}
	w := &recorder{h: http.Header{}}
	r, _ := http.NewRequest(http.MethodGet, "https://peer/ipc.flv?action=live", nil)
	g.ServeHTTP(w, r)
	if served || w.status != http.StatusForbidden {
		t.Errorf("served %v, status %d", served, w.status)
	}
}

type recorder struct {
	h      http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.h }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }
func (r *recorder) WriteHeader(s int)           { r.status = s }

// A path that is gone for longer than ICE's patience comes back by a restart
// under the living connection.
func TestRestartUnderLivingConnection(t *testing.T) {
	w := newWorld(t, &lossy.Config{Seed: 3})
	restarted, said := make(chan struct{}, 8), make(chan struct{}, 8)
	e := w.connect(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		for i := range 40 {
			fmt.Fprintf(rw, "%04d", i)
			http.NewResponseController(rw).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	}), func(v, c *Config) {
		send := v.OnSignal
		v.OnRestart = func() { said <- struct{}{} }
		v.OnSignal = func(s Signal) {
			if s.Ufrag != "" {
				restarted <- struct{}{}
			}
			send(s)
		}
	}).must(t)
	res := get(t, e.viewer, "/x")
	time.Sleep(300 * time.Millisecond)
	w.vnet.SetDown(true)
	w.cnet.SetDown(true)
	<-said
	<-restarted // ICE noticed
	w.vnet.SetDown(false)
	w.cnet.SetDown(false)
	b, err := io.ReadAll(res.Body)
	if err != nil || len(b) != 160 {
		t.Fatalf("%d bytes, %v; link: %v", len(b), err, e.viewer.Err())
	}
}

func TestPeerVanishes(t *testing.T) {
	w := newWorld(t, &lossy.Config{Seed: 3})
	e := w.connect(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	}), nil).must(t)
	res := get(t, e.viewer, "/x")
	w.cnet.SetDown(true)
	w.vnet.SetDown(true)
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("the body ended without an error")
	}
	<-e.viewer.Done()
	if !errors.Is(e.viewer.Err(), ErrPeerLost) {
		t.Errorf("link ended with %v", e.viewer.Err())
	}
}

func TestCloseReachesThePeer(t *testing.T) {
	e := newWorld(t, nil).connect(bodyHandler(nil), nil).must(t)
	e.camera.Close()
	<-e.viewer.Done()
	if err := e.viewer.Err(); err == nil || errors.Is(err, ErrPeerLost) {
		t.Errorf("link ended with %v", err)
	}
	if !errors.Is(e.camera.Err(), net.ErrClosed) {
		t.Errorf("own end: %v", e.camera.Err())
	}
}

func TestConnectIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	l, err := w.viewer.NewLink(Config{ID: "nobody", Controlling: true, Identity: w.vid, Peer: w.cid.Pin(), OnSignal: func(Signal) {}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	err = l.Connect(ctx, Signal{Ufrag: "abcdefgh", Password: "0123456789abcdef0123456789"}, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkConnect(b *testing.B) {
	w := newWorld(b, nil)
	for b.Loop() {
		e := w.connect(bodyHandler(nil), nil).must(b)
		e.viewer.Close()
		e.camera.Close()
	}
}

func BenchmarkBulk(b *testing.B) {
	chunk := make([]byte, 64<<10)
	e := newWorld(b, nil).connect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}), nil).must(b)
	res := get(b, e.viewer, "/x")
	buf := make([]byte, 64<<10)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if _, err := io.ReadFull(res.Body, buf); err != nil {
			b.Fatal(err)
		}
	}
	res.Body.Close()
}
