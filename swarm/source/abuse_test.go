// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/swarm/wire"
)

// member has a member join, whose track is read until the test ends; got counts frames.
func (w *world) member() (x *join, id wire.PeerID, got func(wire.Type) int) {
	w.t.Helper()
	key, err := link.NewIdentity()
	if err != nil {
		w.t.Fatal(err)
	}
	j := wire.Join{Stripes: 15, Pin: key.Pin().String(), NAT: "none", Slots: 4}
	x = w.join(w.t.Context(), j)
	b, _ := json.Marshal(j)
	res := w.do(w.t.Context(), "POST", path+"?_swarm=track&token="+x.welcome.Token, bytes.NewReader(b))
	if res.StatusCode != http.StatusOK {
		w.t.Fatal(res.Status)
	}
	counts := make(chan map[wire.Type]int, 1)
	counts <- map[wire.Type]int{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r := wire.NewReader(res.Body); ; {
			t, _, err := r.Next()
			if err != nil {
				t = 0 // the end
			}
			m := <-counts
			m[t]++
			counts <- m
			if err != nil {
				return
			}
		}
	}()
	w.t.Cleanup(func() { res.Body.Close(); <-done })
	return x, wire.IDOfPin(key.Pin()), func(t wire.Type) int {
		m := <-counts
		defer func() { counts <- m }()
		return m[t]
	}
}

// One that floods another with signals does not have it cut off from the tracker.
func TestSignalFlood(t *testing.T) {
	w := newWorld(t, nil)
	a, _, _ := w.member()
	_, victim, got := w.member()
	flood := []byte{}
	for len(flood) < 60<<10 {
		flood = wire.AppendJSON(flood, wire.TypeSignal, wire.Signal{Peer: victim, Link: "x", Signal: []byte(`{"candidate":"x"}`)})
	}
	for range 40 {
		a.tell(flood)
	}
	eventually(t, "some reach it", func() bool { return got(wire.TypeSignal) > 0 })
	before := got(wire.TypePolicy)
	if res := w.do(t.Context(), "GET", "/feature?upload=0", nil); res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	eventually(t, "the tracker still reaches it", func() bool { return got(wire.TypePolicy) > before })
	if n := got(wire.TypeSignal); n > maxOut {
		t.Errorf("%d signals of one member reach another", n)
	}
	if got(0) != 0 {
		t.Error("it was cut off")
	}
}

// One that asks for members all the time is answered now and then.
func TestAskFlood(t *testing.T) {
	w := newWorld(t, nil)
	a, _, got := w.member()
	w.member()
	flood := bytes.Repeat(wire.Append(nil, wire.TypeAsk, nil), 10_000)
	for range 3 {
		a.tell(flood)
	}
	eventually(t, "it is told of members", func() bool { return got(wire.TypeMembers) > 0 })
	if got(0) != 0 {
		t.Error("it was cut off, as if it did not read")
	}
}

// One that asks for chunks that are not there, and reads nothing, costs no memory.
func TestRequestFlood(t *testing.T) {
	h := newHub()
	c := cursor{fresh: make(chan struct{}, 1)}
	l := make([]uint64, wire.MaxList)
	for range 10_000 {
		h.request(&c, l)
	}
	if n := len(c.extra) + len(c.missing); n > 2*maxExtra {
		t.Errorf("%d requests are kept", n)
	}
}

// What a member says of itself does not make the stream's numbers nonsense.
func TestLyingReports(t *testing.T) {
	w := newWorld(t, nil)
	a, _, _ := w.member()
	a.more(20)
	for _, r := range []wire.Report{
		{P2PBytes: math.MaxUint64, LagMS: math.MaxInt, Continuity: 1e300, Slots: math.MaxInt, Used: math.MinInt},
		{P2PBytes: math.MaxUint64, LagMS: math.MinInt, Continuity: -1e300, Slots: math.MinInt, Used: math.MaxInt},
	} {
		a.tell(wire.AppendJSON(nil, wire.TypeReport, r))
		s, _ := w.Stats(path)
		if s.Continuity < 0 || s.Continuity > 1 || s.LagMean < 0 || s.LagMean > time.Hour || s.LagWorst < 0 || s.LagWorst > time.Hour {
			t.Errorf("of %+v the statistics are %+v", r, s)
		}
		if all, _ := w.streams[path].hub.bytes(); s.PeerBytes > all {
			t.Errorf("of a stream of %d bytes a viewer makes %d from others", all, s.PeerBytes)
		}
	}
}
