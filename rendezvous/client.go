// SPDX-License-Identifier: LGPL-2.1-or-later

package rendezvous

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

var (
	// ErrUnreachable says that the rendezvous does not answer at its address.
	ErrUnreachable = errors.New("the rendezvous cannot be reached")
	// ErrRefused says that the rendezvous does not accept the account or the device.
	ErrRefused = errors.New("the rendezvous refused the account")
	// ErrNoDevice says that the device is not present at the rendezvous.
	ErrNoDevice = errors.New("the device is not online")
)

// Config configures Dial. It is copied.
type Config struct {
	// URL of the rendezvous, "nats://HOST:PORT"; several, divided by commas, name a cluster.
	URL string
	App App
	// Device makes this a device's connection; nil: a viewer's.
	Device *Device
	// OnState is told when the connection breaks and when it stands again; nil: nobody.
	OnState func(connected bool)
	// Logger; nil: discarded.
	Logger *slog.Logger
}

// Device is who a device's connection speaks for.
type Device struct {
	Product string
	Name    string
	Key     ed25519.PrivateKey
}

// Client is a connection to the rendezvous. It reconnects by itself until it is closed.
type Client struct {
	nc       *nats.Conn
	cfg      Config
	subjects Subjects
	inbox    string
	host     string // of the URL in use, for servers that are announced without one

	mu      sync.Mutex
	servers []Server
	probe   []Server
	fresh   time.Time // until when servers may be used
}

const (
	dialTimeout   = 5 * time.Second
	reconnectWait = 500 * time.Millisecond
	pingInterval  = 8 * time.Second // reference/xp2p.md §5: keep-alive every 5 to 10 s, 3 attempts
	maxPings      = 3
)

// Dial connects. Errors are ErrUnreachable or ErrRefused with a cause.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := cfg.App.Validate(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, subjects: SubjectsOf(cfg.App.OauthID)}
	opts, err := c.options(ctx)
	if err != nil {
		return nil, err
	}
	if c.nc, err = nats.Connect(cfg.URL, opts...); err != nil {
		return nil, c.dialError(err)
	}
	if u, err := url.Parse(c.nc.ConnectedUrl()); err == nil {
		c.host = u.Hostname()
	}
	return c, nil
}

func (c *Client) options(ctx context.Context) ([]nats.Option, error) {
	kp, role, err := c.keyPair()
	if err != nil {
		return nil, err
	}
	public, err := kp.PublicKey()
	if err != nil {
		return nil, err
	}
	name := newClientName(role)
	c.inbox, _ = InboxOf(name)
	timeout := dialTimeout
	if dl, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(dl))
	}
	log := c.cfg.Logger
	state := func(up bool) {
		if c.cfg.OnState != nil {
			c.cfg.OnState(up)
		}
	}
	opts := []nats.Option{
		nats.Name(name),
		nats.Nkey(public, kp.Sign),
		nats.CustomInboxPrefix(c.inbox),
		nats.Timeout(max(timeout, time.Millisecond)),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPings),
		nats.IgnoreAuthErrorAbort(), // a rendezvous that restarts may refuse for a moment
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("rendezvous connection lost; trying again", "err", err)
			}
			state(false)
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("rendezvous connection is back"); state(true) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("rendezvous", "err", err) }),
	}
	if d := c.cfg.Device; d != nil {
		opts = append(opts, nats.TokenHandler(func() string {
			t, err := DeviceToken(c.cfg.App, d.Product, d.Name, public)
			if err != nil {
				log.Error("make device token", "err", err)
			}
			return t
		}))
	}
	return opts, nil
}

func (c *Client) keyPair() (kp nkeys.KeyPair, role string, err error) {
	if d := c.cfg.Device; d != nil {
		if err := errors.Join(ValidName("product", d.Product), ValidName("device", d.Name)); err != nil {
			return nil, "", err
		}
		kp, err = deviceKeyPair(d.Key)
		return kp, "device", err
	}
	if kp, err = nkeys.FromSeed([]byte(c.cfg.App.SecretKey)); err != nil {
		return nil, "", fmt.Errorf("%w: appSecretKey: %w", ErrRefused, err)
	}
	if pub, err := kp.PublicKey(); err != nil || pub != c.cfg.App.Key {
		return nil, "", fmt.Errorf("%w: appSecretKey does not belong to appKey", ErrRefused)
	}
	return kp, "viewer", nil
}

func (c *Client) dialError(err error) error {
	if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || strings.Contains(strings.ToLower(err.Error()), "authorization") {
		if d := c.cfg.Device; d != nil {
			return fmt.Errorf("%w or the device %s/%s: is the app file the rendezvous' own, and was the device first seen with another key (state directory)?", ErrRefused, d.Product, d.Name)
		}
		return fmt.Errorf("%w %s: is the app file the rendezvous' own?", ErrRefused, c.cfg.App.Key)
	}
	return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.cfg.URL, err)
}

// Connected says whether the connection stands now.
func (c *Client) Connected() bool { return c.nc.IsConnected() }

// Close ends the connection.
func (c *Client) Close() error {
	c.nc.Close()
	return nil
}

// Server is a STUN or TURN server and the credentials for it.
type Server struct {
	URL      string `json:"url"` // the host may be empty: the rendezvous' own
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
}

// LogValue keeps the password out of every log.
func (s Server) LogValue() slog.Value { return slog.StringValue(s.URL) }

// ServerList is the answer to the ice request.
type ServerList struct {
	Servers []Server `json:"servers"`
	// Probe are STUN servers besides those of Servers, for finding out the NAT's kind
	// alone: every link would ask them too if they were among Servers.
	Probe []Server `json:"probe,omitempty"`
	TTL   int      `json:"ttl"` // seconds for which the credentials hold
}

// Servers are the STUN and TURN servers of the rendezvous. The answer is kept
// for half the time that its credentials hold.
func (c *Client) Servers(ctx context.Context) ([]Server, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.fresh) {
		return c.servers, nil
	}
	msg, err := c.nc.RequestWithContext(ctx, c.subjects.ICE(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask for STUN and TURN servers: %w", requestError(err))
	}
	var l ServerList
	if err := json.Unmarshal(msg.Data, &l); err != nil {
		return nil, fmt.Errorf("list of STUN and TURN servers: %w", err)
	}
	for _, list := range [][]Server{l.Servers, l.Probe} {
		for i := range list {
			list[i].URL = withHost(list[i].URL, c.host)
		}
	}
	c.servers, c.probe, c.fresh = l.Servers, l.Probe, time.Now().Add(time.Duration(l.TTL)*time.Second/2)
	return c.servers, nil
}

// ProbeServers are the servers of Servers and those that are there for probing the NAT.
func (c *Client) ProbeServers(ctx context.Context) ([]Server, error) {
	servers, err := c.Servers(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(servers, c.probe), nil
}

// renewPatience is how long Renew waits for an answer before it connects anew.
const renewPatience = 500 * time.Millisecond

// Renew makes sure, after a change of network, that the connection is not a dead
// one: it asks for a sign of life, connects anew where none comes, and waits until the
// connection stands or ctx ends. The error is ErrUnreachable.
func (c *Client) Renew(ctx context.Context) error {
	if c.nc.IsConnected() && c.nc.FlushTimeout(renewPatience) == nil {
		return nil
	}
	up := c.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer c.nc.RemoveStatusListener(up)
	if err := c.nc.ForceReconnect(); err != nil {
		return requestError(err)
	}
	select {
	case status := <-up:
		if status == nats.CONNECTED {
			return nil
		}
		return fmt.Errorf("%w: %w", ErrUnreachable, nats.ErrConnectionClosed)
	case <-ctx.Done():
		return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.cfg.URL, context.Cause(ctx))
	}
}

// withHost fills in the host of "turn::PORT?transport=udp" (RFC 7065).
func withHost(raw, host string) string {
	scheme, rest, ok := strings.Cut(raw, ":")
	if !ok || !strings.HasPrefix(rest, ":") {
		return raw
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		host = "[" + host + "]"
	}
	return scheme + ":" + host + rest
}

// Presence is one device that is known to the rendezvous.
type Presence struct {
	Product string    `json:"product"`
	Device  string    `json:"device"`
	Online  bool      `json:"online"`
	Since   time.Time `json:"since"`
	Version string    `json:"version,omitempty"`
}

// Devices lists the tenant's devices.
func (c *Client) Devices(ctx context.Context) ([]Presence, error) {
	msg, err := c.nc.RequestWithContext(ctx, c.subjects.Devices(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask for the devices: %w", requestError(err))
	}
	var l []Presence
	if err := json.Unmarshal(msg.Data, &l); err != nil {
		return nil, fmt.Errorf("list of devices: %w", err)
	}
	return l, nil
}

func requestError(err error) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w: nobody answers there", ErrUnreachable)
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrDisconnected):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return err
}
