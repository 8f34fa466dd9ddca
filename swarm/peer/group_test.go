// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/internal/testorigin"
	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/rendezvous/server"
	"github.com/xp2p/xp2p/swarm/source"
)

// fleet is several sources of one stream that find each other at a rendezvous.
type fleet struct {
	t      *testing.T
	origin *testorigin.Origin
	state  string
	url    string // of the rendezvous
	app    rendezvous.App
	server *server.Server
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, state: t.TempDir(), origin: testorigin.New(t, testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25}), 1)}
	f.listen("127.0.0.1:0")
	f.url, f.app = f.server.URL(), f.server.App()
	t.Cleanup(func() { f.server.Close() })
	return f
}

func (f *fleet) listen(addr string) {
	f.t.Helper()
	var err error
	if f.server, err = server.Start(f.t.Context(), server.Config{Listen: addr, State: f.state, TURNTCP: -1}); err != nil {
		f.t.Fatal(err)
	}
}

// member is one of the sources, and a player at it.
type member struct {
	*source.Source
	f      *fleet
	srv    *httptest.Server
	client *rendezvous.Client
	killed atomic.Bool
	once   sync.Once
	player *recording
}

// AnnounceSource is the client's while the source lives.
func (m *member) AnnounceSource(ctx context.Context, key ed25519.PrivateKey, n rendezvous.SourceNews) (rendezvous.SourceList, error) {
	if m.killed.Load() {
		return rendezvous.SourceList{}, errors.New("killed")
	}
	return m.client.AnnounceSource(ctx, key, n)
}

func (f *fleet) join(change func(*source.Config)) *member {
	f.t.Helper()
	m := &member{f: f}
	h := make(chan http.Handler, 1)
	m.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := <-h
		h <- x
		x.ServeHTTP(w, r)
	}))
	var err error
	if m.client, err = rendezvous.Dial(f.t.Context(), rendezvous.Config{URL: f.url, App: f.app}); err != nil {
		f.t.Fatal(err)
	}
	open, err := source.HTTPOrigin(f.origin.URL())
	if err != nil {
		f.t.Fatal(err)
	}
	cfg := source.Config{Key: testKey, Streams: []source.Stream{{Path: path, Origin: open}}, Registry: m, Public: m.srv.URL}
	if change != nil {
		change(&cfg)
	}
	if m.Source, err = source.New(f.t.Context(), cfg); err != nil {
		f.t.Fatal(err)
	}
	h <- m.Source
	f.t.Cleanup(m.end)
	return m
}

// kill ends a source without a word to anybody, end with one.
func (m *member) kill() {
	m.killed.Store(true)
	m.end()
}

func (m *member) end() {
	m.once.Do(func() {
		m.Source.Close()
		m.srv.CloseClientConnections()
		m.srv.Close()
		m.client.Close()
	})
}

func (m *member) leads() bool { s, _ := m.Stats(path); return s.Leads && !m.killed.Load() }

// recording is the tags of a stream, run by run: each begins with configurations.
type recording struct {
	mu   sync.Mutex
	runs [][]tagID
	done chan struct{}
}

func record(r io.ReadCloser) *recording {
	x := &recording{done: make(chan struct{})}
	go func() {
		defer close(x.done)
		in := flv.NewReader(r, flv.Options{Strict: true})
		var tag flv.Tag
		var u demux.Unit
		fresh := false
		for in.Next(&tag, &u) == nil {
			id := idOf(&tag, &u)
			x.mu.Lock()
			switch {
			case id.config:
				fresh = true
			case fresh:
				x.runs, fresh = append(x.runs, []tagID{id}), false
			default:
				x.runs[len(x.runs)-1] = append(x.runs[len(x.runs)-1], id)
			}
			x.mu.Unlock()
		}
	}()
	return x
}

// all are the runs so far.
func (x *recording) all() [][]tagID {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.runs)
}

func (x *recording) len() (n int) {
	for _, r := range x.all() {
		n += len(r)
	}
	return n
}

// play has a player record at the source.
func (m *member) play(query string) {
	m.f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.srv.URL+path+query, nil)
	if err != nil {
		m.f.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	res, err := client.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		m.f.t.Fatal(err, res)
	}
	m.player = record(res.Body)
	m.f.t.Cleanup(func() {
		cancel()
		<-m.player.done
		res.Body.Close()
		client.CloseIdleConnections()
	})
}

// watch has a viewer join at a source and record.
func (m *member) watch(change func(*Config)) (*Peer, *recording) {
	m.f.t.Helper()
	sock, id := loopback(m.f.t)
	cfg := Config{URL: m.srv.URL + path, Socket: sock, Identity: id, MaxUpload: 150_000}
	if change != nil {
		change(&cfg)
	}
	p, err := Start(m.f.t.Context(), cfg)
	if err != nil {
		sock.Close()
		m.f.t.Fatal(err)
	}
	x := record(p)
	m.f.t.Cleanup(func() { p.Close(); <-x.done; sock.Close() })
	return p, x
}

// slack is how many tags of a leader that died some have, and others not any more.
const slack = 64

// follows says whether a recording is a piece of the truth: of the run in which it begins all
// tags one by one, and then each later run from its very first tag on, at the same distances.
func follows(got, truth [][]tagID) error {
	if len(got) == 0 {
		return errors.New("it saw nothing")
	}
	k, at := -1, 0
	for i, run := range truth {
		for j, id := range run {
			if id == got[0][0] {
				k, at = i, j
			}
		}
	}
	if k < 0 {
		return errors.New("its first tag is not the stream's")
	}
	for i, run := range got {
		if k+i >= len(truth) {
			return fmt.Errorf("run %d is not the stream's", i)
		}
		want := truth[k+i]
		last := i == len(got)-1 && k+i == len(truth)-1
		if n := len(run) + at - len(want); n > slack || !last && n < -slack {
			return fmt.Errorf("run %d has %d tags from its tag %d on, the truth %d", i, len(run), at, len(want))
		}
		for j, id := range run[:min(len(run), len(want)-at)] {
			w := want[at+j]
			// Times of a later run begin behind the last that each has seen of the one before.
			id.ms, w.ms = id.ms-run[0].ms, w.ms-want[at].ms
			if id != w {
				return fmt.Errorf("tag %d of run %d is not the stream's tag %d: %v of %d ms, want %v of %d ms", j, i, at+j, id.typ, id.ms, w.typ, w.ms)
			}
		}
		if i > 0 && run[0].ms <= got[i-1][len(got[i-1])-1].ms {
			return fmt.Errorf("the times of run %d begin before the end of the one before", i)
		}
		at = 0
	}
	return nil
}

func (f *fleet) leader(l []*member) *member {
	f.t.Helper()
	var found *member
	eventually(f.t, "one source leads", func() bool {
		found = nil
		n := 0
		for _, m := range l {
			if m.leads() {
				found = m
				n++
			}
		}
		return n == 1
	})
	return found
}

func (f *fleet) goOn(what string, l []*recording, more int) {
	f.t.Helper()
	from := make([]int, len(l))
	for i, x := range l {
		from[i] = x.len()
	}
	for i, x := range l {
		eventually(f.t, fmt.Sprintf("%s: viewer %d goes on", what, i), func() bool { return x.len() > from[i]+more })
	}
}

// without is l but for one.
func without(l []*member, x *member) (out []*member) {
	for _, m := range l {
		if m != x {
			out = append(out, m)
		}
	}
	return out
}

// Three sources of a stream, without a head: two die one behind the other, the leader each
// time, and whoever is left goes on. Every viewer sees the same, and all that was cut since
// there was a leader again.
func TestLeadersDie(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	all := []*member{f.join(nil), f.join(nil), f.join(nil)}
	f.leader(all)
	eventually(t, "they know each other", func() bool {
		for _, m := range all {
			if s, _ := m.Stats(path); s.Mirrors != 2 {
				return false
			}
		}
		return true
	})
	var peers []*Peer
	var l []*recording
	for _, m := range all { // whose truth begins before what the viewers see
		m.play("")
	}
	for _, m := range all {
		for range 2 {
			p, x := m.watch(nil)
			peers, l = append(peers, p), append(l, x)
		}
	}
	f.goOn("at the start", l, 100)
	if n := f.origin.Active.Load(); n != 1 {
		t.Errorf("the origin is pulled %d times at once", n)
	}
	at := map[string]int{}
	for _, p := range peers {
		on := make(chan string, 1)
		p.post(p.life, func() { on <- p.source.base })
		at[<-on]++
	}
	// How many are where depends on how old the sources' news of each other were when
	// they came; TestSentOnOnce of package source looks at who is sent where.
	placed := 0
	for _, m := range all {
		placed += at[m.srv.URL+path]
	}
	if placed != len(peers) {
		t.Errorf("six viewers are at %v", at)
	}
	for left := all; len(left) > 1; {
		dead := f.leader(left)
		dead.kill()
		left = without(left, dead)
		f.leader(left)
		f.goOn("without a leader that died", l, 200)
		if n := f.origin.Active.Load(); n != 1 {
			t.Errorf("the origin is pulled %d times at once", n)
		}
		if len(left) == 1 {
			truth := left[0].player.all()
			if len(truth) != 3 {
				t.Errorf("the player at the last source saw %d runs, want 3", len(truth))
			}
			for i, x := range l {
				got := x.all()
				if err := follows(got, truth); err != nil {
					t.Errorf("viewer %d: %v", i, err)
				}
				if len(got) != 3 {
					t.Errorf("viewer %d saw %d runs, want 3", i, len(got))
				}
			}
		}
	}
	// One that comes back follows, and newcomers go where the fewest are.
	back := f.join(nil)
	eventually(t, "it knows the leader", func() bool { s, _ := back.Stats(path); return s.Mirrors == 1 && !s.Leads })
	_, x := back.watch(nil)
	f.goOn("at the one that came back", []*recording{x}, 50)
}

// A rendezvous that is away changes nothing; when it is back with no memory of anybody, who
// led leads, and when that one ends another does at once.
func TestRendezvousAway(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.join(nil), f.join(nil)
	lead := f.leader([]*member{a, b})
	other := without([]*member{a, b}, lead)[0]
	eventually(t, "they know each other", func() bool { s, _ := lead.Stats(path); return s.Mirrors == 1 })
	other.play("")
	_, x := lead.watch(nil)
	_, y := other.watch(nil)
	l := []*recording{x, y}
	f.goOn("at the start", l, 50)
	u, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	f.server.Close()
	f.goOn("without a rendezvous", l, 300) // longer than a lease holds
	if !lead.leads() || other.leads() {
		t.Error("without a rendezvous another source leads")
	}
	f.listen(u.Host)
	eventually(t, "both are back", func() bool { return a.client.Connected() && b.client.Connected() })
	f.goOn("with the rendezvous", l, 300)
	if !lead.leads() || other.leads() {
		t.Error("with a rendezvous that has forgotten all another source leads")
	}
	lead.end()
	f.leader([]*member{other})
	f.goOn("when the leader ended", l, 100)
	truth := other.player.all()
	for i, x := range l {
		if err := follows(x.all(), truth); err != nil {
			t.Errorf("viewer %d: %v", i, err)
		}
	}
	if len(truth) != 2 {
		t.Errorf("%d runs, want 2", len(truth))
	}
}

// A source that sends a viewer on to one that has just died serves it itself.
func TestSentToTheDead(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.join(nil), f.join(nil)
	eventually(t, "they know each other", func() bool { s, _ := a.Stats(path); return s.Mirrors == 1 })
	f.leader([]*member{a, b})
	_, x := a.watch(nil)
	f.goOn("at the start", []*recording{x}, 10)
	b.kill()
	_, y := a.watch(nil) // a has one more than b
	f.goOn("behind the death", []*recording{x, y}, 50)
}
