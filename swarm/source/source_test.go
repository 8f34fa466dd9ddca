// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/internal/testorigin"
	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/keys"
	"github.com/xp2p/xp2p/swarm/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const path = "/live/a.flv"

var testKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

type world struct {
	*Source
	t      *testing.T
	origin *testorigin.Origin
	srv    *httptest.Server
	client *http.Client
}

func newWorld(t *testing.T, change func(*Config)) *world {
	t.Helper()
	o := testorigin.New(t, testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25}), 10)
	open, err := HTTPOrigin(o.URL())
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Key: testKey, Streams: []Stream{{Path: path, Origin: open}}, Linger: 200 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Source: s, t: t, origin: o, srv: httptest.NewServer(s), client: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		s.Close()
		w.srv.Close()
	})
	return w
}

func (w *world) do(ctx context.Context, method, path string, body io.Reader) *http.Response {
	w.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, w.srv.URL+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { res.Body.Close() })
	return res
}

// tags reads n tags of an FLV stream.
func tags(t *testing.T, r io.Reader, n int) (l []string) {
	t.Helper()
	fr := flv.NewReader(r, flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for len(l) < n {
		if err := fr.Next(&tag, &u); err != nil {
			t.Fatalf("after %d tags: %v", len(l), err)
		}
		l = append(l, fmt.Sprintf("%v %d %x", tag.Type, tag.Timestamp, tag.Payload))
	}
	return l
}

// join is a viewer of the swarm at the source.
type join struct {
	*wire.Reader
	t       *testing.T
	w       *world
	welcome wire.Welcome
	v       *chunk.Verifier
	epochs  map[uint32]*chunk.Epoch
	asm     *chunk.Assembler
	flv     []byte
	seqs    []uint64
	missing []uint64
}

func (w *world) join(ctx context.Context, j wire.Join) *join {
	w.t.Helper()
	b, _ := json.Marshal(j)
	res := w.do(ctx, "POST", path+"?_swarm=join", bytes.NewReader(b))
	if res.StatusCode != 200 {
		text, _ := io.ReadAll(res.Body)
		w.t.Fatalf("join: %s: %s", res.Status, text)
	}
	x := &join{Reader: wire.NewReader(res.Body), t: w.t, w: w, epochs: map[uint32]*chunk.Epoch{}}
	typ, body, err := x.Next()
	if err != nil || typ != wire.TypeWelcome {
		w.t.Fatalf("first frame: type %d, %v", typ, err)
	}
	if err := wire.ParseJSON(body, &x.welcome); err != nil {
		w.t.Fatal(err)
	}
	x.v = chunk.NewVerifier(x.welcome.Key, x.welcome.Stream)
	x.asm = chunk.NewAssembler(x.v.Swarm, func(uint32) (chunk.StreamKey, bool) { return chunk.StreamKey{}, false })
	return x
}

// more reads frames until there are n more chunks.
func (x *join) more(n int) {
	x.t.Helper()
	for n > 0 {
		typ, body, err := x.Next()
		if err != nil {
			x.t.Fatal(err)
		}
		switch typ {
		case wire.TypeEpoch:
			e, err := x.v.Epoch(body)
			if err != nil {
				x.t.Fatal(err)
			}
			x.epochs[e.Number] = e
		case wire.TypeMissing:
			l, err := wire.ParseList(body)
			if err != nil {
				x.t.Fatal(err)
			}
			x.missing = append(x.missing, l...)
		case wire.TypeChunk:
			c, err := chunk.Parse(body)
			if err == nil {
				err = x.v.Verify(c)
			}
			if err != nil {
				x.t.Fatal(err)
			}
			if x.epochs[c.Epoch] == nil {
				x.t.Fatalf("chunk %d comes before its epoch", c.Sequence)
			}
			x.seqs = append(x.seqs, c.Sequence)
			if c.KeyID == 0 {
				if x.flv, err = x.asm.Append(x.flv, c, x.epochs[c.Epoch]); err != nil {
					x.t.Fatal(err)
				}
			}
			n--
		}
	}
}

func (x *join) tell(frames []byte) {
	x.t.Helper()
	res := x.w.do(x.t.Context(), "POST", path+"?_swarm=tell&token="+x.welcome.Token, bytes.NewReader(frames))
	if res.StatusCode != http.StatusNoContent {
		b, _ := io.ReadAll(res.Body)
		x.t.Fatalf("tell: %s: %s", res.Status, b)
	}
}

// eventually waits for what must come sooner or later.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not come about: ", what)
}

// A player's tags and those of a viewer of the swarm are the same.
func TestPlayerAndViewer(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res := w.do(ctx, "GET", path, nil)
	if res.Header.Get("Access-Control-Allow-Origin") != "*" || res.Header.Get("Content-Type") != "video/x-flv" {
		t.Errorf("header %v", res.Header)
	}
	x := w.join(ctx, wire.Join{Stripes: 15})
	x.more(120)
	for i, seq := range x.seqs[1:] {
		if seq != x.seqs[i]+1 {
			t.Fatalf("chunk %d behind %d", seq, x.seqs[i])
		}
	}
	viewer := tags(t, bytes.NewReader(x.flv), 200)
	player := tags(t, res.Body, 260)
	from := -1
	for i, tag := range player {
		if tag == viewer[3] { // behind metadata and configurations
			from = i
		}
	}
	if from < 0 {
		t.Fatal("the viewer's first tag is none of the player's")
	}
	if n := min(len(player)-from, len(viewer)-3); n < 50 || cmp.Diff(player[from:from+n], viewer[3:3+n]) != "" {
		t.Errorf("%d tags differ", n)
	}
}

// The origin is pulled once for all, and left when nobody has watched for the linger.
func TestDemand(t *testing.T) {
	w := newWorld(t, nil)
	if w.origin.Pulls.Load() != 0 {
		t.Error("the origin is pulled before anybody watches")
	}
	for round := int32(1); round <= 2; round++ {
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			tags(t, w.do(ctx, "GET", path, nil).Body, 20)
		}
		w.join(ctx, wire.Join{Stripes: 15}).more(5)
		if n := w.origin.Pulls.Load(); n != round {
			t.Errorf("round %d: %d pulls", round, n)
		}
		cancel()
		eventually(t, "the origin is left", func() bool { return w.origin.Active.Load() == 0 })
		if s, _ := w.Stats(path); s.Viewers != 0 || s.Pulls != uint64(round) {
			t.Errorf("stats %+v", s)
		}
	}
}

// Stripes begin and end where a viewer says, and chunks are had one by one.
func TestStripes(t *testing.T) {
	w := newWorld(t, nil)
	x := w.join(t.Context(), wire.Join{Stripes: 1<<1 | 1<<3})
	x.more(20)
	for _, seq := range x.seqs {
		if seq%2 != 1 {
			t.Fatalf("chunk %d was not asked for", seq)
		}
	}
	first, last := x.seqs[0], x.seqs[len(x.seqs)-1]
	lost := []uint64{align(first, 0), align(first, 2), 5}
	x.tell(wire.AppendList(nil, wire.TypeRequest, lost))
	got := map[uint64]bool{}
	for !got[lost[0]] || !got[lost[1]] || len(x.missing) == 0 {
		x.more(1)
		got[x.seqs[len(x.seqs)-1]] = true
	}
	if !cmp.Equal(x.missing, []uint64{5}) {
		t.Errorf("missing: %v", x.missing)
	}
	x.tell(wire.AppendSubscription(wire.AppendSubscription(nil, wire.TypeUnsubscribe, 1, last+20), wire.TypeSubscribe, 0, last+20))
	x.seqs = nil
	x.more(60)
	for _, seq := range x.seqs[20:] {
		if seq%4 == 1 && seq >= last+40 || seq%4 == 2 {
			t.Errorf("chunk %d is sent after its stripe's end (at %d)", seq, last+20)
		}
		got[seq%4] = true
	}
	if !got[0] || !got[3] {
		t.Error("stripes 0 and 3 are not sent")
	}
}

// A viewer that comes back goes on where it was.
func TestResume(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	x := w.join(ctx, wire.Join{Stripes: 15})
	x.more(30)
	cancel()
	y := w.join(t.Context(), wire.Join{Stripes: 15, From: x.seqs[29] + 1})
	y.more(5)
	if y.seqs[0] != x.seqs[29]+1 {
		t.Errorf("it goes on with %d, behind %d", y.seqs[0], x.seqs[29])
	}
}

// Two members learn of each other, and signal each other.
func TestTracking(t *testing.T) {
	w := newWorld(t, nil)
	type member struct {
		*join
		track *wire.Reader
		id    wire.PeerID
	}
	var ms []member
	for range 3 {
		id, err := link.NewIdentity()
		if err != nil {
			t.Fatal(err)
		}
		j := wire.Join{Stripes: 15, Pin: id.Pin().String(), NAT: "none", Slots: 4}
		x := w.join(t.Context(), j)
		b, _ := json.Marshal(j)
		res := w.do(t.Context(), "POST", path+"?_swarm=track&token="+x.welcome.Token, bytes.NewReader(b))
		if res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
		ms = append(ms, member{x, wire.NewReader(res.Body), wire.IDOfPin(id.Pin())})
	}
	next := func(m member, want wire.Type, v any) {
		t.Helper()
		for {
			typ, body, err := m.track.Next()
			if err != nil {
				t.Fatal(err)
			}
			if typ == want {
				if err := wire.ParseJSON(body, v); err != nil {
					t.Fatal(err)
				}
				return
			}
		}
	}
	var p wire.Policy
	next(ms[0], wire.TypePolicy, &p)
	if !p.Download || !p.Upload {
		t.Errorf("policy %+v", p)
	}
	var l []wire.Member
	next(ms[2], wire.TypeMembers, &l)
	if len(l) == 0 {
		t.Error("the third member is told of nobody")
	}
	ms[0].tell(wire.Append(nil, wire.TypeAsk, nil))
	next(ms[0], wire.TypeMembers, &l)
	if len(l) != 2 {
		t.Errorf("the first member is told of %v", l)
	}
	ms[0].tell(wire.AppendJSON(nil, wire.TypeSignal, wire.Signal{Peer: ms[1].id, Link: "x", Pin: "forged", Offer: []byte(`{"a":1}`)}))
	var s wire.Signal
	next(ms[1], wire.TypeSignal, &s)
	if s.Peer != ms[0].id || s.Pin == "forged" || string(s.Offer) != `{"a":1}` {
		t.Errorf("signal %+v", s)
	}
	for range 2 {
		ms[0].tell(wire.AppendJSON(nil, wire.TypeReport, wire.Report{P2PBytes: 1000, Slots: 4}))
	}
	res := w.do(t.Context(), "GET", "/stat?xresid=live/a", nil)
	var stat struct {
		Flow struct{ P2PBytes, CdnBytes uint64 }
	}
	if err := json.NewDecoder(res.Body).Decode(&stat); err != nil || stat.Flow.P2PBytes != 1000 || stat.Flow.CdnBytes == 0 {
		t.Errorf("stat %+v, %v", stat, err)
	}
	res = w.do(t.Context(), "GET", "/feature?upload=0", nil)
	if b, _ := io.ReadAll(res.Body); strings.TrimSpace(string(b)) != `{"download":1,"msg":"ok","ret":0,"upload":0}` {
		t.Errorf("feature: %s", b)
	}
	for p.Upload {
		next(ms[1], wire.TypePolicy, &p)
	}
}

// Where the origin breaks off, begins at another time or shows another size, a player's
// stream goes on.
func TestOriginRestarts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		happen func(*world)
	}{
		{"restarts", func(w *world) { w.origin.Cut() }},
		{"counts from another time", func(w *world) { w.origin.CutTo(1 << 30) }},
		{"changes its size", func(w *world) {
			w.origin.Play(w.t, testmedia.FLV(w.t, testmedia.H264AAC, 2, testmedia.Options{Width: 640, Height: 360}))
			w.origin.Cut()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			body := w.do(t.Context(), "GET", path, nil).Body
			r := flv.NewReader(body, flv.Options{Strict: true})
			var tag flv.Tag
			var u demux.Unit
			last, configs := uint32(0), 0
			for n := range 900 {
				if n == 200 {
					tt.happen(w)
				}
				if err := r.Next(&tag, &u); err != nil {
					t.Fatal(err)
				}
				if u.Config {
					configs++
				}
				if step := int32(tag.Timestamp - last); n > 5 && (step < -1000 || step > 20000) {
					t.Fatalf("tag %d: time steps by %d ms", n, step)
				}
				last = tag.Timestamp
			}
			if configs != 4 {
				t.Errorf("%d configurations, want those of two epochs", configs)
			}
			if n := w.origin.Pulls.Load(); n != 2 {
				t.Errorf("%d pulls", n)
			}
		})
	}
}

// Nobody sees a sealed stream without its code, and a key changes under it.
func TestSealed(t *testing.T) {
	service := keys.NewService(keys.NewMemory(0), time.Hour)
	w := newWorld(t, func(c *Config) { c.Issuer, c.Rotate, c.Lead = service, 500*time.Millisecond, 100*time.Millisecond })
	for _, q := range []string{"", "?code=", "?code=x"} {
		res := w.do(t.Context(), "GET", path+q, nil)
		b, _ := io.ReadAll(res.Body)
		if res.StatusCode != 403 || !bytes.Contains(b, []byte("-2502")) || bytes.Contains(b, []byte("FLV")) {
			t.Errorf("%q: %s: %.100s", q, res.Status, b)
		}
	}
	code := w.Code(path)
	tags(t, w.do(t.Context(), "GET", path+"?code="+code, nil).Body, 1500) // past some rotations
	x := w.join(t.Context(), wire.Join{Stripes: 15})
	x.more(200)
	for _, e := range x.epochs {
		if !e.Sealed {
			t.Error("an epoch says that it is not sealed")
		}
	}
	rec, err := service.Lookup(t.Context(), code)
	if err != nil || rec.Newest().ID < 3 {
		t.Errorf("the code's keys: %v, %v", rec.Keys, err)
	}
}

// Only who has a key of a sealed stream becomes a member of its swarm.
func TestMembersHaveTheKey(t *testing.T) {
	service := keys.NewService(keys.NewMemory(0), time.Hour)
	w := newWorld(t, func(c *Config) { c.Issuer = service })
	rec, err := service.Lookup(t.Context(), w.Code(path))
	if err != nil {
		t.Fatal(err)
	}
	id, err := link.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	pin := id.Pin().String()
	x := w.join(t.Context(), wire.Join{Stripes: 15, Pin: pin})
	wrong := rec.Newest()
	wrong.Secret[0]++
	good := keys.Proof(rec.Newest(), x.v.Swarm, pin)
	for _, tt := range []struct {
		name   string
		proofs [][]byte
		status int
	}{
		{"no proof", nil, 403},
		{"an empty one", [][]byte{{}}, 403},
		{"another key", [][]byte{keys.Proof(wrong, x.v.Swarm, pin)}, 403},
		{"another member's", [][]byte{keys.Proof(rec.Newest(), x.v.Swarm, "x"+pin)}, 403},
		{"another stream's", [][]byte{keys.Proof(rec.Newest(), chunk.ID{1}, pin)}, 403},
		{"behind too many", [][]byte{{1}, {2}, {3}, {4}, good}, 403},
		{"its own, among older ones", [][]byte{{1}, good}, 200},
	} {
		b, _ := json.Marshal(wire.Join{Pin: pin, Proofs: tt.proofs})
		res := w.do(t.Context(), "POST", path+"?_swarm=track&token="+x.welcome.Token, bytes.NewReader(b))
		if res.StatusCode != tt.status {
			t.Errorf("%s: %s, want %d", tt.name, res.Status, tt.status)
		}
		if tt.status != 200 {
			if s, _ := w.Stats(path); s.Members != 0 {
				t.Errorf("%s: there is a member", tt.name)
			}
		}
	}
	eventually(t, "there is a member", func() bool { s, _ := w.Stats(path); return s.Members == 1 })
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxViewers = 1 })
	x := w.join(t.Context(), wire.Join{Stripes: 15})
	tell := path + "?_swarm=tell&token=" + x.welcome.Token
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"another stream", "GET", "/live/b.flv", "", 404},
		{"one viewer too many", "GET", path, "", 503},
		{"one member too many", "POST", path + "?_swarm=join", "{}", 503},
		{"no such request", "POST", path + "?_swarm=x", "", 404},
		{"no swarm", "POST", path, "", 405},
		{"deleted", "DELETE", path, "", 405},
		{"no JSON", "POST", path + "?_swarm=join", "x", 400},
		{"long join", "POST", path + "?_swarm=join", `{"pin":"` + strings.Repeat("x", 5000) + `"}`, 400},
		{"bad pin", "POST", path + "?_swarm=join", `{"pin":"x"}`, 400},
		{"bad stripes", "POST", path + "?_swarm=join", `{"stripes":16}`, 400},
		{"no token", "POST", path + "?_swarm=tell", "", 403},
		{"track without a key", "POST", path + "?_swarm=track&token=" + x.welcome.Token, "{}", 404},
		{"cut frame", "POST", tell, "\x05\x00\x00\x09\x00", 400},
		{"long frame", "POST", tell, "\x05\x00\x01\x09\x00", 400},
		{"bad stripe", "POST", tell, "\x05\x00\x00\x09\x04\x00\x00\x00\x00\x00\x00\x00\x00", 400},
		{"too much", "POST", tell, strings.Repeat("\x0e\x00\x00\x00", 1<<15), 400},
		{"unknown frames", "POST", tell, "\xff\x00\x00\x01\x00", 204},
		{"stat of another", "GET", "/stat?xresid=live/b", "", 404},
		{"stat", "GET", "/stat?xresid=/live/a.flv", "", 200},
		{"feature 2", "GET", "/feature?upload=2", "", 400},
		{"feature", "GET", "/feature", "", 200},
	} {
		res := w.do(t.Context(), tt.method, tt.path, strings.NewReader(tt.body))
		if b, _ := io.ReadAll(res.Body); res.StatusCode != tt.status || tt.status >= 400 && !bytes.Contains(b, []byte(`"error"`)) {
			t.Errorf("%s: %s: %.200s", tt.name, res.Status, b)
		}
	}
	x.more(10)
}

func TestOriginIsNotThere(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Patience = 300 * time.Millisecond
		c.Streams[0].Origin = func(context.Context) (io.ReadCloser, error) { return nil, errors.New("no route to the camera") }
	})
	ctx, cancel := context.WithCancel(t.Context())
	res := w.do(ctx, "GET", path, nil)
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 503 || !bytes.Contains(b, []byte("no route to the camera")) {
		t.Errorf("%s: %s", res.Status, b)
	}
	cancel()
}

func TestConfig(t *testing.T) {
	open := func(context.Context) (io.ReadCloser, error) { return nil, nil }
	for _, c := range []Config{
		{},
		{Key: testKey},
		{Key: testKey, Streams: []Stream{{Path: "live", Origin: open}}},
		{Key: testKey, Streams: []Stream{{Path: "/stat", Origin: open}}},
		{Key: testKey, Streams: []Stream{{Path: "/a"}}},
		{Key: testKey, Streams: []Stream{{Path: "/a", Origin: open}, {Path: "/a", Origin: open}}},
		{Key: testKey, Streams: []Stream{{Path: "/a", Origin: open}}, Linger: -1},
	} {
		if s, err := New(t.Context(), c); err == nil {
			s.Close()
			t.Errorf("%+v is taken", c.Streams)
		}
	}
	for _, u := range []string{"", "/a", "rtsp://h/a", "http://", "http://[::1"} {
		if _, err := HTTPOrigin(u); err == nil {
			t.Errorf("origin %q is taken", u)
		}
	}
}
