// SPDX-License-Identifier: LGPL-2.1-or-later

package discovery

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

// Query says what to look for, and where. It is copied.
type Query struct {
	Product string   // empty: any
	Devices []string // none: all. With some, the search ends when all are found.
	// Targets are where probes go; none: the broadcast addresses of every network
	// of this machine, and the machine itself, at DefaultPort.
	Targets []netip.AddrPort
	// Timeout is how long answers are waited for; 0: 5 s, the reference's.
	Timeout time.Duration
}

// Found is a camera that answered. Who it really is shows when a viewer connects.
type Found struct {
	Product string         `json:"productId"`
	Device  string         `json:"deviceName"`
	Address netip.AddrPort `json:"address"` // where it can be connected to
}

const (
	defaultTimeout = 5 * time.Second
	// maxFound bounds the list: on one network there are fewer, or somebody makes them up.
	maxFound = 1024
)

// resend are the times at which the probe is sent: UDP may lose it.
var resend = []time.Duration{0, 300 * time.Millisecond, time.Second}

// Discover looks for cameras until the query's time is over, all named devices
// are found, or ctx ends, which is no error. found (may be nil) is told of each
// when it answers; each is reported once.
func Discover(ctx context.Context, q Query, found func(Found)) ([]Found, error) {
	if q.Timeout == 0 {
		q.Timeout = defaultTimeout
	}
	if len(q.Targets) == 0 {
		q.Targets = broadcastTargets()
	}
	token, err := json.Marshal(rand.Text())
	if err != nil {
		return nil, err
	}
	s := &search{q: q, probe: Probe{
		Version: Version, Token: token, Time: time.Now().Unix(), TimeoutMS: int(q.Timeout.Milliseconds()),
		Product: q.Product, Devices: q.Devices,
	}, found: found}
	packet, err := s.probe.Append(nil)
	if err != nil {
		return nil, err
	}
	if s.conn, err = net.ListenUDP("udp4", nil); err != nil {
		return nil, fmt.Errorf("open UDP socket for the probe: %w", err)
	}
	defer s.conn.Close()
	ctx, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })()
	err = s.run(ctx, packet)
	return s.list, err
}

type search struct {
	q     Query
	probe Probe
	conn  *net.UDPConn
	found func(Found)
	list  []Found
}

// run sends the probe at its times and reads answers in between.
func (s *search) run(ctx context.Context, packet []byte) error {
	began := time.Now()
	for i := range resend {
		if err := s.send(packet); err != nil && i == 0 {
			return err
		}
		next := began.Add(s.q.Timeout)
		if i+1 < len(resend) {
			next = began.Add(resend[i+1])
		}
		if s.listen(ctx, next) {
			return nil
		}
	}
	return nil
}

// send sends the probe to every target; the error says that it reached none.
func (s *search) send(packet []byte) error {
	var errs []error
	for _, to := range s.q.Targets {
		if _, err := s.conn.WriteToUDPAddrPort(packet, to); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == len(s.q.Targets) {
		return fmt.Errorf("the probe could not be sent (is there a network?): %w", errors.Join(errs...))
	}
	return nil
}

// listen takes answers until a time; it says whether the search is over.
func (s *search) listen(ctx context.Context, until time.Time) (over bool) {
	buf := make([]byte, MaxPacket+1)
	for {
		s.conn.SetReadDeadline(until)
		if ctx.Err() != nil {
			return true
		}
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return ctx.Err() != nil
		case err != nil: // such as an ICMP error of one target
			time.Sleep(readPause)
			continue
		}
		if s.take(buf[:n], from.Addr().Unmap()); s.complete() {
			return true
		}
	}
}

// take adds what an answer says to the list. What is no answer to our probe is ignored.
func (s *search) take(b []byte, from netip.Addr) {
	a, err := ParseAnswer(b)
	if err != nil || a.Code != 0 || string(a.Token) != string(s.probe.Token) {
		return
	}
	if a.Product == "" {
		a.Product = s.q.Product
	}
	if !s.probe.Asks(a.Product, a.Device) {
		return
	}
	if !a.Address.IsValid() {
		a.Address = from
	}
	f := Found{Product: a.Product, Device: a.Device, Address: netip.AddrPortFrom(a.Address, a.Port)}
	if len(s.list) >= maxFound || slices.Contains(s.list, f) {
		return
	}
	s.list = append(s.list, f)
	if s.found != nil {
		s.found(f)
	}
}

// complete says whether every device that was asked for has answered.
func (s *search) complete() bool {
	for _, d := range s.q.Devices {
		if !slices.ContainsFunc(s.list, func(f Found) bool { return f.Device == d }) {
			return false
		}
	}
	return len(s.q.Devices) > 0
}

// loopbackBroadcast reaches every responder on this machine.
var loopbackBroadcast = netip.AddrFrom4([4]byte{127, 255, 255, 255})

// broadcastTargets are the broadcast addresses of this machine's networks.
func broadcastTargets() []netip.AddrPort {
	targets := []netip.AddrPort{netip.AddrPortFrom(loopbackBroadcast, DefaultPort)}
	ifaces, err := net.Interfaces()
	if err != nil {
		return targets
	}
	for _, i := range ifaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagBroadcast == 0 {
			continue
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				if b, ok := broadcast(n); ok {
					targets = append(targets, netip.AddrPortFrom(b, DefaultPort))
				}
			}
		}
	}
	return targets
}

// broadcast is the last address of an IPv4 network (RFC 919 §7); false where
// there is none (RFC 3021: a link of two has no broadcast address).
func broadcast(n *net.IPNet) (netip.Addr, bool) {
	ip, ones := n.IP.To4(), 0
	if ones, _ = n.Mask.Size(); ip == nil || len(n.Mask) != net.IPv4len || ones > 30 {
		return netip.Addr{}, false
	}
	var b [4]byte
	for i := range b {
		b[i] = ip[i] | ^n.Mask[i]
	}
	return netip.AddrFrom4(b), true
}
