// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/xp2p/xp2p/discovery"
	"github.com/xp2p/xp2p/internal/link"
)

// lanFace is what viewers on the own network find: a socket for links, and
// answers to those who look for cameras.
type lanFace struct {
	sock      *link.LAN
	responder *discovery.Responder // nil: the port for probes could not be had
}

// openLAN listens at addr ("HOST:PORT"; the port may be 0).
func (s *Server) openLAN(addr string) error {
	bind, err := parseLAN(addr)
	if err != nil {
		return err
	}
	s.lan.sock, err = link.ListenLAN(link.LANConfig{Bind: bind, Logger: s.d.log, Serve: &link.LANService{
		Identity: s.id, Admit: s.admitLAN, Handler: s.d, MaxLinks: maxLinks,
	}})
	if err != nil {
		return err
	}
	s.lan.responder, err = discovery.Respond(discovery.ResponderConfig{
		Product: s.d.cfg.Product, Device: s.d.cfg.Name, Link: s.LANAddr(), Logger: s.d.log,
	})
	if err != nil { // whoever knows the address still gets in
		s.d.log.Warn("the camera cannot be discovered on the LAN: does another program have the port?", "port", discovery.DefaultPort, "err", err)
	}
	return nil
}

func parseLAN(addr string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(addr)
	if err == nil && host == "" {
		host = "0.0.0.0"
	}
	var bind netip.AddrPort
	if err == nil {
		bind, err = netip.ParseAddrPort(net.JoinHostPort(host, port))
	}
	if err != nil {
		return bind, fmt.Errorf("LAN address %q: an IP address and a port are needed, such as 0.0.0.0:0 (any free port)", addr)
	}
	return bind, nil
}

// LANAddr is where viewers on the own network reach the device; the zero value
// where they cannot. Its address may be unspecified: then it is each of the machine's.
func (s *Server) LANAddr() netip.AddrPort {
	if s.lan.sock == nil {
		return netip.AddrPort{}
	}
	a := s.lan.sock.LocalAddr().AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (s *Server) admitLAN(ctx context.Context, l *link.Link, viewer link.Pin, hello []byte) (context.Context, error) {
	ctx, err := s.admit(ctx, l, viewer, hello)
	if err == nil {
		s.d.log.Info("viewer connected", "peer", l.ID(), "path", l.Path().Remote)
	}
	return ctx, err
}

func (f *lanFace) close() {
	if f.responder != nil {
		f.responder.Close()
	}
	if f.sock != nil {
		f.sock.Close() // and with it every link
	}
}
