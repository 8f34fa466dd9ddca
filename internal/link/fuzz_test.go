// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"encoding/json"
	"net"
	"testing"

	"github.com/pion/stun"
	"golang.org/x/net/ipv4"
)

// FuzzSort gives the socket's sorting any datagram: what is not for QUIC must
// not reach it, and what is STUN must reach nobody it does not name.
func FuzzSort(f *testing.F) {
	req := stun.MustBuild(stun.BindingRequest, stun.TransactionID, stun.NewUsername("local:remote"))
	f.Add(req.Raw)
	f.Add(stun.MustBuild(stun.BindingSuccess, stun.TransactionID, &stun.XORMappedAddress{IP: net.IPv4(192, 0, 2, 1), Port: 9}).Raw)
	f.Add([]byte{0xc0, 0, 0, 0, 1})
	f.Add([]byte{17})
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Skip(err)
		}
		defer u.Close()
		pc := newPacketConn(u)
		peer := pc.addPeer()
		known := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7}
		pc.learn(peer, known)
		for _, from := range []*net.UDPAddr{known, {IP: net.IPv4(192, 0, 2, 2), Port: 7}} {
			ms := []ipv4.Message{{Buffers: [][]byte{b}, N: len(b), Addr: from}}
			pc.sort(ms)
			forQUIC := len(b) > 0 && b[0] >= 64 && from == known
			if (ms[0].N > 0) != forQUIC {
				t.Fatalf("first byte %v from %v: N is %d", b[:min(1, len(b))], from, ms[0].N)
			}
			if forQUIC && ms[0].Addr != peer.virtual {
				t.Fatalf("QUIC sees %v", ms[0].Addr)
			}
		}
		m := &stunMux{pc: pc, conns: map[string]*muxConn{}, pending: map[transactionID]pendingRequest{}}
		other := &muxConn{m: m, key: "somebody", in: make(chan datagram, 4)}
		m.conns["somebody"] = other
		m.dispatch(datagram{b, known})
		if name, _ := localUfrag(append([]byte(nil), b...)); len(other.in) > 0 && name != "somebody" {
			t.Fatalf("a packet for %q reached another agent", name)
		}
	})
}

// FuzzOffer: an offer that is accepted has a pin and credentials.
func FuzzOffer(f *testing.F) {
	b, err := json.Marshal(Offer{Pin{1}, Signal{Ufrag: "abcd", Password: "0123456789012345678901"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"pin":"","desc":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var o Offer
		if json.Unmarshal(b, &o) == nil && (len(o.Description.Ufrag) < 4 || len(o.Description.Password) < 22) {
			t.Errorf("accepted %+v", o)
		}
		if s, err := ParseAnswer(b); err == nil && len(s.Password) < 22 {
			t.Errorf("accepted %+v", s)
		}
	})
}
