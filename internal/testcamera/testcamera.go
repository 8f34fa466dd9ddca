// SPDX-License-Identifier: LGPL-2.1-or-later

// Package testcamera is a camera for tests whose requests the test answers itself: a
// handler behind a real link, found at a real rendezvous of its own, on loopback.
package testcamera

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/rendezvous/server"
)

// Camera is present at its rendezvous until the test ends.
type Camera struct {
	t          testing.TB
	Rendezvous *server.Server
	id         *link.Identity
	Socket     *link.Socket
	rvc        *rendezvous.Client

	handler atomic.Pointer[http.Handler]
	Refuse  atomic.Pointer[link.Refusal] // of every hello; nil: welcome
	Pin     atomic.Pointer[link.Pin]     // expected of viewers; nil: theirs
	Joins   atomic.Int32                 // offers so far

	mu    sync.Mutex
	links map[string]*link.Link
	wg    sync.WaitGroup
}

// Product and Name of every such camera.
const Product, Name = "PROD", "script"

// New starts a rendezvous and a camera at it.
func New(t testing.TB, h http.Handler) *Camera {
	t.Helper()
	rv, err := server.Start(t.Context(), server.Config{Listen: "127.0.0.1:0", State: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rv.Close() })
	c := &Camera{t: t, Rendezvous: rv, links: map[string]*link.Link{}}
	c.Handle(h)
	if c.id, err = link.NewIdentity(); err != nil {
		t.Fatal(err)
	}
	if c.Socket, err = link.Listen(link.SocketConfig{Bind: netip.MustParseAddr("127.0.0.1")}); err != nil {
		t.Fatal(err)
	}
	c.rvc, err = rendezvous.Dial(t.Context(), rendezvous.Config{URL: rv.URL(), App: rv.App(),
		Device: &rendezvous.Device{Product: Product, Name: Name, Key: c.id.Key()}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	c.wg.Go(func() { c.rvc.Serve(ctx, "1.0.0", c, func() { close(ready) }) })
	t.Cleanup(func() {
		cancel()
		c.Socket.Close()
		c.wg.Wait()
		c.rvc.Close()
	})
	<-ready
	return c
}

// Handle changes the handler.
func (c *Camera) Handle(h http.Handler) { c.handler.Store(&h) }

// ServeHTTP answers by the handler that is set now.
func (c *Camera) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*c.handler.Load()).ServeHTTP(w, r)
}

// Offer implements rendezvous.Answerer.
func (c *Camera) Offer(id string, body []byte, send func([]byte) error) ([]byte, error) {
	c.Joins.Add(1)
	var o link.Offer
	if err := json.Unmarshal(body, &o); err != nil {
		return nil, err
	}
	pin := o.Pin
	if p := c.Pin.Load(); p != nil {
		pin = *p
	}
	l, err := c.Socket.NewLink(link.Config{ID: id, Identity: c.id, Peer: pin, Handler: c,
		OnSignal: func(s link.Signal) {
			if b, err := json.Marshal(s); err == nil {
				send(b)
			}
		},
		Admit: func(ctx context.Context, _ []byte) (context.Context, error) {
			if r := c.Refuse.Load(); r != nil {
				return nil, r
			}
			return ctx, nil
		}})
	if err != nil {
		return nil, err
	}
	desc, err := l.LocalDescription()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.links[id] = l
	c.mu.Unlock()
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if l.Connect(ctx, o.Description, nil) == nil {
			<-l.Done()
		}
		l.Close()
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.links, id)
	})
	return json.Marshal(desc)
}

// Signal implements rendezvous.Answerer.
func (c *Camera) Signal(id string, body []byte) {
	c.mu.Lock()
	l := c.links[id]
	c.mu.Unlock()
	var s link.Signal
	if l != nil && json.Unmarshal(body, &s) == nil {
		l.HandleSignal(s)
	}
}

// HangUp closes every link. A handler must not call it: a link waits for its requests.
func (c *Camera) HangUp() {
	c.mu.Lock()
	var all []*link.Link
	for _, l := range c.links {
		all = append(all, l)
	}
	c.mu.Unlock()
	for _, l := range all {
		l.Close()
	}
}

// Info is an xp2pInfo with every right, changed as the test likes.
func (c *Camera) Info(change func(*grant.Grant)) string {
	c.t.Helper()
	g := grant.Grant{Product: Product, Device: Name, Version: "1.0.0", Rights: grant.AllRights}
	if change != nil {
		change(&g)
	}
	info, err := grant.Issue(c.id.Key(), g)
	if err != nil {
		c.t.Fatal(err)
	}
	return info
}
