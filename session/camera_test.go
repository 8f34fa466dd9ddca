// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

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
	"github.com/xp2p/xp2p/session"
)

// scripted is a camera whose requests a test answers itself: a handler behind a real
// link, found at a real rendezvous.
type scripted struct {
	t    testing.TB
	rv   *server.Server
	id   *link.Identity
	sock *link.Socket
	rvc  *rendezvous.Client

	handler atomic.Pointer[http.Handler]
	refuse  atomic.Pointer[link.Refusal] // of every hello; nil: welcome
	pin     atomic.Pointer[link.Pin]     // expected of viewers; nil: theirs
	joins   atomic.Int32                 // offers so far

	mu    sync.Mutex
	links map[string]*link.Link
	wg    sync.WaitGroup
}

const scriptedProduct, scriptedName = "PROD", "script"

func newScripted(t testing.TB, h http.Handler) *scripted {
	t.Helper()
	rv, err := server.Start(t.Context(), server.Config{Listen: "127.0.0.1:0", State: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rv.Close() })
	c := &scripted{t: t, rv: rv, links: map[string]*link.Link{}}
	c.handle(h)
	if c.id, err = link.NewIdentity(); err != nil {
		t.Fatal(err)
	}
	if c.sock, err = link.Listen(link.SocketConfig{Bind: netip.MustParseAddr("127.0.0.1")}); err != nil {
		t.Fatal(err)
	}
	c.rvc, err = rendezvous.Dial(t.Context(), rendezvous.Config{URL: rv.URL(), App: rv.App(),
		Device: &rendezvous.Device{Product: scriptedProduct, Name: scriptedName, Key: c.id.Key()}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	c.wg.Go(func() { c.rvc.Serve(ctx, "1.0.0", c, func() { close(ready) }) })
	t.Cleanup(func() {
		cancel()
		c.sock.Close()
		c.wg.Wait()
		c.rvc.Close()
	})
	<-ready
	return c
}

func (c *scripted) handle(h http.Handler) { c.handler.Store(&h) }

func (c *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*c.handler.Load()).ServeHTTP(w, r)
}

// Offer implements rendezvous.Answerer.
func (c *scripted) Offer(id string, body []byte, send func([]byte) error) ([]byte, error) {
	c.joins.Add(1)
	var o link.Offer
	if err := json.Unmarshal(body, &o); err != nil {
		return nil, err
	}
	pin := o.Pin
	if p := c.pin.Load(); p != nil {
		pin = *p
	}
	l, err := c.sock.NewLink(link.Config{ID: id, Identity: c.id, Peer: pin, Handler: c,
		OnSignal: func(s link.Signal) {
			if b, err := json.Marshal(s); err == nil {
				send(b)
			}
		},
		Admit: func(ctx context.Context, _ []byte) (context.Context, error) {
			if r := c.refuse.Load(); r != nil {
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
func (c *scripted) Signal(id string, body []byte) {
	c.mu.Lock()
	l := c.links[id]
	c.mu.Unlock()
	var s link.Signal
	if l != nil && json.Unmarshal(body, &s) == nil {
		l.HandleSignal(s)
	}
}

// hangUp closes every link.
func (c *scripted) hangUp() {
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

func (c *scripted) info(change func(*grant.Grant)) string {
	c.t.Helper()
	g := grant.Grant{Product: scriptedProduct, Device: scriptedName, Version: "1.0.0", Rights: grant.AllRights}
	if change != nil {
		change(&g)
	}
	info, err := grant.Issue(c.id.Key(), g)
	if err != nil {
		c.t.Fatal(err)
	}
	return info
}

func (c *scripted) module(change func(*session.Config)) *session.Module {
	return (&world{t: c.t, rv: c.rv}).module(change)
}

// service is a service of a module of its own.
func (c *scripted) service(info session.StreamInfo) *session.Service {
	c.t.Helper()
	if info.XP2PInfo == "" {
		info.XP2PInfo = c.info(nil)
	}
	s, err := c.module(nil).StartService(c.t.Context(), "one", info)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// waitFor returns the first event of a subtype for which ok holds, in the order in which they came.
func (l *eventLog) waitFor(t testing.TB, subtype string, ok func(session.Event) bool) session.Event {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		l.mu.Lock()
		for _, e := range l.l {
			if e.Subtype == subtype && (ok == nil || ok(e)) {
				l.mu.Unlock()
				return e
			}
		}
		l.mu.Unlock()
	}
	t.Fatalf("no event %s came; events: %v", subtype, l.names())
	return session.Event{}
}
