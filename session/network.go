// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/xp2p/xp2p/internal/link"
)

// NATKind is how the network maps the module's address (RFC 4787 §4.1).
type NATKind = link.NATKind

const (
	NATUnknown             = link.NATUnknown             // there was nothing to compare
	NATNone                = link.NATNone                // no NAT: servers see an own address
	NATEndpointIndependent = link.NATEndpointIndependent // a "cone": direct paths are likely
	NATSymmetric           = link.NATSymmetric           // the mapping depends on the destination
	NATBlocked             = link.NATBlocked             // no UDP; what remains is a relay over TCP
)

// NAT is what the network probe found out, as far as the rendezvous' STUN servers can
// tell: two ports of one server do not show a mapping that depends on the address alone.
type NAT struct {
	Kind   NATKind          `json:"kind"`
	Mapped []netip.AddrPort `json:"mapped"` // our addresses as servers see them
	Local  []netip.AddrPort `json:"local"`  // our own
}

func (n NAT) equal(o NAT) bool {
	return n.Kind == o.Kind && slices.Equal(n.Mapped, o.Mapped) && slices.Equal(n.Local, o.Local)
}

// NAT is the result of the last probe.
func (m *Module) NAT() NAT {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nat
}

// probe asks the rendezvous' STUN servers how they see us and reports what changed.
func (m *Module) probe(ctx context.Context) error {
	servers, err := m.rv.ProbeServers(ctx)
	var found link.NAT
	if err == nil {
		stun := make([]link.Server, len(servers))
		for i, srv := range servers {
			stun[i] = link.Server(srv)
		}
		found, err = m.sock.Probe(ctx, stun)
	}
	if err != nil {
		m.natError(err)
		return err
	}
	nat := NAT{Kind: found.Kind, Mapped: found.Mapped, Local: m.sock.HostAddrs()}
	m.mu.Lock()
	changed := !nat.equal(m.nat)
	m.nat = nat
	m.mu.Unlock()
	if changed {
		m.events.notify(NATChanged, nat)
		m.log.Info("network", "nat", nat.Kind, "mapped", nat.Mapped, "local", nat.Local)
	}
	if nat.Kind == NATBlocked {
		m.natError(errors.New("no STUN server answers: is UDP blocked? Relays over TCP may still work"))
	}
	return nil
}

func (m *Module) natError(err error) {
	m.events.notify(NATError, DisconnectDetail{Reason: err.Error(), Code: ProbeFailed})
	m.log.Warn("network probe", "err", err)
}

// Reset follows a change of network: the original's resetP2P. It looks at the network
// again and has every service look for a new path (an ICE restart) or, where none is
// found, join its camera anew. The module does the same by itself when the machine's
// addresses change. Reset waits for the paths, not for cameras that are joined anew.
// Errors have the codes NotInitialised and ProbeFailed (the rendezvous cannot be reached;
// links that stand are left alone then).
func (m *Module) Reset(ctx context.Context) error {
	const op = "resetP2P"
	select {
	case m.resetting <- struct{}{}:
		defer func() { <-m.resetting }()
	case <-ctx.Done():
		return &Error{op, ProbeFailed, context.Cause(ctx)}
	case <-m.life.Done():
	}
	m.mu.Lock()
	closed := m.closed
	services := make([]*Service, 0, len(m.services))
	for _, s := range m.services {
		services = append(services, s)
	}
	if !closed {
		m.wg.Add(1) // Close waits for us
	}
	m.mu.Unlock()
	if closed {
		return &Error{op, NotInitialised, errModuleClosed}
	}
	defer m.wg.Done()
	ctx, cancel := context.WithTimeout(ctx, m.cfg.ConnectTimeout)
	defer cancel()
	defer context.AfterFunc(m.life, cancel)()

	m.sock.Rescan()
	if m.rv != nil { // nil: services on the LAN alone
		if err := m.rv.Renew(ctx); err != nil {
			m.natError(err)
			return &Error{op, ProbeFailed, err}
		}
	}
	var wg sync.WaitGroup
	for _, s := range services {
		wg.Go(func() { s.renew(ctx) })
	}
	var err error
	if m.rv != nil {
		err = m.probe(ctx)
	}
	wg.Wait()
	if err != nil {
		return &Error{op, ProbeFailed, err}
	}
	return nil
}

const (
	// addressPoll is how often the machine's addresses are looked at: a change of network
	// shall be a picture again within 3 s.
	addressPoll = 500 * time.Millisecond
	// addressSettle: addresses come and go one by one; what follows at once belongs to it.
	addressSettle = 300 * time.Millisecond
	resetRetry    = 2 * time.Second
)

// watchNetwork follows changes of the machine's addresses until the module ends. A socket
// on one address, such as loopback, has no network to follow.
func (m *Module) watchNetwork() {
	if !m.sock.LocalAddr().IP.IsUnspecified() {
		return
	}
	changed := func() bool { return m.sock.Moved() && m.sock.Rescan() }
	m.wg.Go(func() { watchAddresses(m.life, changed, m.Reset) })
}

// begin calls f with a context of its own, and gives what that comes to.
func begin(ctx context.Context, f func(context.Context) error) (chan error, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	return done, cancel
}

// watchAddresses calls reset whenever changed says so, and again while it fails. A reset
// under way when the next change comes is cancelled: the network that it looks at is gone.
func watchAddresses(ctx context.Context, changed func() bool, reset func(context.Context) error) {
	t := time.NewTimer(addressPoll)
	defer t.Stop()
	pending := false
	var running chan error        // what a reset under way comes to; nil: there is none
	var cancel context.CancelFunc // ends it
	end := func() {
		if running != nil {
			cancel()
			<-running
			running = nil
		}
	}
	defer end()
	for {
		next := addressPoll
		select {
		case <-t.C:
			switch {
			case changed():
				end()
				pending, next = true, addressSettle
			case pending && running == nil:
				pending = false
				running, cancel = begin(ctx, reset)
			}
		case err := <-running:
			running = nil
			cancel()
			if pending = err != nil; pending {
				next = resetRetry
			}
		case <-ctx.Done():
			return
		}
		t.Reset(next)
	}
}
