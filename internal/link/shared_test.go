// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// Links between the same two sockets have one address in common: what one of them does,
// and its end, is nothing to the others, whichever was there first. Streams that go one way
// are the hard case, since nothing but acknowledgements comes back.
func TestLinksThatShareAPath(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {1, 0, 2}} {
		w := newWorld(t, nil)
		var links []ends
		var streams []io.ReadCloser
		tick := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			for {
				if _, err := rw.Write([]byte{1}); err != nil {
					return
				}
				rw.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
		for range 3 {
			e := w.connect(tick, nil).must(t)
			links = append(links, e)
			streams = append(streams, get(t, e.viewer, "/").Body)
		}
		// All go on, while each side takes the other's packets for this or that link's.
		alive := slices.Clone(order)
		read := func(why string, i int) {
			t.Helper()
			done := make(chan error, 1)
			go func() { _, err := io.CopyN(io.Discard, streams[i], 200); done <- err }()
			select {
			case err := <-done:
				if err != nil {
					t.Fatalf("order %v, %s: link %d: %v", order, why, i, err)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("order %v, %s: link %d stands still", order, why, i)
			}
		}
		for len(alive) > 0 {
			for _, i := range alive {
				read("with "+string(rune('0'+len(alive)))+" links", i)
				if res := get(t, links[i].viewer, "/"); res.StatusCode != http.StatusOK { // a new request, which the viewer sends
					t.Fatal(res.Status)
				} else {
					res.Body.Close()
				}
			}
			streams[alive[0]].Close()
			links[alive[0]].viewer.Close()
			<-links[alive[0]].camera.Done()
			alive = alive[1:]
		}
	}
}

// What peers leave behind goes with the last of them, and is bounded until then.
func TestPeersOfOneAddress(t *testing.T) {
	c := newWorld(t, nil).viewer.pc
	at := func(port int) *net.UDPAddr { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: port} }
	stays := c.addPeer()
	c.learn(stays, at(1))
	for i := range 3 * maxInherited {
		p := c.addPeer()
		c.learn(p, at(1))
		c.learn(p, at(1000+i)) // of its own
		if got := c.byReal[addrPort(at(1))]; len(got) != 2 || got[0] != stays {
			t.Fatalf("%d peers at the address", len(got))
		}
		c.removePeer(p)
		if c.byVirtual[addrPort(p.virtual)] != stays {
			t.Fatal("what is sent to the one that has gone reaches nobody")
		}
		c.learn(p, at(1)) // too late
	}
	if len(c.byReal) != 1 || len(c.byVirtual) > maxInherited+1 {
		t.Errorf("%d real and %d virtual addresses", len(c.byReal), len(c.byVirtual))
	}
	heir := c.addPeer()
	c.learn(heir, at(1))
	c.removePeer(stays)
	if got := c.byReal[addrPort(at(1))]; len(got) != 1 || got[0] != heir || c.byVirtual[addrPort(stays.virtual)] != heir {
		t.Errorf("the oldest has gone: %v", got)
	}
	for port := range 3 * maxPeerAddrs { // it moves and moves
		c.learn(heir, at(2000+port))
	}
	if len(c.byReal) != maxPeerAddrs {
		t.Errorf("%d addresses", len(c.byReal))
	}
	c.removePeer(heir)
	if len(c.byReal) > 0 || len(c.byVirtual) > 0 {
		t.Errorf("left: %v, %v", c.byReal, c.byVirtual)
	}
}

// A link stands however many others come and go on its path.
func TestLinkOutlivesOthersOnItsPath(t *testing.T) {
	w := newWorld(t, nil)
	stays := w.connect(bodyHandler([]byte("here")), nil).must(t)
	ask := func(l *Link) {
		t.Helper()
		if b, err := io.ReadAll(get(t, l, "/").Body); err != nil || string(b) != "here" {
			t.Fatalf("%q, %v", b, err)
		}
	}
	for range 8 {
		e := w.connect(bodyHandler([]byte("here")), nil).must(t)
		for range 20 { // both, so that each is taken for the other
			ask(e.viewer)
			ask(stays.viewer)
			time.Sleep(5 * time.Millisecond)
		}
		e.viewer.Close()
		<-e.camera.Done()
		ask(stays.viewer)
	}
}
