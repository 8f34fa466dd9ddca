// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/rendezvous"
)

// ServeConfig says how viewers reach a device. It is copied.
type ServeConfig struct {
	// Rendezvous is its URL; empty: viewers on the own network alone reach the device (see LAN).
	Rendezvous string
	App        rendezvous.App
	// KeyFile holds the device's private key, made at first use.
	KeyFile string
	// LAN is the UDP address at which viewers on the own network connect, "0.0.0.0:0" for any
	// free port of every address; they find it by discovery. Empty: none do.
	LAN string
	// Grants is the book in which the device's owner revokes grants, also while links
	// use them; nil: none was revoked.
	Grants *grant.Book
	// RelayOnly leaves out direct paths.
	RelayOnly bool
}

// Server lets viewers in over links.
type Server struct {
	d    *Device
	cfg  ServeConfig
	id   *link.Identity
	sock *link.Socket
	lan  lanFace

	guests guests

	mu      sync.Mutex
	rv      *rendezvous.Client
	links   map[string]*link.Link
	pending int
	wg      sync.WaitGroup
}

const (
	// maxLinks bounds the links at once; viewers that only command need one too.
	maxLinks = 64
	// maxPending bounds links that are being joined: strangers with the application's key get no further.
	maxPending     = 16
	joinTimeout    = 15 * time.Second
	codeBadInfo    = -2001 // reference/xp2p.md §2
	codeStreamFail = -2402
	serveRetryMax  = 15 * time.Second
)

// NewServer opens the device's socket and reads its key.
func NewServer(d *Device, cfg ServeConfig) (*Server, error) {
	id, err := link.LoadIdentity(cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	sock, err := link.Listen(link.SocketConfig{Bind: link.BindFor(cfg.Rendezvous), Logger: d.log})
	if err != nil {
		return nil, err
	}
	s := &Server{d: d, cfg: cfg, id: id, sock: sock, links: map[string]*link.Link{}}
	if cfg.LAN != "" {
		if err := s.openLAN(cfg.LAN); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// Issue makes an xp2pInfo for the device.
func (s *Server) Issue(rights []grant.Right, expires time.Time, viewer string) (string, error) {
	return grant.Issue(s.id.Key(), grant.Grant{
		Product: s.d.cfg.Product, Device: s.d.cfg.Name, Version: s.d.cfg.Version,
		Rights: rights, Expires: expires, Viewer: viewer,
	})
}

// Holds says whether info is a grant of this device that holds for at least the given time.
func (s *Server) Holds(info string, atLeast time.Duration) bool {
	g, err := grant.Parse(info)
	return err == nil && s.verify(g, time.Now().Add(atLeast), g.Viewer) == nil
}

func (s *Server) verify(g *grant.Grant, now time.Time, viewer string) error {
	own := s.id.Key().Public().(ed25519.PublicKey)
	var revoked func(string) bool
	if s.cfg.Grants != nil {
		revoked = s.cfg.Grants.Revoked
	}
	return g.Verify(own, s.d.cfg.Product, s.d.cfg.Name, now, viewer, revoked)
}

// Run keeps the device present at the rendezvous until ctx ends. ready (may be
// nil) is called when viewers can reach it for the first time. The error is the
// rendezvous' refusal; everything else is tried again.
func (s *Server) Run(ctx context.Context, ready func()) error {
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.wg.Go(func() { s.watchGrants(ctx) })
	if s.cfg.Rendezvous == "" {
		if ready != nil {
			ready()
		}
		<-ctx.Done()
		return nil
	}
	wait := time.Second / 2
	for {
		err := s.attend(ctx, func() {
			wait = time.Second / 2
			if ready != nil {
				ready()
				ready = nil
			}
		})
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, rendezvous.ErrRefused) {
			return err
		}
		s.d.log.Warn("rendezvous; trying again", "err", err, "in", wait)
		select {
		case <-time.After(wait + rand.N(wait/4)):
		case <-ctx.Done():
			return nil
		}
		wait = min(2*wait, serveRetryMax)
	}
}

// attend is one connection to the rendezvous; nats reconnects within it.
func (s *Server) attend(ctx context.Context, ready func()) error {
	rv, err := rendezvous.Dial(ctx, rendezvous.Config{
		URL: s.cfg.Rendezvous, App: s.cfg.App, Logger: s.d.log,
		Device: &rendezvous.Device{Product: s.d.cfg.Product, Name: s.d.cfg.Name, Key: s.id.Key()},
	})
	if err != nil {
		return err
	}
	defer rv.Close()
	first, cancel := context.WithTimeout(ctx, joinTimeout)
	_, err = rv.Servers(first)
	cancel()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.rv = rv
	s.mu.Unlock()
	return rv.Serve(ctx, s.d.cfg.Version, s, ready)
}

func (s *Server) close() {
	s.guests.close()
	s.lan.close()
	s.sock.Close() // and with it every link
	s.guests.wait()
	s.wg.Wait()
}

// Links is the number of links that stand or are being joined.
func (s *Server) Links() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.links)
}

// Offer implements rendezvous.Answerer.
func (s *Server) Offer(id string, body []byte, send func([]byte) error) ([]byte, error) {
	var o link.Offer
	if err := json.Unmarshal(body, &o); err != nil {
		return nil, &rendezvous.Refusal{Code: codeStreamFail, Reason: "the offer cannot be read: " + err.Error()}
	}
	s.mu.Lock()
	rv, busy := s.rv, len(s.links) >= maxLinks || s.pending >= maxPending
	if !busy {
		s.pending++
	}
	s.mu.Unlock()
	if busy {
		return nil, &rendezvous.Refusal{Code: codeStreamFail, Reason: "the camera is busy: too many connections"}
	}
	l, answer, err := s.newLink(rv, id, o, send)
	if err != nil {
		s.mu.Lock()
		s.pending--
		s.mu.Unlock()
		return nil, &rendezvous.Refusal{Code: codeStreamFail, Reason: err.Error()}
	}
	s.wg.Add(1)
	go s.join(l, id, o.Description)
	return answer, nil
}

func (s *Server) newLink(rv *rendezvous.Client, id string, o link.Offer, send func([]byte) error) (*link.Link, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), joinTimeout)
	defer cancel()
	servers, err := rv.Servers(ctx)
	if err != nil { // a link over the own networks may still work
		s.d.log.Warn("no STUN and TURN servers", "err", err)
	}
	var l *link.Link
	cfg := link.Config{
		ID: id, Identity: s.id, Peer: o.Pin, RelayOnly: s.cfg.RelayOnly,
		OnSignal: func(sig link.Signal) {
			if b, err := json.Marshal(sig); err == nil {
				send(b) // what is lost costs a candidate, not the link
			}
		},
		OnPath: func(p link.Path) {
			s.d.log.Info("path", "peer", id, "kind", p.Kind, "local", p.Local, "remote", p.Remote)
		},
		Admit: func(ctx context.Context, hello []byte) (context.Context, error) {
			return s.admit(ctx, l, o.Pin, hello)
		},
		Handler: s.d,
	}
	for _, srv := range servers {
		cfg.Servers = append(cfg.Servers, link.Server(srv))
	}
	if l, err = s.sock.NewLink(cfg); err != nil {
		return nil, nil, err
	}
	desc, err := l.LocalDescription()
	if err == nil {
		var b []byte
		if b, err = json.Marshal(desc); err == nil {
			s.mu.Lock()
			s.links[id] = l
			s.mu.Unlock()
			return l, b, nil
		}
	}
	l.Close()
	return nil, nil, err
}

// join brings a link up and keeps it in the books until it is gone.
func (s *Server) join(l *link.Link, id string, remote link.Signal) {
	defer s.wg.Done()
	ctx, cancel := context.WithTimeout(context.Background(), joinTimeout)
	err := l.Connect(ctx, remote, nil)
	cancel()
	s.mu.Lock()
	s.pending--
	s.mu.Unlock()
	if err == nil {
		s.d.log.Info("viewer connected", "peer", id)
		<-l.Done()
		err = l.Err()
	}
	l.Close()
	s.mu.Lock()
	delete(s.links, id)
	s.mu.Unlock()
	s.d.log.Info("viewer gone", "peer", id, "err", err)
}

// admit decides on a viewer whose key is proven: hello is its xp2pInfo.
func (s *Server) admit(ctx context.Context, l *link.Link, viewer link.Pin, hello []byte) (context.Context, error) {
	g, err := grant.Parse(string(hello))
	if err == nil {
		err = s.verify(g, time.Now(), viewer.String())
	}
	if err != nil {
		s.d.log.Warn("viewer refused", "peer", l.ID(), "viewer", viewer, "err", err)
		return nil, &link.Refusal{Code: codeBadInfo, Reason: fmt.Sprintf("the camera refused: %v", err)}
	}
	if !s.guests.enter(l, g) {
		return nil, &link.Refusal{Code: codeStreamFail, Reason: "the camera is going off"}
	}
	return WithPeer(ctx, Peer{ID: l.ID(), Grant: g}), nil
}

// Signal implements rendezvous.Answerer.
func (s *Server) Signal(id string, body []byte) {
	s.mu.Lock()
	l := s.links[id]
	s.mu.Unlock()
	if l == nil {
		return
	}
	var sig link.Signal
	if err := json.Unmarshal(body, &sig); err != nil {
		return
	}
	if err := l.HandleSignal(sig); err != nil {
		s.d.log.Debug("signal", "peer", id, "err", err)
	}
}
