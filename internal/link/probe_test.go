// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun"
)

// stunServer answers binding requests with what a NAT would have made of the sender's
// address: see changes the port. One that is nil never answers.
func stunServer(t *testing.T, see func(*net.UDPAddr) *net.UDPAddr) Server {
	t.Helper()
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { u.Close(); wg.Wait() })
	wg.Go(func() {
		b := make([]byte, 1500)
		for {
			n, from, err := u.ReadFromUDP(b)
			if err != nil {
				return
			}
			req := &stun.Message{Raw: slices.Clone(b[:n])}
			if req.Decode() != nil || see == nil {
				continue
			}
			a := see(from)
			res, err := stun.Build(req, stun.BindingSuccess, &stun.XORMappedAddress{IP: a.IP, Port: a.Port})
			if err == nil {
				u.WriteToUDP(res.Raw, from)
			}
		}
	})
	return Server{URL: "stun:" + u.LocalAddr().String()}
}

func TestProbe(t *testing.T) {
	port := func(p int) func(*net.UDPAddr) *net.UDPAddr {
		return func(*net.UDPAddr) *net.UDPAddr { return &net.UDPAddr{IP: net.IPv4(198, 51, 100, 7).To4(), Port: p} }
	}
	same := func(a *net.UDPAddr) *net.UDPAddr { return a }
	relay := Server{URL: "turn:127.0.0.1:1?transport=udp"}
	for _, tt := range []struct {
		name    string
		servers []func(*net.UDPAddr) *net.UDPAddr
		want    NATKind
		mapped  int
	}{
		{"no NAT", []func(*net.UDPAddr) *net.UDPAddr{same, same}, NATNone, 2},
		{"no NAT, one server", []func(*net.UDPAddr) *net.UDPAddr{same}, NATNone, 1},
		{"one mapping", []func(*net.UDPAddr) *net.UDPAddr{port(4000), port(4000)}, NATEndpointIndependent, 2},
		{"two mappings", []func(*net.UDPAddr) *net.UDPAddr{port(4000), port(4001)}, NATSymmetric, 2},
		{"two of three alike", []func(*net.UDPAddr) *net.UDPAddr{port(4000), port(4000), port(4001)}, NATSymmetric, 3},
		{"only one answers", []func(*net.UDPAddr) *net.UDPAddr{port(4000), nil}, NATUnknown, 1},
		{"nobody answers", []func(*net.UDPAddr) *net.UDPAddr{nil, nil}, NATBlocked, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := Listen(SocketConfig{Bind: netip.MustParseAddr("127.0.0.1")})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			servers := []Server{relay}
			for _, see := range tt.servers {
				servers = append(servers, stunServer(t, see))
			}
			servers = append(servers, servers[1]) // one that is named twice is one server
			nat, err := s.Probe(t.Context(), servers)
			if err != nil || nat.Kind != tt.want || len(nat.Mapped) != tt.mapped {
				t.Errorf("%+v, %v; want %s", nat, err, tt.want)
			}
		})
	}
}

func TestProbeFails(t *testing.T) {
	s, err := Listen(SocketConfig{Bind: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	for _, servers := range [][]Server{nil, {{URL: "turn:127.0.0.1:1"}}, {{URL: "nonsense"}}} {
		if nat, err := s.Probe(t.Context(), servers); err == nil || nat.Kind != NATUnknown {
			t.Errorf("%v: %+v, %v", servers, nat, err)
		}
	}
	silent := stunServer(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Probe(ctx, []Server{silent}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended: %v", err)
	}
	s.Close()
	if _, err := s.Probe(t.Context(), []Server{silent}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("of a closed socket: %v", err)
	}
}

func TestNATKindOfTwoFamilies(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("198.51.100.7:1"), netip.MustParseAddrPort("[2001:db8::7]:2")
	if k := natKind([]netip.AddrPort{v4, v6}, nil); k != NATUnknown {
		t.Errorf("one of each: %s", k)
	}
	if k := natKind([]netip.AddrPort{v4, v6, v4}, nil); k != NATEndpointIndependent {
		t.Errorf("two and one: %s", k)
	}
	if k := natKind([]netip.AddrPort{v4}, []netip.AddrPort{v4}); k != NATNone {
		t.Errorf("own: %s", k)
	}
}

// A restart by hand while all is well finds a path again and harms nothing.
func TestRenew(t *testing.T) {
	w := newWorld(t, nil)
	e := w.connect(bodyHandler([]byte("still there")), nil).must(t)
	if w.viewer.Rescan() {
		t.Error("a socket on loopback has other addresses")
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := e.viewer.Renew(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		res := get(t, e.viewer, "/")
		if b, err := io.ReadAll(res.Body); err != nil || string(b) != "still there" {
			t.Errorf("after a restart: %q, %v", b, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.viewer.Renew(ctx); !errors.Is(err, context.Canceled) || e.viewer.Err() != nil {
		t.Errorf("cancelled: %v, link: %v", err, e.viewer.Err())
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := e.viewer.Renew(ctx); err != nil {
		t.Errorf("after one that was cancelled: %v", err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if err := e.viewer.Renew(ctx); !errors.Is(err, ErrPeerLost) {
		t.Errorf("without time: %v", err)
	}
	<-e.viewer.Done()
	if err := e.viewer.Renew(t.Context()); err == nil {
		t.Error("a closed link was renewed")
	}
}

func BenchmarkMoved(b *testing.B) {
	s, err := Listen(SocketConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		s.Moved()
	}
}
