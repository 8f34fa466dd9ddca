// SPDX-License-Identifier: LGPL-2.1-or-later

// Package server is the rendezvous: an embedded NATS server for signalling and
// presence and an embedded STUN and TURN server. A NATS cluster and a coturn
// fleet can take their places; the services here are ordinary NATS clients.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/xp2p/xp2p/rendezvous"
)

// Config configures Start. It is copied.
type Config struct {
	// Listen is the address of signalling (TCP) and of STUN and TURN (UDP, same
	// port); port 0: any free one.
	Listen string
	// TURNTCP is the port of TURN over TCP, for networks without UDP; 0: the port
	// after Listen's; negative: none.
	TURNTCP int
	// PublicIP is where the world reaches this server, if that is not the address
	// of Listen (1:1 NAT). The zero value: Listen's, or that of the route to the internet.
	PublicIP netip.Addr
	// State is the directory for keys and the registry.
	State string
	// Logger; nil: discarded.
	Logger *slog.Logger
}

// Server is a running rendezvous.
type Server struct {
	app  rendezvous.App
	url  string
	ns   *natsserver.Server
	nc   *nats.Conn // of the services
	auth *nats.Conn // of the auth service
	turn *turnServer
	reg  *registry
}

const (
	peersAccount = "PEERS" // cameras, viewers and the services for them
	authAccount  = "AUTH"  // the service that decides who connects
	maxPayload   = 64 << 10
)

// Start starts the rendezvous; it is ready when Start returns.
func Start(ctx context.Context, cfg Config) (_ *Server, err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	host, port, err := splitListen(cfg.Listen)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.State, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	sec, err := loadSecrets(cfg.State)
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	s := &Server{}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.app, err = loadApp(cfg.State); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	var udp net.PacketConn // of STUN and TURN, where any port will do
	if port == 0 {
		if udp, port, err = anyPort(host); err != nil {
			return nil, err
		}
	}
	if err := s.startNATS(cfg, host, port, sec); err != nil {
		if udp != nil {
			udp.Close()
		}
		return nil, err
	}
	tcp := s.ns.Addr().(*net.TCPAddr)
	s.url = "nats://" + net.JoinHostPort(urlHost(tcp.IP, cfg.PublicIP), strconv.Itoa(tcp.Port))
	if s.turn, err = startTURN(cfg, tcp, udp, sec.TURNSecret); err != nil {
		return nil, err
	}
	if err := s.startServices(ctx, cfg, sec); err != nil {
		return nil, err
	}
	return s, nil
}

func splitListen(listen string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("listen address: %w (wanted HOST:PORT, such as 0.0.0.0:4222)", err)
	}
	if port, err = strconv.Atoi(p); err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("listen address %q: the port must be 0 to 65535", listen)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}

// anyPort finds a port that is free for both, TCP and UDP, and keeps that of UDP.
func anyPort(host string) (udp net.PacketConn, port int, err error) {
	for range 20 {
		if udp, err = net.ListenPacket("udp", net.JoinHostPort(host, "0")); err != nil {
			break
		}
		port = udp.LocalAddr().(*net.UDPAddr).Port
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil {
			l.Close()
			return udp, port, nil
		}
		udp.Close()
	}
	return nil, 0, fmt.Errorf("no port is free for TCP and UDP: %w", err)
}

func urlHost(listen net.IP, public netip.Addr) string {
	if public.IsValid() {
		return public.String()
	}
	if listen.IsUnspecified() {
		return outboundIP().String()
	}
	return listen.String()
}

// outboundIP is the address of this machine on the route to the internet;
// loopback where there is none. Nothing is sent.
func outboundIP() net.IP {
	c, err := net.Dial("udp4", "192.0.2.254:9") // TEST-NET-1, RFC 5737
	if err != nil {
		return net.IPv4(127, 0, 0, 1)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).IP
}

func (s *Server) startNATS(cfg Config, host string, port int, sec secrets) error {
	issuer, err := publicKey(sec.Issuer)
	if err != nil {
		return err
	}
	service, err := publicKey(sec.Service)
	if err != nil {
		return err
	}
	// The service connects twice, once into each account; the two users need two keys.
	authKey := "auth-" + service
	auth, peers := natsserver.NewAccount(authAccount), natsserver.NewAccount(peersAccount)
	opts := &natsserver.Options{
		ServerName:        "xp2p-" + issuer[:8],
		Host:              host,
		Port:              port,
		NoSigs:            true,
		NoLog:             true,
		MaxPayload:        maxPayload,
		MaxControlLine:    4096,
		AlwaysEnableNonce: true,
		AuthTimeout:       3,
		PingInterval:      10 * time.Second,
		MaxPingsOut:       3,
		JetStream:         true,
		StoreDir:          filepath.Join(cfg.State, "jetstream"),
		JetStreamMaxStore: 256 << 20,
		Accounts:          []*natsserver.Account{auth, peers},
		Nkeys:             []*natsserver.NkeyUser{{Nkey: service, Account: peers}},
		Users:             []*natsserver.User{{Username: authKey, Password: sec.Service, Account: auth}},
		AuthCallout:       &natsserver.AuthCallout{Issuer: issuer, Account: authAccount, AuthUsers: []string{service, authKey}},
	}
	if s.ns, err = natsserver.NewServer(opts); err != nil {
		return fmt.Errorf("signalling server: %w", err)
	}
	s.ns.SetLoggerV2(natsLog{cfg.Logger.With("part", "nats")}, false, false, false)
	s.ns.Start()
	if !s.ns.ReadyForConnections(10 * time.Second) {
		return fmt.Errorf("signalling server cannot listen on %s: is another server there already?", net.JoinHostPort(host, strconv.Itoa(max(port, 0))))
	}
	acc, err := s.ns.LookupAccount(peersAccount)
	if err != nil {
		return err
	}
	return acc.EnableJetStream(nil, nil)
}

func publicKey(seed string) (string, error) {
	kp, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return "", err
	}
	return kp.PublicKey()
}

func (s *Server) startServices(ctx context.Context, cfg Config, sec secrets) error {
	kp, err := nkeys.FromSeed([]byte(sec.Service))
	if err != nil {
		return err
	}
	pub, err := kp.PublicKey()
	if err != nil {
		return err
	}
	if s.nc, err = nats.Connect("", nats.InProcessServer(s.ns), nats.Name("xp2p services"), nats.Nkey(pub, kp.Sign)); err != nil {
		return fmt.Errorf("connect services: %w", err)
	}
	if s.reg, err = startRegistry(ctx, s.nc, cfg.Logger); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	if err := serveServers(s.nc, s.turn); err != nil {
		return err
	}
	if err := serveSources(ctx, s.nc, cfg.Logger); err != nil {
		return fmt.Errorf("registry of sources: %w", err)
	}
	s.auth, err = startAuth(s.ns, cfg.Logger, sec, "auth-"+pub, s.app, s.reg)
	return err
}

// URL is what cameras and viewers connect to.
func (s *Server) URL() string { return s.url }

// App is the first application's parameters, as in app.json.
func (s *Server) App() rendezvous.App { return s.app }

// KeyValue is a bucket in the rendezvous' own store, for a service that runs in the same
// process; what is put there is forgotten after ttl. No peer can reach it.
func (s *Server) KeyValue(ctx context.Context, bucket string, ttl time.Duration) (jetstream.KeyValue, error) {
	js, err := jetstream.New(s.nc)
	if err != nil {
		return nil, err
	}
	return js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket, TTL: ttl, MaxBytes: keyValueSize, MaxValueSize: 16 << 10})
}

// keyValueSize bounds such a bucket in bytes.
const keyValueSize = 64 << 20

// Close stops the rendezvous.
func (s *Server) Close() error {
	var err error
	if s.reg != nil {
		s.reg.close()
	}
	for _, nc := range []*nats.Conn{s.auth, s.nc} {
		if nc != nil {
			nc.Close()
		}
	}
	if s.turn != nil {
		err = s.turn.Close()
	}
	if s.ns != nil {
		s.ns.Shutdown()
		s.ns.WaitForShutdown()
	}
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}
