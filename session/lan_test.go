// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/discovery"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/session"
)

// lanCamera is a camera on loopback, without a rendezvous.
type lanCamera struct {
	t     *testing.T
	s     *device.Server
	dir   string
	book  *grant.Book
	key   ed25519.PrivateKey
	stop  func()
	at    session.LANInfo // with a grant for everything
	addr  string
	names device.Config
}

func newLANCamera(t *testing.T) *lanCamera {
	t.Helper()
	c := &lanCamera{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	id, err := link.LoadIdentity(filepath.Join(c.dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	c.key = id.Key()
	c.names = device.Config{Product: "LAN", Name: "cam-" + id.Pin().String()[:8], Commands: echoCommands{}}
	if c.book, err = grant.OpenBook(filepath.Join(c.dir, grant.BookFile)); err != nil {
		t.Fatal(err)
	}
	c.start()
	return c
}

func (c *lanCamera) start() {
	c.t.Helper()
	cfg := c.names
	cfg.Channels = []device.Channel{{Name: "cam1", Source: generator{}}}
	d, err := device.New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	// A book of its own, as a camera in another process has.
	book, err := grant.OpenBook(filepath.Join(c.dir, grant.BookFile))
	if err != nil {
		c.t.Fatal(err)
	}
	c.s, err = device.NewServer(d, device.ServeConfig{KeyFile: filepath.Join(c.dir, "key.pem"), LAN: c.addr, Grants: book})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- c.s.Run(ctx, func() { close(ready) }) }()
	<-ready
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
		d.Close()
	})
	c.t.Cleanup(c.stop)
	c.addr = c.s.LANAddr().String()
	c.at = c.with(c.grant(grant.Grant{Rights: grant.AllRights}))
}

// grant issues one of the camera's own.
func (c *lanCamera) grant(g grant.Grant) string {
	c.t.Helper()
	return issueWith(c.t, c.key, c.names, g)
}

func issueWith(t *testing.T, key ed25519.PrivateKey, of device.Config, g grant.Grant) string {
	t.Helper()
	if g.Product == "" {
		g.Product, g.Device = of.Product, of.Name
	}
	g.Version = "1.0.0"
	info, err := grant.Issue(key, g)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func (c *lanCamera) with(info string) session.LANInfo {
	a := c.s.LANAddr()
	return session.LANInfo{Host: a.Addr().String(), Port: int(a.Port()), XP2PInfo: info}
}

func lanModule(t *testing.T) *session.Module {
	t.Helper()
	m, err := session.Init(t.Context(), session.Config{ConnectTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// A viewer finds the camera, connects, watches and commands it, with no server at all.
func TestLANService(t *testing.T) {
	c := newLANCamera(t)
	// Other cameras may answer on this machine: this one has a name of its own.
	found, err := discovery.Discover(t.Context(), discovery.Query{Product: "LAN", Devices: []string{c.names.Name}}, nil)
	if err != nil || len(found) != 1 || found[0].Address != c.s.LANAddr() {
		t.Fatalf("found %+v, %v", found, err)
	}
	var events eventLog
	info := c.at
	info.Host, info.Port, info.Events = found[0].Address.Addr().String(), int(found[0].Address.Port()), events.add
	m := lanModule(t)
	s, err := m.StartLANService(t.Context(), "one", info)
	if err != nil {
		t.Fatal(err)
	}
	if p := s.Path(); p.Path != "direct" || p.Remote != "host "+c.addr {
		t.Errorf("path: %+v", p)
	}
	st, err := s.StartStream(t.Context(), session.StreamRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(st, make([]byte, 100<<10)); err != nil {
		t.Error(err)
	}
	st.Close()
	if r, err := s.SendCommand(t.Context(), "action=user_define&cmd=ptz_left"); err != nil || r.Data != "did action=user_define&cmd=ptz_left" {
		t.Errorf("command: %+v, %v", r, err)
	}
	_, err = m.StartLANService(t.Context(), "one", c.at)
	wantCode(t, err, session.AlreadyStarted)
	s.Close()
	if n := events.names(); len(n) == 0 || n[0] != session.Connected {
		t.Errorf("events %v", n)
	}
}

func TestLANServiceJoinsAgain(t *testing.T) {
	c := newLANCamera(t)
	s, err := lanModule(t).StartLANService(t.Context(), "one", c.at)
	if err != nil {
		t.Fatal(err)
	}
	c.stop()
	c.start() // at the same address
	for {     // the service notices in its own time
		r, err := s.SendCommand(t.Context(), "action=inner_define&cmd=get_device_st")
		if err == nil && r.Type == session.CommandSuccess {
			break
		}
		wantCode(t, err, session.StreamFailed)
	}
}

func TestLANServiceFails(t *testing.T) {
	c := newLANCamera(t)
	m := lanModule(t)
	other, err := link.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	at := func(info string) session.LANInfo { return c.with(info) }
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	nobody := c.at
	nobody.Port = silent.LocalAddr().(*net.UDPAddr).Port
	revoked := c.grant(grant.Grant{Rights: grant.AllRights})
	g, err := grant.Parse(revoked)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.book.Revoke(grant.EntryOf(g, ""), time.Now()); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		info session.LANInfo
		want session.Code
		says string
	}{
		"no address":           {session.LANInfo{XP2PInfo: c.at.XP2PInfo}, session.BadArgument, "xp2p discover"},
		"port out of range":    {session.LANInfo{Host: "127.0.0.1", Port: 70000, XP2PInfo: c.at.XP2PInfo}, session.BadArgument, "70000"},
		"no xp2pInfo":          {at(""), session.BadArgument, "no xp2pInfo"},
		"the original's":       {at("XP2PAAAA==%2.4.46"), session.BadXP2PInfo, ""},
		"name nobody has":      {session.LANInfo{Host: "camera.invalid", Port: 1, XP2PInfo: c.at.XP2PInfo}, session.StreamFailed, "address on the LAN"},
		"nobody answers":       {nobody, session.StreamFailed, "no camera answers"},
		"expired":              {at(c.grant(grant.Grant{Expires: time.Now().Add(-time.Minute)})), session.BadXP2PInfo, "expired"},
		"revoked":              {at(revoked), session.BadXP2PInfo, "revoked"},
		"another viewer's":     {at(c.grant(grant.Grant{Viewer: other.Pin().String()})), session.BadXP2PInfo, "another viewer's key"},
		"another camera's":     {at(c.grant(grant.Grant{Product: "LAN", Device: "another"})), session.BadXP2PInfo, "another camera"},
		"signed by somebody":   {at(issueWith(t, other.Key(), c.names, grant.Grant{})), session.BadXP2PInfo, "key"},
		"of another, expected": {session.LANInfo{Host: "127.0.0.1", Port: c.at.Port, XP2PInfo: c.at.XP2PInfo, DeviceName: "x"}, session.BadArgument, "not for"},
	} {
		s, err := m.StartLANService(t.Context(), name, tt.info)
		if err == nil {
			s.Close()
		}
		wantCode(t, err, tt.want)
		if err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v does not say %q", name, err, tt.says)
		}
	}
	_, err = m.StartService(t.Context(), "by rendezvous", session.StreamInfo{XP2PInfo: c.at.XP2PInfo})
	wantCode(t, err, session.BadArgument)
	if err == nil || !strings.Contains(err.Error(), "without a rendezvous") {
		t.Errorf("a service by rendezvous: %v", err)
	}
	m.Close()
	_, err = m.StartLANService(t.Context(), "late", c.at)
	wantCode(t, err, session.NotInitialised)
}

// A viewer that checks nothing itself gets no further: the camera decides.
func TestCameraRefuses(t *testing.T) {
	c := newLANCamera(t)
	viewer, err := link.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	camera, err := link.LoadIdentity(filepath.Join(c.dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := link.ListenLAN(link.LANConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	tampered := []byte(c.at.XP2PInfo)
	if tampered[100] == 'A' {
		tampered[100] = 'B'
	} else {
		tampered[100] = 'A'
	}
	for name, tt := range map[string]struct{ info, says string }{
		"nothing":          {"", "not an xp2pInfo"},
		"garbage":          {strings.Repeat("x", 16<<10), "not an xp2pInfo"},
		"the original's":   {"XP2PAAAA==%2.4.46", "not an xp2pInfo"},
		"tampered":         {string(tampered), "xp2pInfo"},
		"signed by itself": {issueWith(t, viewer.Key(), c.names, grant.Grant{Rights: grant.AllRights}), "signature"},
		"expired":          {c.grant(grant.Grant{Expires: time.Now().Add(-time.Second)}), "expired"},
		"another viewer's": {c.grant(grant.Grant{Viewer: camera.Pin().String()}), "another viewer's key"},
		"another camera's": {c.grant(grant.Grant{Product: "LAN", Device: "another"}), "another camera"},
	} {
		l, err := n.DialLAN(t.Context(), c.s.LANAddr(), viewer, camera.Pin(), []byte(tt.info))
		if err == nil {
			l.Close()
		}
		var r *link.Refusal
		if !errors.As(err, &r) || r.Code != int(session.BadXP2PInfo) || !strings.Contains(r.Reason, tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A grant that is bound to a viewer's key works with that key, and with no other.
func TestGrantOfOneViewer(t *testing.T) {
	c := newLANCamera(t)
	mine, other := lanModule(t), lanModule(t)
	info := c.with(c.grant(grant.Grant{Rights: []grant.Right{grant.Command}, Viewer: mine.UUID()}))
	s, err := mine.StartLANService(t.Context(), "mine", info)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.SendCommand(t.Context(), "action=inner_define&cmd=get_nvr_list"); err != nil || r.Type != session.CommandSuccess {
		t.Errorf("what is allowed: %+v, %v", r, err)
	}
	_, err = s.StartStream(t.Context(), session.StreamRequest{})
	wantCode(t, err, session.StreamFailed)
	_, err = other.StartLANService(t.Context(), "stolen", info)
	wantCode(t, err, session.BadXP2PInfo)
}

// What a grant allowed ends when its owner revokes it, and when it expires, also
// in the middle of a stream; other viewers do not notice.
func TestGrantEndsWhileUsed(t *testing.T) {
	c := newLANCamera(t)
	for name, tt := range map[string]struct {
		holds time.Duration // 0: for ever
		end   func(*grant.Grant) error
		says  string
	}{
		"revoked": {0, func(g *grant.Grant) error { return c.book.Revoke(grant.EntryOf(g, ""), time.Now()) }, "revoked"},
		"expired": {2 * time.Second, func(*grant.Grant) error { return nil }, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			m := lanModule(t)
			owner, err := m.StartLANService(t.Context(), "owner", c.at)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := owner.StartStream(t.Context(), session.StreamRequest{})
			if err != nil {
				t.Fatal(err)
			}
			var events eventLog
			info, s, st := c.guest(m, tt.holds, events.add)
			g, err := grant.Parse(info.XP2PInfo)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.end(g); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, st); err == nil {
				t.Error("the stream ended as if the camera had no more")
			}
			st.Close()
			for { // the service notices in its own time that its link is gone
				_, err = s.StartStream(t.Context(), session.StreamRequest{})
				if code, _ := session.CodeOf(err); code != session.StreamFailed {
					break
				}
			}
			wantCode(t, err, session.BadXP2PInfo)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("afterwards: %v", err)
			}
			s.Close()
			if !slices.ContainsFunc(events.all(), func(e session.Event) bool {
				d, ok := e.Detail.(session.DisconnectDetail)
				return ok && e.Subtype == session.Disconnect && strings.Contains(d.Reason, tt.says)
			}) {
				t.Errorf("no event says why: %+v", events.all())
			}
			if _, err := io.ReadFull(ours, make([]byte, 100<<10)); err != nil {
				t.Errorf("the other viewer: %v", err)
			}
			m.Close()
		})
	}
}

// guest watches with a grant of its own. On a machine that is too slow to connect
// before it is over, it asks for a longer one.
func (c *lanCamera) guest(m *session.Module, holds time.Duration, events func(session.Event)) (session.LANInfo, *session.Service, *session.Stream) {
	c.t.Helper()
	for ; ; holds *= 2 {
		g := grant.Grant{Rights: grant.AllRights}
		if holds > 0 {
			g.Expires = time.Now().Add(holds)
		}
		info := c.with(c.grant(g))
		info.Events = events
		s, err := m.StartLANService(c.t.Context(), "guest", info)
		if err == nil {
			var st *session.Stream
			if st, err = s.StartStream(c.t.Context(), session.StreamRequest{}); err == nil {
				return info, s, st
			}
			s.Close()
		}
		if holds == 0 || time.Now().Before(g.Expires) {
			c.t.Fatal(err)
		}
	}
}

func TestLANAddress(t *testing.T) {
	d, err := device.New(device.Config{Product: "P", Name: "D", Channels: []device.Channel{{Source: generator{}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, addr := range []string{"here", "localhost:1", "127.0.0.1", "127.0.0.1:99999", "192.0.2.1:1"} {
		_, err := device.NewServer(d, device.ServeConfig{KeyFile: filepath.Join(t.TempDir(), "key.pem"), LAN: addr})
		if err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
