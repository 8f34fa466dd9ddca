// SPDX-License-Identifier: LGPL-2.1-or-later

package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/pion/logging"
	"github.com/pion/turn/v4"
	"github.com/xp2p/xp2p/rendezvous"
)

// turnServer is STUN (RFC 8489) and TURN (RFC 8656) with credentials that hold
// for a limited time (draft-uberti-behave-turn-rest-00), so that coturn with
// the same secret can take its place.
type turnServer struct {
	srv    *turn.Server
	probe  *turn.Server // STUN alone, on a second port; nil where the port is taken
	secret string
	urls   []string
	probes []string
}

const (
	turnRealm       = "xp2p"
	credentialsHold = 12 * time.Hour
)

func startTURN(cfg Config, tcp *net.TCPAddr, pc net.PacketConn, secret string) (*turnServer, error) {
	host := tcp.IP.String()
	relay := tcp.IP
	if relay.IsUnspecified() {
		relay = outboundIP()
	}
	bind := relay.String()
	if cfg.PublicIP.IsValid() {
		relay = cfg.PublicIP.AsSlice()
	}
	gen := &turn.RelayAddressGeneratorStatic{RelayAddress: relay, Address: bind}
	permit := permitPeers(tcp.IP.IsLoopback())
	port := strconv.Itoa(tcp.Port)
	var err error
	if pc == nil {
		if pc, err = net.ListenPacket("udp", net.JoinHostPort(host, port)); err != nil {
			return nil, fmt.Errorf("STUN and TURN: %w", err)
		}
	}
	sc := turn.ServerConfig{
		Realm:             turnRealm,
		AuthHandler:       turn.LongTermTURNRESTAuthHandler(secret, quiet{}.NewLogger("")),
		LoggerFactory:     quiet{},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: pc, RelayAddressGenerator: gen, PermissionHandler: permit}},
	}
	t := &turnServer{secret: secret}
	announce := "" // clients fill in the host at which they reach us
	if cfg.PublicIP.IsValid() {
		announce = cfg.PublicIP.String()
	}
	t.urls = []string{"stun:" + announce + ":" + port, "turn:" + announce + ":" + port + "?transport=udp"}
	if cfg.TURNTCP >= 0 {
		p := cfg.TURNTCP
		if p == 0 && cfg.Listen[len(cfg.Listen)-2:] != ":0" {
			p = tcp.Port + 1
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p)))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("TURN over TCP: %w (--turn-tcp sets another port, -1 none)", err), pc.Close())
		}
		sc.ListenerConfigs = []turn.ListenerConfig{{Listener: ln, RelayAddressGenerator: gen, PermissionHandler: permit}}
		t.urls = append(t.urls, "turn:"+announce+":"+strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)+"?transport=tcp")
	}
	if t.srv, err = turn.NewServer(sc); err != nil {
		return nil, fmt.Errorf("STUN and TURN: %w", err)
	}
	if err := t.startProbe(host, port, announce); err != nil {
		cfg.Logger.Warn("no second STUN port: peers cannot tell the kind of their NAT", "err", err)
	}
	return t, nil
}

// startProbe opens a second UDP port, the one after the first where that was chosen:
// a NAT shows how it maps by what two ports see of it (RFC 5780 §4.3). It answers
// binding requests alone.
func (t *turnServer) startProbe(host, port, announce string) error {
	first, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	pc, err := net.ListenPacket("udp", net.JoinHostPort(host, strconv.Itoa(first+1)))
	if err != nil {
		if pc, err = net.ListenPacket("udp", net.JoinHostPort(host, "0")); err != nil {
			return err
		}
	}
	t.probe, err = turn.NewServer(turn.ServerConfig{LoggerFactory: quiet{}, PacketConnConfigs: []turn.PacketConnConfig{{
		PacketConn: pc, // no generator of relay addresses: it makes no allocations
	}}})
	if err != nil {
		return errors.Join(err, pc.Close())
	}
	t.probes = []string{"stun:" + announce + ":" + strconv.Itoa(pc.LocalAddr().(*net.UDPAddr).Port)}
	return nil
}

// permitPeers keeps a relay from being a way into this machine: loopback only
// where the server itself is on loopback, and never multicast or link-local.
func permitPeers(loopback bool) turn.PermissionHandler {
	return func(_ net.Addr, peer net.IP) bool {
		switch {
		case peer.IsLoopback():
			return loopback
		case peer.IsUnspecified(), peer.IsMulticast(), peer.IsLinkLocalUnicast(), peer.Equal(net.IPv4bcast):
			return false
		}
		return true
	}
}

func (t *turnServer) Close() error {
	err := t.srv.Close()
	if t.probe != nil {
		err = errors.Join(err, t.probe.Close())
	}
	return err
}

// list are the servers with fresh credentials for a user.
func (t *turnServer) list(user string) (rendezvous.ServerList, error) {
	name, password, err := turn.GenerateLongTermTURNRESTCredentials(t.secret, user, credentialsHold)
	if err != nil {
		return rendezvous.ServerList{}, err
	}
	l := rendezvous.ServerList{TTL: int(credentialsHold / time.Second)}
	for _, u := range t.urls {
		s := rendezvous.Server{URL: u}
		if u[:4] == "turn" {
			s.Username, s.Password = name, password
		}
		l.Servers = append(l.Servers, s)
	}
	for _, u := range t.probes {
		l.Probe = append(l.Probe, rendezvous.Server{URL: u})
	}
	return l, nil
}

// serveServers answers the ice requests of peers.
func serveServers(nc *nats.Conn, t *turnServer) error {
	_, err := nc.Subscribe(rendezvous.SubjectsOf("*").ICE(), func(m *nats.Msg) {
		l, err := t.list("peer")
		if err != nil {
			return
		}
		if b, err := json.Marshal(l); err == nil {
			m.Respond(b)
		}
	})
	return err
}

// quiet is pion's logger that says nothing: what it reports of strangers on an
// open port (bad credentials, garbage) is no event of ours.
type quiet struct{}

func (quiet) NewLogger(string) logging.LeveledLogger {
	return logging.NewDefaultLeveledLoggerForScope("turn", logging.LogLevelDisabled, nowhere{})
}

type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// natsLog lets the NATS server log through ours.
type natsLog struct{ log *slog.Logger }

func (l natsLog) Noticef(f string, v ...any) { l.log.Debug(fmt.Sprintf(f, v...)) }
func (l natsLog) Warnf(f string, v ...any)   { l.log.Debug(fmt.Sprintf(f, v...)) }
func (l natsLog) Fatalf(f string, v ...any)  { l.log.Error(fmt.Sprintf(f, v...)) }
func (l natsLog) Errorf(f string, v ...any)  { l.log.Warn(fmt.Sprintf(f, v...)) }
func (l natsLog) Debugf(string, ...any)      {}
func (l natsLog) Tracef(string, ...any)      {}
