// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pion/stun"
)

// NATKind is how the network maps the socket's address, in the terms of RFC 4787
// §4.1, as far as binding requests to two addresses tell (RFC 5780 §4.3).
type NATKind string

const (
	// NATUnknown: fewer than two servers answered, so that there is nothing to compare.
	NATUnknown NATKind = "unknown"
	// NATNone: servers see one of the socket's own addresses.
	NATNone NATKind = "none"
	// NATEndpointIndependent: every server sees the same address; direct paths are likely.
	NATEndpointIndependent NATKind = "endpoint-independent"
	// NATSymmetric: the mapping depends on the destination; two such peers need a relay.
	NATSymmetric NATKind = "symmetric"
	// NATBlocked: no server answers over UDP; what remains is a relay over TCP.
	NATBlocked NATKind = "blocked"
)

// NAT is what Probe found out.
type NAT struct {
	Kind NATKind
	// Mapped are the socket's addresses as each server that answered sees them, in
	// the order of the servers.
	Mapped []netip.AddrPort
}

const (
	maxProbes = 4 // servers that one probe asks
	// Once one server has answered, the others get this long: a second port that a
	// firewall swallows must not hold up the start.
	probeGrace = 300 * time.Millisecond
)

// Probe asks the STUN servers among servers (others are left out) how they see the
// socket. Two servers at different addresses tell more than two ports of one: a NAT
// whose mapping depends on the address alone looks endpoint-independent there. The
// error says why nothing was learnt; a network without UDP is no error.
func (s *Socket) Probe(ctx context.Context, servers []Server) (NAT, error) {
	addrs, err := stunAddrs(ctx, servers)
	if err != nil {
		return NAT{Kind: NATUnknown}, err
	}
	answers, err := s.askAll(addrs)
	if err != nil {
		return NAT{Kind: NATUnknown}, err
	}
	mapped := make([]netip.AddrPort, len(addrs))
	var grace <-chan time.Time
collect:
	for range addrs {
		select {
		case a := <-answers:
			mapped[a.server] = a.mapped
			if a.mapped.IsValid() && grace == nil {
				t := time.NewTimer(probeGrace)
				defer t.Stop()
				grace = t.C
			}
		case <-grace:
			break collect
		case <-ctx.Done():
			return NAT{Kind: NATUnknown}, context.Cause(ctx)
		}
	}
	mapped = slices.DeleteFunc(mapped, func(a netip.AddrPort) bool { return !a.IsValid() })
	return NAT{Kind: natKind(mapped, s.HostAddrs()), Mapped: mapped}, nil
}

type probeAnswer struct {
	server int
	mapped netip.AddrPort // invalid: no answer in time
}

// askAll asks every server at once; each gives one answer. The asking ends with
// mappedPatience or the socket, which waits for it.
func (s *Socket) askAll(addrs []*net.UDPAddr) (<-chan probeAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrSocketClosed
	}
	answers := make(chan probeAnswer, len(addrs))
	for i, to := range addrs {
		s.wg.Go(func() {
			a := probeAnswer{server: i}
			if x, err := s.mux.askMapped(to, mappedPatience); err == nil {
				a.mapped = addrPort(&net.UDPAddr{IP: x.IP, Port: x.Port})
			}
			answers <- a
		})
	}
	return answers, nil
}

// natKind compares what servers saw with each other and with the own addresses.
func natKind(mapped, own []netip.AddrPort) NATKind {
	switch {
	case len(mapped) == 0:
		return NATBlocked
	case slices.ContainsFunc(mapped, func(a netip.AddrPort) bool { return slices.Contains(own, a) }):
		return NATNone
	}
	// A v6 address beside a v4 one is another network, not another mapping.
	byFamily := map[bool][]netip.AddrPort{}
	for _, a := range mapped {
		byFamily[a.Addr().Is4()] = append(byFamily[a.Addr().Is4()], a)
	}
	seen := byFamily[true]
	if len(seen) < 2 {
		seen = byFamily[false]
	}
	if len(seen) < 2 {
		return NATUnknown
	}
	if len(slices.Compact(slices.Clone(seen))) > 1 {
		return NATSymmetric
	}
	return NATEndpointIndependent
}

// stunAddrs are the different addresses of the STUN servers over UDP.
func stunAddrs(ctx context.Context, servers []Server) ([]*net.UDPAddr, error) {
	var addrs []*net.UDPAddr
	var failed error
	for _, srv := range servers {
		u, err := srv.uri()
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if u.Scheme != stun.SchemeTypeSTUN || len(addrs) == maxProbes {
			continue
		}
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Host)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("STUN server %s: %w", srv.URL, err))
			continue
		}
		ip := ips[0]
		if i := slices.IndexFunc(ips, func(a netip.Addr) bool { return a.Unmap().Is4() }); i >= 0 {
			ip = ips[i]
		}
		a := net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip.Unmap(), uint16(u.Port)))
		if !slices.ContainsFunc(addrs, func(b *net.UDPAddr) bool { return b.String() == a.String() }) {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	return nil, errors.Join(errors.New("there is no STUN server to ask"), failed)
}

// HostAddrs are the addresses at which the socket can be reached on its own networks.
func (s *Socket) HostAddrs() []netip.AddrPort {
	var l []netip.AddrPort
	for _, a := range s.mux.GetListenAddresses() {
		l = append(l, addrPort(a.(*net.UDPAddr)))
	}
	return l
}

// Rescan looks at the machine's addresses again, which the next gathering of every
// link then offers, and forgets how servers saw the socket. It says whether the
// addresses have changed since they were looked at last.
func (s *Socket) Rescan() (changed bool) {
	now := interfaces()
	s.mu.Lock()
	s.interfaces = now
	s.mu.Unlock()
	return s.mux.rescan(hostAddrs(s.udp))
}

// Moved says whether something about the machine's interfaces has changed since the
// last Rescan. It is cheap enough to be asked often.
func (s *Socket) Moved() bool {
	now := interfaces()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.interfaces != now
}

// interfaces is a text that changes with the machine's interfaces and addresses. It costs
// two questions to the kernel, however many interfaces there are; to ask each for its
// addresses would cost one for every interface, and each answer would hold all addresses.
func interfaces() string {
	var b strings.Builder
	ifaces, _ := net.Interfaces()
	for _, i := range ifaces {
		fmt.Fprintf(&b, "%d %s %s\n", i.Index, i.Name, i.Flags)
	}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		fmt.Fprintln(&b, a)
	}
	return b.String()
}
