// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/swarm/keys"
	"github.com/xp2p/xp2p/swarm/source"
)

// meshed waits until stripes come from viewers.
func meshed(t *testing.T, vs []*viewer) {
	t.Helper()
	eventually(t, "stripes come from viewers", func() bool {
		n := 0
		for _, v := range vs {
			s := v.Stats()
			n += s.FromPeers()
		}
		return n >= 3*(len(vs)-1)
	})
}

// A tracker that dies takes nothing with it; who comes then is fed by the source.
func TestTrackerDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.watchTruth("")
	var vs []*viewer
	for i := range 4 {
		vs = append(vs, w.view(fmt.Sprint(i), nil))
	}
	meshed(t, vs)
	w.dead.Store(true)
	for _, v := range vs { // their tracks break off
		v.post(v.life, func() { v.source.cancel() })
	}
	for _, v := range vs {
		eventually(t, "the way to the source breaks", func() bool { return !v.tracked.Load() })
	}
	vs = append(vs, w.view("late", nil))
	before := make([]uint64, len(vs))
	for i, v := range vs {
		before[i] = v.Stats().PeerBytes
	}
	goOn(t, vs, 200)
	for _, v := range vs {
		if err := v.check(); err != nil {
			t.Error(err)
		}
	}
	moved := 0
	for i, v := range vs[:4] {
		if v.Stats().PeerBytes > before[i] {
			moved++
		}
	}
	if moved < 2 {
		t.Errorf("%d of 4 viewers go on having bytes from each other", moved)
	}
	if s := vs[4].Stats(); s.PeerBytes != 0 || s.SourceBytes == 0 {
		t.Errorf("the newcomer: %+v", s)
	}
}

// A source that starts again has another run of sequences and times from 0: the viewers'
// streams go on.
func TestSourceRestarts(t *testing.T) {
	t.Parallel()
	var now atomic.Pointer[source.Source]
	w := newWorld(t, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { now.Load().ServeHTTP(rw, r) }))
	t.Cleanup(srv.Close)
	begin := func() *source.Source {
		open, err := source.HTTPOrigin(w.origin.URL())
		if err != nil {
			t.Fatal(err)
		}
		s, err := source.New(t.Context(), source.Config{Key: testKey, Streams: []source.Stream{{Path: path, Origin: open}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	first := begin()
	now.Store(first)
	var vs []*viewer
	for i := range 3 {
		vs = append(vs, w.view(fmt.Sprint(i), func(c *Config) { c.URL = srv.URL + path }))
	}
	meshed(t, vs)
	time.Sleep(1100 * time.Millisecond) // sequences and epochs of a run begin with the second
	first.Close()
	now.Store(begin())
	goOn(t, vs, 300)
	for _, v := range vs {
		v.mu.Lock()
		for i, id := range v.tags[1:] {
			if step := int32(id.ms - v.tags[i].ms); step < -1000 || step > 20_000 {
				t.Errorf("viewer %s: time steps by %d ms", v.name, step)
			}
		}
		v.mu.Unlock()
	}
	meshed(t, vs)
}

// Another source at the URL is not the one that was joined.
func TestOtherKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	other := newWorld(t, func(c *source.Config) { c.Key = testKey2 })
	var now atomic.Pointer[source.Source]
	now.Store(w.source)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { now.Load().ServeHTTP(rw, r) }))
	t.Cleanup(srv.Close)
	v := w.view("0", func(c *Config) { c.URL = srv.URL + path })
	eventually(t, "it watches", func() bool { return v.seen() > 0 })
	now.Store(other.source)
	v.post(v.life, func() { v.source.cancel() })
	<-v.done
	if !errors.Is(v.err, ErrOtherKey) {
		t.Errorf("the stream ended with %v", v.err)
	}
}

// A sealed stream is for who has its code, and as long as the code holds.
func TestSealed(t *testing.T) {
	t.Parallel()
	service := keys.NewService(keys.NewMemory(0), time.Hour)
	var expired atomic.Bool
	h := service.Handler(keys.HandlerConfig{})
	codes := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if expired.Load() {
			http.NotFound(rw, r)
			return
		}
		h.ServeHTTP(rw, r)
	}))
	t.Cleanup(codes.Close)
	w := newWorld(t, func(c *source.Config) { c.Issuer, c.Rotate, c.Lead = service, 3*time.Second, 10*time.Millisecond })
	code := w.source.Code(path)
	for name, codeURL := range map[string]string{"no code": "", "another code": codes.URL + "/code/00000000-0000-4000-8000-000000000000"} {
		p, err := Start(t.Context(), Config{URL: w.url(), CodeURL: codeURL})
		if err == nil {
			p.Close()
		}
		if !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.watchTruth("?code=" + code)
	var vs []*viewer
	for i := range 3 {
		vs = append(vs, w.view(fmt.Sprint(i), func(c *Config) { c.CodeURL = codes.URL + "/code/" + code }))
	}
	meshed(t, vs)
	rec, err := service.Lookup(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	from := rec.Newest().ID
	eventually(t, "the key changes twice", func() bool {
		rec, err := service.Lookup(t.Context(), code)
		return err == nil && rec.Newest().ID >= from+2
	})
	goOn(t, vs, 100)
	for _, v := range vs {
		if err := v.check(); err != nil {
			t.Error(err)
		}
	}
	expired.Store(true)
	for _, v := range vs {
		<-v.done
		if !errors.Is(v.err, ErrSealed) {
			t.Errorf("viewer %s ended with %v", v.name, v.err)
		}
	}
}

// Five hundred come at once; all are fed, and none of the earlier ones loses a tag.
func TestManyJoin(t *testing.T) {
	const many = 500
	w := newWorld(t, nil)
	w.watchTruth("")
	early := w.view("early", nil)
	sock, _ := loopback(t)
	defer sock.Close()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	var played atomic.Int32
	for range many {
		_, id := identity(t)
		wg.Go(func() {
			p, err := Start(t.Context(), Config{URL: w.url(), Socket: sock, Identity: id, NoDownload: true, HTTP: client})
			if err != nil {
				t.Errorf("join: %v", err)
				return
			}
			defer p.Close()
			r := flv.NewReader(p, flv.Options{Strict: true})
			var tag flv.Tag
			var u demux.Unit
			for range 20 {
				if err := r.Next(&tag, &u); err != nil {
					t.Errorf("read: %v", err)
					return
				}
				if _, ok := w.truth.find(idOf(&tag, &u)); !ok && !idOf(&tag, &u).config {
					// The player may be behind; what is not the source's is never there.
					time.Sleep(5 * time.Second)
					if _, ok := w.truth.find(idOf(&tag, &u)); !ok {
						t.Error("a tag is not the source's")
						return
					}
				}
			}
			played.Add(1)
		})
	}
	wg.Wait()
	if n := played.Load(); n != many {
		t.Errorf("%d of %d have seen the stream", n, many)
	}
	goOn(t, []*viewer{early}, 50)
	if err := early.check(); err != nil {
		t.Error(err)
	}
}

// What is at a URL may be no swarm, or nothing.
func TestNoSwarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	plain := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/405":
			rw.WriteHeader(http.StatusMethodNotAllowed)
		case "/200":
			rw.Write(flv.AppendHeader(nil, true, true))
		case "/500":
			rw.WriteHeader(http.StatusInternalServerError)
		case "/long":
			rw.Write([]byte(strings.Repeat("\x01\x00\xff\xff", 1<<16)))
		default:
			http.NotFound(rw, r)
		}
	}))
	defer plain.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String() + "/a.flv"
	l.Close()
	var refused *Refusal
	for _, tt := range []struct {
		url string
		ok  func(error) bool
	}{
		{plain.URL + "/404", func(err error) bool { return errors.Is(err, ErrNotSwarm) }},
		{plain.URL + "/405", func(err error) bool { return errors.Is(err, ErrNotSwarm) }},
		{plain.URL + "/200", func(err error) bool { return errors.Is(err, ErrNotSwarm) }},
		{plain.URL + "/500", func(err error) bool { return err != nil && !errors.Is(err, ErrNotSwarm) }},
		{plain.URL + "/long", func(err error) bool { return errors.Is(err, ErrNotSwarm) }},
		{w.srv.URL + "/live/none.flv", func(err error) bool { return errors.As(err, &refused) && refused.Code == -2000 }},
		{nobody, func(err error) bool { return err != nil && !errors.Is(err, ErrNotSwarm) }},
		{"ftp://h/a", func(err error) bool { return err != nil }},
		{"", func(err error) bool { return err != nil }},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		p, err := Start(ctx, Config{URL: tt.url})
		if err == nil {
			p.Close()
		}
		if !tt.ok(err) {
			t.Errorf("%s: %v", tt.url, err)
		}
		cancel()
	}
}

// The switches of the reference, while the stream goes on.
func TestSwitches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.watchTruth("")
	var vs []*viewer
	for i := range 3 {
		vs = append(vs, w.view(fmt.Sprint(i), nil))
	}
	meshed(t, vs)
	ask := func(v *viewer, path string) (int, string) {
		rec := httptest.NewRecorder()
		v.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		b, _ := io.ReadAll(rec.Body)
		return rec.Code, strings.TrimSpace(string(b))
	}
	v := vs[1]
	if status, body := ask(v, "/feature?download=0&upload=0"); status != 200 || body != `{"download":0,"msg":"ok","ret":0,"upload":0}` {
		t.Errorf("%d %s", status, body)
	}
	eventually(t, "it has all from the source and gives nothing", func() bool {
		s := v.Stats()
		return s.FromPeers() == 0 && s.Orphans == 0 && s.Used == 0 && s.Slots == 0
	})
	if status, body := ask(v, "/feature?download=1"); status != 200 || body != `{"download":1,"msg":"ok","ret":0,"upload":0}` {
		t.Errorf("%d %s", status, body)
	}
	eventually(t, "it takes from viewers again", func() bool { s := v.Stats(); return s.FromPeers() > 0 })
	if status, _ := ask(v, "/feature?download=2"); status != 400 {
		t.Errorf("download=2: %d", status)
	}
	if status, _ := ask(v, "/other"); status != 404 {
		t.Errorf("another path: %d", status)
	}
	status, body := ask(v, "/stat?xresid=live/a")
	var stat struct {
		Flow struct{ P2PBytes, CdnBytes uint64 }
	}
	if err := json.Unmarshal([]byte(body), &stat); err != nil || status != 200 || stat.Flow.P2PBytes == 0 || stat.Flow.CdnBytes == 0 {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := ask(v, "/stat?xresid=live/b"); status != 404 {
		t.Errorf("another stream: %d", status)
	}
	for _, v := range vs {
		if err := v.check(); err != nil {
			t.Error(err)
		}
	}
}

// A viewer whose player does not read keeps little, and goes on at a key frame.
func TestNobodyReads(t *testing.T) {
	o := newOutput()
	b := make([]byte, 1<<20)
	for i := range 8 {
		if !o.put(b) {
			t.Fatalf("MiB %d has no room", i)
		}
	}
	if n, err := o.Read(make([]byte, 10)); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	if o.put(b) {
		t.Error("there is room for more than the limit")
	}
	n, _ := io.CopyN(io.Discard, o, 1<<20-10)
	if o.put([]byte("next")); n != 1<<20-10 {
		t.Errorf("the tag that was begun ends after %d bytes", n)
	}
	rest := make([]byte, 10)
	if n, err := o.Read(rest); string(rest[:n]) != "next" || err != nil {
		t.Errorf("%q, %v", rest[:n], err)
	}
	o.end(io.EOF)
	if _, err := o.Read(rest); err != io.EOF {
		t.Error(err)
	}
}
