// SPDX-License-Identifier: LGPL-2.1-or-later

package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// freePort is a UDP port that nobody has now.
func freePort(t *testing.T) uint16 {
	t.Helper()
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

func respond(t *testing.T, cfg ResponderConfig) *Responder {
	t.Helper()
	r, err := Respond(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func names(l []Found) string {
	var n []string
	for _, f := range l {
		n = append(n, f.Product+"/"+f.Device+"@"+f.Address.String())
	}
	slices.Sort(n)
	return strings.Join(n, " ")
}

// Several cameras on one machine hear one broadcast; each answer says where the
// camera is, as seen from the viewer.
func TestDiscover(t *testing.T) {
	port := freePort(t)
	respond(t, ResponderConfig{Port: port, Product: "P", Device: "a", Link: netip.MustParseAddrPort("0.0.0.0:4001")})
	respond(t, ResponderConfig{Port: port, Product: "P", Device: "b", Link: netip.MustParseAddrPort("127.0.0.1:4002")})
	respond(t, ResponderConfig{Port: port, Product: "Q", Device: "c", Link: netip.MustParseAddrPort("192.0.2.7:4003")})
	everywhere := []netip.AddrPort{netip.AddrPortFrom(loopbackBroadcast, port)}
	for _, tt := range []struct {
		name  string
		query Query
		want  string
	}{
		{"all", Query{}, "P/a@127.0.0.1:4001 P/b@127.0.0.1:4002 Q/c@192.0.2.7:4003"},
		{"a product", Query{Product: "P"}, "P/a@127.0.0.1:4001 P/b@127.0.0.1:4002"},
		{"named", Query{Product: "P", Devices: []string{"a", "b"}}, "P/a@127.0.0.1:4001 P/b@127.0.0.1:4002"},
		{"nobody", Query{Product: "R", Timeout: 100 * time.Millisecond}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.query.Targets = everywhere
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.query.Timeout == 0 {
				tt.query.Timeout = time.Hour
			}
			var told []Found
			got, err := Discover(ctx, tt.query, func(f Found) {
				// Where devices are named, the search ends by itself when it has them.
				if told = append(told, f); len(told) == len(strings.Fields(tt.want)) && tt.query.Devices == nil {
					cancel()
				}
			})
			if err != nil || names(got) != tt.want || names(told) != tt.want {
				t.Errorf("found %s, told %s, %v", names(got), names(told), err)
			}
		})
	}
}

func TestDiscoverEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	target := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), freePort(t))
	done := make(chan error, 1)
	go func() {
		_, err := Discover(ctx, Query{Timeout: time.Hour, Targets: []netip.AddrPort{target}}, nil)
		done <- err
	}()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := Discover(t.Context(), Query{Product: "a b"}, nil); err == nil {
		t.Error("a product that cannot be one was asked for")
	}
}

// A liar on the network cannot make the list wrong: other tokens, other
// cameras, failures and nonsense are ignored, and the list is bounded.
func TestLyingAnswers(t *testing.T) {
	liar, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2000)
		n, from, err := liar.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		p, _ := ParseProbe(buf[:n])
		good := Answer{Version: 1, Token: p.Token, Product: "P", Device: "real", Port: 7}
		send := func(change func(*Answer)) {
			a := good
			change(&a)
			b, err := a.Append(nil)
			if err == nil {
				liar.WriteToUDPAddrPort(b, from)
			}
		}
		send(func(a *Answer) { a.Token = json.RawMessage(`"guess"`) })
		send(func(a *Answer) { a.Product = "Q" })
		send(func(a *Answer) { a.Device = "other" })
		send(func(a *Answer) { a.Code = -2402 })
		liar.WriteToUDPAddrPort([]byte("nonsense"), from)
		liar.WriteToUDPAddrPort(make([]byte, 5000), from)
		send(func(*Answer) {})
	}()
	got, err := Discover(t.Context(), Query{Product: "P", Devices: []string{"real"}, Timeout: time.Hour,
		Targets: []netip.AddrPort{liar.LocalAddr().(*net.UDPAddr).AddrPort()}}, nil)
	liar.Close()
	<-done
	if err != nil || names(got) != "P/real@127.0.0.1:7" {
		t.Errorf("found %s, %v", names(got), err)
	}
	s := &search{}
	s.probe.Token = json.RawMessage(`1`)
	for i := range 2 * maxFound {
		b, err := Answer{Token: s.probe.Token, Device: fmt.Sprint("d", i), Port: 1}.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		s.take(b, loopbackBroadcast)
	}
	if len(s.list) != maxFound {
		t.Errorf("the list has grown to %d", len(s.list))
	}
}

// Whatever floods the responder, it goes on and answers who asks well.
func TestResponderIgnores(t *testing.T) {
	port := freePort(t)
	r := respond(t, ResponderConfig{Port: port, Product: "P", Device: "a", Link: netip.MustParseAddrPort("127.0.0.1:4001")})
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	other, err := Probe{Token: json.RawMessage(`1`), Product: "Q"}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{{}, []byte("x"), make([]byte, 9000), other} {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Discover(t.Context(), Query{Devices: []string{"a"}, Timeout: time.Hour,
		Targets: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}}, nil)
	if err != nil || names(got) != "P/a@127.0.0.1:4001" {
		t.Errorf("found %s, %v", names(got), err)
	}
	// An answer is counted when it is on its way.
	deadline := time.Now().Add(10 * time.Second)
	for {
		answered, ignored := r.Counts()
		if answered > 0 && ignored >= 4 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("answered %d, ignored %d", answered, ignored)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAnswer(t *testing.T) {
	p, err := Probe{Token: json.RawMessage(`1`)}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1700000000, 0)
	here := &Responder{cfg: ResponderConfig{Product: "P", Device: "a", Link: netip.MustParseAddrPort("127.0.0.1:4001")}, limit: newLimiter()}
	if b, _ := here.answer(p, netip.MustParseAddrPort("192.0.2.1:9"), now); b != nil {
		t.Error("a camera of this machine alone answers another one")
	}
	flooded := 0
	for range 100 {
		if b, _ := here.answer(p, netip.MustParseAddrPort("127.0.0.1:9"), now); b == nil {
			flooded++
		}
	}
	if flooded != 100-sourceBurst {
		t.Errorf("%d of 100 probes at once were ignored", flooded)
	}
	if b, _ := here.answer(p, netip.MustParseAddrPort("127.0.0.1:9"), now.Add(time.Second)); b == nil {
		t.Error("it does not recover from a flood")
	}
}

func TestLimiter(t *testing.T) {
	now := time.Unix(1700000000, 0)
	l := newLimiter()
	allowed := 0
	for i := range 100_000 { // each from another source
		if l.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now) {
			allowed++
		}
	}
	if allowed != totalBurst || len(l.sources) > maxSources {
		t.Errorf("%d allowed, %d sources remembered", allowed, len(l.sources))
	}
	if !l.allow(netip.MustParseAddr("192.0.2.1"), now.Add(time.Minute)) {
		t.Error("it does not recover from a flood")
	}
	for i := range 10 * maxSources { // slowly enough to be answered
		l.allow(netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)}), now.Add(time.Hour+time.Duration(i)*2*time.Second/totalRate))
	}
	if len(l.sources) > maxSources {
		t.Errorf("%d sources remembered", len(l.sources))
	}
}

func TestBroadcast(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7/24": "192.0.2.255", "10.1.2.3/8": "10.255.255.255", "10.0.0.1/30": "10.0.0.3",
		"10.0.0.1/31": "", "10.0.0.1/32": "", "2001:db8::1/64": "",
	} {
		ip, n, err := net.ParseCIDR(in)
		if err != nil {
			t.Fatal(err)
		}
		n.IP = ip
		if got, ok := broadcast(n); ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}
