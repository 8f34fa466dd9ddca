// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/internal/testorigin"
	"github.com/xp2p/xp2p/swarm/source"
	"go.uber.org/goleak"
)

// The tests wait for viewers to find each other far more than they compute, so more of
// them run at a time than there are cores, unless -parallel says otherwise.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "6")
	goleak.VerifyTestMain(m,
		// nats-server keeps these for the life of the process.
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.init.0.func1"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/pse.ProcUsage"))
}

const path = "/live/a.flv"

var testKey2 = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))

var testKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// world is a source with an origin, and a player whose tags are what all must see.
type world struct {
	t      testing.TB
	origin *testorigin.Origin
	source *source.Source
	srv    *httptest.Server
	client *http.Client
	dead   atomic.Bool // the tracker
	truth  truth
	log    *slog.Logger
}

func newWorld(t testing.TB, change func(*source.Config)) *world {
	t.Helper()
	w := &world{t: t, origin: testorigin.New(t, testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25}), 1)}
	if os.Getenv("SWARM_LOG") != "" {
		w.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	open, err := source.HTTPOrigin(w.origin.URL())
	if err != nil {
		t.Fatal(err)
	}
	cfg := source.Config{Key: testKey, Streams: []source.Stream{{Path: path, Origin: open}}, Patience: time.Minute}
	if change != nil {
		change(&cfg)
	}
	if w.source, err = source.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	w.srv = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.dead.Load() && r.URL.Query().Get("_swarm") == "track" {
			http.Error(rw, "dead", http.StatusBadGateway)
			return
		}
		w.source.ServeHTTP(rw, r)
	}))
	w.client = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		w.source.Close()
		w.srv.Close()
	})
	return w
}

func (w *world) url() string { return w.srv.URL + path }

// watchTruth has a player at the source note every tag from now on.
func (w *world) watchTruth(query string) {
	w.t.Helper()
	w.truth.index = map[tagID]int{}
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url()+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		w.t.Fatal(res.Status)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer res.Body.Close()
		r := flv.NewReader(res.Body, flv.Options{Strict: true})
		var tag flv.Tag
		var u demux.Unit
		for r.Next(&tag, &u) == nil {
			w.truth.add(idOf(&tag, &u))
		}
	}()
	w.t.Cleanup(func() { cancel(); <-done })
}

// tagID is what a tag is, all of it.
type tagID struct {
	typ    flv.TagType
	ms     uint32
	sum    [sha256.Size]byte
	config bool
}

func idOf(t *flv.Tag, u *demux.Unit) tagID {
	return tagID{t.Type, t.Timestamp, sha256.Sum256(t.Payload), u.Config || t.Type == flv.TagScript}
}

// truth is the tags of the stream in their order.
type truth struct {
	mu    sync.Mutex
	tags  []tagID
	index map[tagID]int
}

func (x *truth) add(id tagID) {
	if id.config {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.index[id] = len(x.tags)
	x.tags = append(x.tags, id)
}

func (x *truth) find(id tagID) (int, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i, ok := x.index[id]
	return i, ok
}

func (x *truth) len() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.tags)
}

// viewer is a peer whose tags are noted.
type viewer struct {
	*Peer
	name string
	sock *link.Socket
	w    *world

	mu   sync.Mutex
	tags []tagID
	err  error
	done chan struct{}
	once sync.Once
}

func identity(t testing.TB) (string, *link.Identity) {
	t.Helper()
	id, err := link.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id.Pin().String(), id
}

func loopback(t testing.TB) (*link.Socket, *link.Identity) {
	t.Helper()
	sock, err := link.Listen(link.SocketConfig{Bind: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	id, err := link.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return sock, id
}

// view has a viewer join.
func (w *world) view(name string, change func(*Config)) *viewer {
	w.t.Helper()
	sock, id := loopback(w.t)
	cfg := Config{URL: w.url(), Socket: sock, Identity: id, NAT: link.NATNone, MaxUpload: 150_000}
	if w.log != nil {
		cfg.Logger = w.log.With("viewer", name)
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	p, err := Start(ctx, cfg)
	if err != nil {
		sock.Close()
		w.t.Fatalf("viewer %s: %v", name, err)
	}
	v := &viewer{Peer: p, name: name, sock: sock, w: w, done: make(chan struct{})}
	go v.watch()
	w.t.Cleanup(v.leave)
	return v
}

func (v *viewer) watch() {
	defer close(v.done)
	r := flv.NewReader(v.Peer, flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for {
		err := r.Next(&tag, &u)
		v.mu.Lock()
		if err != nil {
			v.err = err
			v.mu.Unlock()
			return
		}
		if id := idOf(&tag, &u); !id.config {
			v.tags = append(v.tags, id)
		}
		v.mu.Unlock()
	}
}

func (v *viewer) leave() {
	v.once.Do(func() {
		v.Close()
		<-v.done
		v.sock.Close()
	})
}

func (v *viewer) seen() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.tags)
}

// check compares all that the viewer saw with the truth: each tag is the source's, and
// none is missing or comes twice.
func (v *viewer) check() error {
	v.mu.Lock()
	tags := v.tags
	v.mu.Unlock()
	if len(tags) == 0 {
		return fmt.Errorf("viewer %s saw nothing", v.name)
	}
	at, ok := v.w.truth.find(tags[0])
	if !ok {
		return fmt.Errorf("viewer %s: its first tag is not the source's", v.name)
	}
	for i, id := range tags {
		for tries := 0; at+i >= v.w.truth.len(); tries++ { // the player may be behind
			if tries == 1000 {
				return fmt.Errorf("viewer %s saw %d tags that the player has not", v.name, len(tags)-i)
			}
			time.Sleep(10 * time.Millisecond)
		}
		v.w.truth.mu.Lock()
		want := v.w.truth.tags[at+i]
		v.w.truth.mu.Unlock()
		if id != want {
			j, known := v.w.truth.find(id)
			return fmt.Errorf("viewer %s: tag %d of %d is the source's tag %d (known: %v), want tag %d; stats %+v", v.name, i, len(tags), j, known, at+i, v.Stats())
		}
	}
	return nil
}

// goOn waits until each of some viewers has seen so many more tags.
func goOn(t testing.TB, vs []*viewer, more int) {
	t.Helper()
	from := make([]int, len(vs))
	for i, v := range vs {
		from[i] = v.seen()
	}
	for i, v := range vs {
		eventually(t, "the stream of "+v.name+" goes on", func() bool { return v.seen() > from[i]+more })
	}
}

// eventually waits for what must come sooner or later.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not come about: ", what)
}
