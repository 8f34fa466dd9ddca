// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/internal/testorigin"
	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/swarm/keys"
	"github.com/xp2p/xp2p/swarm/wire"
)

// registry is a rendezvous whose leases end when a test says so.
type registry struct {
	mu      sync.Mutex
	leader  string
	force   string // the ID of who leads whatever it says
	sources map[string]rendezvous.Source
	cut     map[string]bool // IDs that do not reach it
}

func newRegistry() *registry {
	return &registry{sources: map[string]rendezvous.Source{}, cut: map[string]bool{}}
}

func (r *registry) AnnounceSource(_ context.Context, _ ed25519.PrivateKey, n rendezvous.SourceNews) (l rendezvous.SourceList, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut[n.ID] {
		return l, errors.New("cut off")
	}
	r.sources[n.ID] = n.Source
	switch {
	case r.force != "":
		r.leader = r.force
	case n.Want == rendezvous.Gone:
		delete(r.sources, n.ID)
		if r.leader == n.ID {
			r.leader = ""
		}
	case n.Want != rendezvous.Follow && r.leader == "":
		r.leader = n.ID
	case n.Want == rendezvous.Follow && r.leader == n.ID:
		r.leader = ""
	}
	l.Leader = r.leader
	for _, s := range r.sources {
		l.Sources = append(l.Sources, s)
	}
	return l, nil
}

func (r *registry) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// fellow is one of several sources of a stream.
type fellow struct {
	*Source
	srv *httptest.Server
}

func (f *fellow) id() string { return f.streams[path].group.self.ID }

func (f *fellow) leads() bool { s, _ := f.Stats(path); return s.Leads }

func newFellow(t *testing.T, reg *registry, o *testorigin.Origin, change func(*Config)) *fellow {
	t.Helper()
	f := &fellow{}
	h := make(chan http.Handler, 1)
	f.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := <-h
		h <- x
		x.ServeHTTP(w, r)
	}))
	open, err := HTTPOrigin(o.URL())
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Key: testKey, Streams: []Stream{{Path: path, Origin: open}}, Registry: reg, Public: f.srv.URL + "/"}
	if change != nil {
		change(&cfg)
	}
	if f.Source, err = New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	h <- f.Source
	t.Cleanup(func() {
		f.Close()
		f.srv.CloseClientConnections()
		f.srv.Close()
	})
	return f
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not come about: ", what)
}

// watched has somebody watch until the test ends, and reads as many tags as a
// test says.
func watched(t *testing.T, url string) (read func(tags int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: &http.Transport{}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); res.Body.Close(); client.CloseIdleConnections() })
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	r := flv.NewReader(res.Body, flv.Options{Strict: true})
	return func(n int) {
		t.Helper()
		var tag flv.Tag
		var u demux.Unit
		for i := range n {
			if err := r.Next(&tag, &u); err != nil {
				t.Fatalf("after %d tags: %v", i, err)
			}
		}
	}
}

// A leader that the rendezvous does not hear goes on leading while the others can reach it,
// whoever has the lease ends; when another has led meanwhile it follows.
func TestLeaderCutOff(t *testing.T) {
	t.Parallel()
	o := testorigin.New(t, testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25}), 1)
	reg := newRegistry()
	a := newFellow(t, reg, o, nil)
	until(t, "the first leads", a.leads)
	b := newFellow(t, reg, o, nil)
	until(t, "they know each other", func() bool { s, _ := b.Stats(path); return s.Mirrors == 1 })
	atA, atB := watched(t, a.srv.URL+path), watched(t, b.srv.URL+path)
	atA(50)
	atB(50)
	reg.change(func() { reg.cut[a.id()], reg.leader = true, "" })
	for range 3 { // announcements of b, which finds a alive
		reg.change(func() { delete(reg.sources, b.id()) })
		until(t, "b has asked again", func() (ok bool) { reg.change(func() { _, ok = reg.sources[b.id()] }); return ok })
	}
	if b.leads() || !a.leads() {
		t.Errorf("a leads: %v, b: %v; want a alone, which answers", a.leads(), b.leads())
	}
	reg.change(func() { reg.force = b.id() }) // as if it had not answered
	until(t, "b leads", b.leads)
	atB(50)
	reg.change(func() { delete(reg.cut, a.id()) })
	until(t, "a follows", func() bool { return !a.leads() })
	atA(100)
	atB(50)
	until(t, "the origin is pulled once", func() bool { return o.Active.Load() == 1 })
	// And back: what it cuts then is behind all that b has cut.
	high := b.streams[path].hub.end()
	reg.change(func() { reg.force = a.id() })
	until(t, "a leads again", a.leads)
	until(t, "b follows", func() bool { return !b.leads() })
	atA(100)
	atB(100)
	for _, f := range []*fellow{a, b} {
		if end := f.streams[path].hub.end(); end <= high {
			t.Errorf("the chunks end at %d, not behind %d", end, high)
		}
	}
}

// A leader whose origin gives it nothing lets another one try.
func TestLeaderWithoutOrigin(t *testing.T) {
	t.Parallel()
	file := testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25})
	silent, good := testorigin.New(t, file, 1), testorigin.New(t, file, 1)
	silent.Silent.Store(true)
	reg := newRegistry()
	a := newFellow(t, reg, silent, nil)
	until(t, "the first leads", a.leads)
	b := newFellow(t, reg, good, func(c *Config) { c.Patience = time.Minute })
	until(t, "they know each other", func() bool { s, _ := a.Stats(path); return s.Mirrors == 1 })
	watched(t, b.srv.URL+path)(50)
	if a.leads() || !b.leads() {
		t.Errorf("the one without an origin leads: %v, the other: %v", a.leads(), b.leads())
	}
}

// A sealed stream of several sources has one code and its keys: players and members are let
// in by each of them, and who leads next seals with a key of its own.
func TestSealedSources(t *testing.T) {
	t.Parallel()
	o := testorigin.New(t, testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25}), 1)
	service := keys.NewService(keys.NewMemory(0), time.Hour)
	ksrv := httptest.NewServer(service.Handler(keys.HandlerConfig{}))
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() { client.CloseIdleConnections(); ksrv.Close() })
	rec, err := service.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reg := newRegistry()
	sealed := func(c *Config) {
		c.Issuer = &keys.Client{URL: ksrv.URL + "/code", HTTP: client}
		c.Streams[0].Code = rec.Code
	}
	a := newFellow(t, reg, o, sealed)
	until(t, "the first leads", a.leads)
	b := newFellow(t, reg, o, sealed)
	until(t, "they know each other", func() bool { s, _ := b.Stats(path); return s.Mirrors == 1 })
	atB := watched(t, b.srv.URL+path+"?code="+rec.Code)
	atB(50)
	if res, err := client.Get(b.srv.URL + path); err != nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("a player without the code: %v, %v", res, err)
	} else {
		res.Body.Close()
	}
	now, err := service.Lookup(t.Context(), rec.Code)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(now.Keys); n != 2 { // of the code, and of the first leader
		t.Errorf("the code has %d keys, want 2: a follower makes none", n)
	}
	with, err1 := b.streams[path].proved(t.Context(), proofOf(now, b, "pin"))
	without, err2 := b.streams[path].proved(t.Context(), wire.Join{Pin: "pin"})
	if !with || without || err1 != nil || err2 != nil {
		t.Errorf("a follower takes members with a key: %v, without: %v (%v, %v)", with, without, err1, err2)
	}
	a.Close()
	until(t, "the other leads", b.leads)
	atB(100)
	if then, _ := service.Lookup(t.Context(), rec.Code); then.Newest().ID != now.Newest().ID+1 {
		t.Errorf("the next leader's key is %v, that of the one before was %v", then.Newest(), now.Newest())
	}
}

func proofOf(rec keys.Record, f *fellow, pin string) wire.Join {
	return wire.Join{Pin: pin, Proofs: [][]byte{keys.Proof(rec.Newest(), f.streams[path].p.Swarm(), pin)}}
}

// Viewers are sent on once, to whoever has the fewest.
func TestSentOnOnce(t *testing.T) {
	t.Parallel()
	o := testorigin.New(t, testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25}), 1)
	a := newFellow(t, newRegistry(), o, nil)
	until(t, "it leads", a.leads)
	a.streams[path].room.meet([]*mirrored{{url: "http://full.example/live/a.flv", viewers: 0, most: 0}, {url: "http://b.example/live/a.flv", viewers: 1, most: 9}})
	client := &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	for i, tt := range []struct {
		query, to string
	}{
		{"", ""}, {"", ""}, // it has none, then one, as the other
		{"", "http://b.example/live/a.flv?_sent=1&_swarm=join"}, // two against one
		{"", ""}, {"&_sent=1", ""}, // two each; three against two, but sent here
	} {
		b, _ := json.Marshal(wire.Join{Stripes: 15})
		res, err := client.Post(a.srv.URL+path+"?_swarm=join"+tt.query, "application/json", bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if to := res.Header.Get("Location"); to != tt.to {
			t.Errorf("viewer %d is sent to %q (%s), want %q", i, to, res.Status, tt.to)
		}
	}
}

func TestBadGroup(t *testing.T) {
	reg := newRegistry()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		say    string
	}{
		{"no public URL", func(c *Config) { c.Public = "" }, "URL by which viewers reach"},
		{"a public URL that is none", func(c *Config) { c.Public = "two.example" }, "URL by which viewers reach"},
		{"sealed without a code", func(c *Config) { c.Issuer = keys.NewService(keys.NewMemory(0), 0) }, "give its code"},
		{"a code that does not hold", func(c *Config) {
			c.Issuer, c.Streams[0].Code = keys.NewService(keys.NewMemory(0), 0), "00000000-0000-4000-8000-000000000000"
		}, "not known or has expired"},
	} {
		open, _ := HTTPOrigin("http://127.0.0.1:1/a.flv")
		cfg := Config{Key: testKey, Streams: []Stream{{Path: path, Origin: open}}, Registry: reg, Public: "http://two.example"}
		tt.change(&cfg)
		s, err := New(t.Context(), cfg)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
