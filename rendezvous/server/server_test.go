// SPDX-License-Identifier: LGPL-2.1-or-later

package server

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/pion/stun"
	"github.com/xp2p/xp2p/rendezvous"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// nats-server keeps these for the life of the process.
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.init.0.func1"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/pse.ProcUsage"),
	)
}

func start(t *testing.T, dir string, log *slog.Logger) *Server {
	t.Helper()
	s, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", State: dir, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func dial(t *testing.T, s *Server, d *rendezvous.Device) *rendezvous.Client {
	t.Helper()
	c, err := rendezvous.Dial(t.Context(), rendezvous.Config{URL: s.URL(), App: s.App(), Device: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func edKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
}

type answerer struct {
	mu      sync.Mutex
	signals []string
	refuse  error
	send    func([]byte) error
}

func (a *answerer) Offer(id string, body []byte, send func([]byte) error) ([]byte, error) {
	if a.refuse != nil {
		return nil, a.refuse
	}
	a.send = send
	send([]byte(`"first"`))
	return []byte(`{"to":` + string(body) + `}`), nil
}

func (a *answerer) Signal(id string, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.signals = append(a.signals, id+" "+string(body))
}

func serve(t *testing.T, c *rendezvous.Client, a rendezvous.Answerer) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	ready := make(chan struct{})
	go func() { done <- c.Serve(ctx, "1.0", a, func() { close(ready) }) }()
	<-ready
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// eventually polls for what another process does in its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never happened: %s", what)
}

func TestCall(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	a := &answerer{}
	serve(t, dial(t, s, &rendezvous.Device{Product: "P", Name: "D", Key: edKey(1)}), a)
	v := dial(t, s, nil)
	eventually(t, "the device is listed", func() bool {
		l, err := v.Devices(t.Context())
		return err == nil && len(l) == 1 && l[0].Online && l[0].Device == "D" && l[0].Version == "1.0"
	})
	got := make(chan string, 4)
	call, err := v.Call("link1", "P", "D", func(b []byte) { got <- string(b) })
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	ans, err := call.Offer(t.Context(), "P", "D", []byte(`"hi"`))
	if err != nil || string(ans) != `{"to":"hi"}` {
		t.Fatalf("answer %s, %v", ans, err)
	}
	if g := <-got; g != `"first"` {
		t.Errorf("signal %s", g)
	}
	for i := range 20 {
		b, _ := json.Marshal(i)
		call.Send(b)
	}
	eventually(t, "all signals arrive in order", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.signals) == 20 && a.signals[0] == "link1 0" && a.signals[19] == "link1 19"
	})
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, nil)
	v := dial(t, s, nil)
	call, _ := v.Call("l", "P", "nobody", func([]byte) {})
	defer call.Close()
	if _, err := call.Offer(t.Context(), "P", "nobody", []byte(`1`)); !errors.Is(err, rendezvous.ErrNoDevice) {
		t.Errorf("unknown device: %v", err)
	}
	serve(t, dial(t, s, &rendezvous.Device{Product: "P", Name: "D", Key: edKey(1)}), &answerer{refuse: &rendezvous.Refusal{Code: -2401, Reason: "too many"}})
	eventually(t, "the refusal with its code", func() bool {
		_, err := call.Offer(t.Context(), "P", "D", []byte(`1`))
		var r *rendezvous.Refusal
		return errors.As(err, &r) && r.Code == -2401 && r.Reason == "too many"
	})

	_, err := rendezvous.Dial(t.Context(), rendezvous.Config{URL: s.URL(), App: s.App(), Device: &rendezvous.Device{Product: "P", Name: "D", Key: edKey(2)}})
	if !errors.Is(err, rendezvous.ErrRefused) {
		t.Errorf("another key for a known device: %v", err)
	}
	other := s.App()
	kp, _ := nkeys.CreateUser()
	seed, _ := kp.Seed()
	other.SecretKey = string(seed)
	if _, err = rendezvous.Dial(t.Context(), rendezvous.Config{URL: s.URL(), App: other}); !errors.Is(err, rendezvous.ErrRefused) {
		t.Errorf("secret of another key: %v", err)
	}
	other.Key, _ = kp.PublicKey()
	if _, err = rendezvous.Dial(t.Context(), rendezvous.Config{URL: s.URL(), App: other}); !errors.Is(err, rendezvous.ErrRefused) {
		t.Errorf("unknown application: %v", err)
	}
	if _, err = rendezvous.Dial(t.Context(), rendezvous.Config{URL: s.URL(), App: other, Device: &rendezvous.Device{Product: "P", Name: "E", Key: edKey(2)}}); !errors.Is(err, rendezvous.ErrRefused) {
		t.Errorf("device of an unknown application: %v", err)
	}
	if _, err = rendezvous.Dial(t.Context(), rendezvous.Config{URL: "nats://127.0.0.1:1", App: s.App()}); !errors.Is(err, rendezvous.ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
}

// A device may speak for itself only, a viewer for no device; and without a key nobody enters.
func TestPermissions(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	if nc, err := nats.Connect(s.URL()); err == nil {
		nc.Close()
		t.Error("a stranger without a key was let in")
	}
	sub := rendezvous.SubjectsOf(s.App().OauthID)
	id := "0123456789012345678901"
	as := func(name, token string, kp nkeys.KeyPair) (*nats.Conn, chan error) {
		t.Helper()
		pub, _ := kp.PublicKey()
		denied := make(chan error, 8)
		opts := []nats.Option{nats.Name(name), nats.Nkey(pub, kp.Sign), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err })}
		if token != "" {
			opts = append(opts, nats.Token(token))
		}
		nc, err := nats.Connect(s.URL(), opts...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc, denied
	}
	viewer, _ := nkeys.FromSeed([]byte(s.App().SecretKey))
	dev, _ := nkeys.CreateUser()
	devPub, _ := dev.PublicKey()
	token, err := rendezvous.DeviceToken(s.App(), "P", "D", devPub)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		do   func(*nats.Conn)
		role string
	}{
		{"viewer listens to offers", func(c *nats.Conn) { c.Subscribe(sub.Device("P", "D", "offer"), func(*nats.Msg) {}) }, "viewer"},
		{"viewer listens to all inboxes", func(c *nats.Conn) { c.Subscribe("_INBOX.>", func(*nats.Msg) {}) }, "viewer"},
		{"viewer says that a device lives", func(c *nats.Conn) { c.Publish(sub.Device("P", "D", "alive"), []byte("{}")) }, "viewer"},
		{"device listens for another", func(c *nats.Conn) { c.Subscribe(sub.Device("P", "E", "offer"), func(*nats.Msg) {}) }, "device"},
		{"device makes offers", func(c *nats.Conn) { c.Publish(sub.Device("P", "E", "offer"), []byte("{}")) }, "device"},
		{"device reads the store", func(c *nats.Conn) { c.Publish("$JS.API.STREAM.LIST", nil) }, "device"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kp, tok := viewer, ""
			if tt.role == "device" {
				kp, tok = dev, token
			}
			nc, denied := as(tt.role+"/"+id, tok, kp)
			tt.do(nc)
			nc.Flush()
			if err := <-denied; !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestServersAreReal(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	l, err := dial(t, s, nil).Servers(t.Context())
	if err != nil || len(l) != 3 {
		t.Fatalf("%v, %v", l, err)
	}
	if !strings.HasPrefix(l[0].URL, "stun:127.0.0.1:") || l[1].Password == "" || l[1].Username == "" {
		t.Fatalf("servers: %+v", l)
	}
	conn, err := net.Dial("udp", strings.TrimPrefix(l[0].URL, "stun:"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := stun.NewClient(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got stun.XORMappedAddress
	if err := c.Do(stun.MustBuild(stun.TransactionID, stun.BindingRequest), func(e stun.Event) {
		if e.Error == nil {
			got.GetFrom(e.Message)
		}
	}); err != nil || got.Port != conn.LocalAddr().(*net.UDPAddr).Port {
		t.Errorf("binding: %v, %v", got, err)
	}
}

func TestStateSurvivesAndStaysSecret(t *testing.T) {
	dir := t.TempDir()
	var logged bytes.Buffer
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &logged}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := start(t, dir, log)
	app := s.App()
	dial(t, s, &rendezvous.Device{Product: "P", Name: "D", Key: edKey(1)}).Close()
	log.Info("app", "app", app)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	read, err := rendezvous.ReadApp(filepath.Join(dir, "app.json"))
	if err != nil || read != app {
		t.Fatalf("app.json: %v, %v", read, err)
	}
	again := start(t, dir, log)
	if again.App() != app {
		t.Error("the application changed")
	}
	if _, err := rendezvous.Dial(t.Context(), rendezvous.Config{URL: again.URL(), App: app, Device: &rendezvous.Device{Product: "P", Name: "D", Key: edKey(9)}}); !errors.Is(err, rendezvous.ErrRefused) {
		t.Errorf("the registry forgot the device's key: %v", err)
	}
	for _, f := range []string{"app.json", "server.json"} {
		st, err := os.Stat(filepath.Join(dir, f))
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, st.Mode(), err)
		}
	}
	b, _ := os.ReadFile(filepath.Join(dir, "server.json"))
	var sec secrets
	json.Unmarshal(b, &sec)
	mu.Lock()
	defer mu.Unlock()
	for _, secret := range []string{app.SecretKey, sec.Issuer, sec.Service, sec.TURNSecret} {
		if strings.Contains(logged.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
	if logged.Len() == 0 {
		t.Error("nothing was logged: the test shows nothing")
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func TestBadConfig(t *testing.T) {
	for _, c := range []Config{
		{Listen: "nonsense", State: t.TempDir()},
		{Listen: "127.0.0.1:99999", State: t.TempDir()},
		{Listen: "127.0.0.1:0", State: "/dev/null/x"},
	} {
		if s, err := Start(t.Context(), c); err == nil {
			s.Close()
			t.Errorf("%+v was accepted", c)
		}
	}
}
