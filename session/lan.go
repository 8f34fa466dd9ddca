// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/xp2p/xp2p/internal/link"
)

// way is how a service reaches its camera.
type way interface {
	// join makes a link to the camera whose key has the pin.
	join(ctx context.Context, s *Service, pin link.Pin) (*link.Link, error)
}

func (s *Service) way() way {
	if s.lan != nil {
		return s.lan
	}
	return viaRendezvous{}
}

// viaRendezvous meets the camera at the rendezvous and lets ICE find a path.
type viaRendezvous struct{}

var errNoRendezvous = errors.New("this module was started without a rendezvous and reaches cameras on the LAN alone " +
	"(StartLANService; --lan); for others set Config.Rendezvous (--rendezvous or XP2P_RENDEZVOUS) to the URL that xp2p rendezvous prints")

// LANInfo says which camera on the own network StartLANService connects to, and where it is:
// package discovery and `xp2p discover` find that out.
type LANInfo struct {
	// Host is the camera's IP address or name, Port its UDP port (required).
	Host string
	Port int
	// XP2PInfo is the camera's grant (required). It names the key that the camera must have.
	XP2PInfo string
	// ProductID and DeviceName must be the grant's where they are set.
	ProductID  string
	DeviceName string
	// Events receives this service's events, besides Config.Events; nil: nobody.
	Events func(Event)
}

// StartLANService connects to a camera on the own network, with no server at all: the
// original's startLanService. What it returns is a service like any other; it joins the
// camera again at the same address. Errors are those of StartService.
func (m *Module) StartLANService(ctx context.Context, id string, info LANInfo) (*Service, error) {
	const op = "startLanService"
	if id == "" {
		return nil, &Error{op, BadArgument, errors.New("the service's id is empty")}
	}
	if info.Host == "" || info.Port < 1 || info.Port > 65535 {
		return nil, &Error{op, BadArgument, fmt.Errorf("the camera's address %q port %d is none (xp2p discover prints HOST:PORT)", info.Host, info.Port)}
	}
	si := StreamInfo{XP2PInfo: info.XP2PInfo, ProductID: info.ProductID, DeviceName: info.DeviceName, Events: info.Events}
	g, params, err := si.resolve()
	if err != nil {
		err.Op = op
		return nil, err
	}
	s := newService(m, id, si, g, params)
	s.lan = &viaLAN{host: info.Host, port: uint16(info.Port)}
	return m.begin(ctx, op, s)
}

// viaLAN dials the camera at an address that is known.
type viaLAN struct {
	host string
	port uint16
}

func (v *viaLAN) join(ctx context.Context, s *Service, pin link.Pin) (*link.Link, error) {
	sock, err := s.m.lan.open(link.LANConfig{Logger: s.m.cfg.Logger})
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", v.host)
	if err != nil {
		return nil, fmt.Errorf("the camera's address on the LAN: %w", err)
	}
	for _, ip := range ips {
		var l *link.Link
		l, err = sock.DialLAN(ctx, netip.AddrPortFrom(ip.Unmap(), v.port), s.m.id, pin, []byte(s.info))
		if err == nil {
			return l, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// lanSocket is the module's socket for links on the LAN, opened when the first
// service needs it.
type lanSocket struct {
	mu     sync.Mutex
	sock   *link.LAN
	closed bool
}

func (l *lanSocket) open(cfg link.LANConfig) (*link.LAN, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errModuleClosed
	}
	if l.sock == nil {
		sock, err := link.ListenLAN(cfg)
		if err != nil {
			return nil, &Error{Code: TransportStarted, Err: err}
		}
		l.sock = sock
	}
	return l.sock, nil
}

func (l *lanSocket) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.sock == nil {
		return nil
	}
	return l.sock.Close()
}
