// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/rendezvous/server"
	"github.com/xp2p/xp2p/session"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.init.0.func1"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/pse.ProcUsage"),
	)
}

// generator is a source of video that is quick to make: key frames of 2 KB every
// 10 frames, 100 frames a second.
type generator struct{ frames int } // 0: without end

func (g generator) Open(ctx context.Context) (io.ReadCloser, error) {
	pr, pw := io.Pipe()
	go func() {
		w := flv.NewWriter(pw, flv.WriteOptions{})
		err := w.WriteHeader(true, false)
		config := []byte{1, 66, 0, 30, 0xff, 0xe1, 0, 4, 0x67, 66, 0, 30, 1, 0, 2, 0x68, 0xce}
		if err == nil {
			err = w.WriteUnit(&demux.Unit{Kind: demux.Video, Codec: demux.H264, Config: true, Data: config})
		}
		t := time.NewTicker(10 * time.Millisecond)
		defer t.Stop()
		for i := 0; err == nil && (g.frames == 0 || i < g.frames); i++ {
			nal := append([]byte{0, 0, 0, 0}, bytes.Repeat([]byte{byte(i)}, 1000)...)
			nal[2], nal[3], nal[4] = 1000>>8, 1000&255, 0x41
			if i%10 == 0 {
				nal[4] = 0x65
			}
			err = w.WriteUnit(&demux.Unit{Kind: demux.Video, Codec: demux.H264, Key: i%10 == 0, DTS: time.Duration(i) * 10 * time.Millisecond, Data: nal})
			select {
			case <-t.C:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		if err == nil {
			err = io.EOF
		}
		pw.CloseWithError(err)
	}()
	return pr, nil
}

type echoCommands struct{}

func (echoCommands) Command(ctx context.Context, c string) ([]byte, error) {
	switch {
	case strings.Contains(c, "fail"):
		return nil, errors.New("motor is stuck")
	case strings.Contains(c, "slow"):
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []byte("did " + c), nil
}

// world is a rendezvous and one camera, on loopback.
type world struct {
	t      testing.TB
	rv     *server.Server
	camera *device.Server
	info   string
	stop   func()
}

func newWorld(t testing.TB, cfg device.Config) *world {
	t.Helper()
	rv, err := server.Start(t.Context(), server.Config{Listen: "127.0.0.1:0", State: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rv.Close() })
	w := &world{t: t, rv: rv}
	w.startCamera(cfg, filepath.Join(t.TempDir(), "key.pem"))
	return w
}

func (w *world) startCamera(cfg device.Config, key string) {
	w.t.Helper()
	cfg.Product, cfg.Name = "PROD", "cam1"
	if cfg.Channels == nil {
		cfg.Channels = []device.Channel{{Name: "cam1", Source: generator{}}}
	}
	d, err := device.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := device.NewServer(d, device.ServeConfig{Rendezvous: w.rv.URL(), App: w.rv.App(), KeyFile: key})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		w.t.Fatal(err)
	}
	w.camera = s
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		d.Close()
	})
	w.t.Cleanup(w.stop)
	w.info = w.grant(grant.AllRights, time.Time{}, "")
}

func (w *world) grant(rights []grant.Right, exp time.Time, viewer string) string {
	w.t.Helper()
	info, err := w.camera.Issue(rights, exp, viewer)
	if err != nil {
		w.t.Fatal(err)
	}
	return info
}

func (w *world) module(change func(*session.Config)) *session.Module {
	w.t.Helper()
	cfg := session.Config{App: w.rv.App(), Rendezvous: w.rv.URL(), ConnectTimeout: 5 * time.Second}
	if change != nil {
		change(&cfg)
	}
	m, err := session.Init(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { m.Close() })
	return m
}

type eventLog struct {
	mu sync.Mutex
	l  []session.Event
}

func (l *eventLog) add(e session.Event) { l.mu.Lock(); l.l = append(l.l, e); l.mu.Unlock() }
func (l *eventLog) all() []session.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.l)
}

func (l *eventLog) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n []string
	for _, e := range l.l {
		n = append(n, e.Subtype)
	}
	return n
}

func wantCode(t *testing.T, err error, want session.Code) {
	t.Helper()
	if c, ok := session.CodeOf(err); !ok || c != want {
		t.Errorf("code %d wanted, got: %v (code %d)", want, err, c)
	}
}

func TestLiveStream(t *testing.T) {
	w := newWorld(t, device.Config{})
	var events eventLog
	m := w.module(nil)
	s, err := m.StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: w.info, Events: events.add})
	if err != nil {
		t.Fatal(err)
	}
	if p := s.Path(); p.Path != "direct" {
		t.Errorf("path: %+v", p)
	}
	for round := range 2 { // stopped and started again on one connection
		st, err := s.StartStream(t.Context(), session.StreamRequest{Params: "action=live&channel=0&quality=high&user_args=x"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.StartStream(t.Context(), session.StreamRequest{}); err == nil {
			t.Error("a second stream on one service")
		} else {
			wantCode(t, err, session.AlreadyStarted)
		}
		r := flv.NewReader(st, flv.Options{Strict: true})
		var tag flv.Tag
		var u demux.Unit
		for i, last := 0, time.Duration(-1); i < 40; {
			if err := r.Next(&tag, &u); err != nil {
				t.Fatal(err)
			}
			if u.Config {
				continue
			}
			if i == 0 && (!u.Key || u.DTS != 0) {
				t.Errorf("round %d begins with key %v at %v", round, u.Key, u.DTS)
			}
			if last >= 0 && u.DTS != last+10*time.Millisecond {
				t.Fatalf("frame %d at %v after %v", i, u.DTS, last)
			}
			last = u.DTS
			i++
		}
		st.Close()
		if _, err := st.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
	}
	s.Close()
	want := []string{"connected", "request", "parsed", "close", "request", "parsed", "close"}
	got := slices.DeleteFunc(events.names(), func(n string) bool { return n == session.PathChanged })
	if !slices.Equal(got, want) {
		t.Errorf("events %v", got)
	}
}

func TestSourceEnds(t *testing.T) {
	w := newWorld(t, device.Config{Channels: []device.Channel{{Source: generator{frames: 60}}}})
	var events eventLog
	s, err := w.module(nil).StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: w.info, Events: events.add})
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.StartStream(t.Context(), session.StreamRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, st); err != nil {
		t.Errorf("end of a stream: %v", err)
	}
	s.Close()
	if n := events.names(); n[len(n)-1] != session.EOF {
		t.Errorf("events %v", n)
	}
}

func TestViewerLimit(t *testing.T) {
	w := newWorld(t, device.Config{MaxViewers: 2})
	m := w.module(nil)
	var services []*session.Service
	for i := range 3 {
		s, err := m.StartService(t.Context(), fmt.Sprint(i), session.StreamInfo{XP2PInfo: w.info})
		if err != nil {
			t.Fatal(err)
		}
		services = append(services, s)
		st, err := s.StartStream(t.Context(), session.StreamRequest{})
		if i < 2 {
			if err != nil {
				t.Fatal(err)
			}
			go io.Copy(io.Discard, st)
			continue
		}
		wantCode(t, err, session.StreamFailed)
		if !strings.Contains(err.Error(), "405") || !strings.Contains(err.Error(), "too many viewers") {
			t.Errorf("reason: %v", err)
		}
		r, err := s.SendCommand(t.Context(), "action=inner_define&channel=0&cmd=get_device_st&type=live&quality=high")
		if err != nil || strings.TrimSpace(r.Data) != `[{"status":"405","appConnectNum":"2"}]` {
			t.Errorf("state: %+v, %v", r, err)
		}
	}
	services[0].StopStream()
	for { // the camera notices in its own time
		if st, err := services[2].StartStream(t.Context(), session.StreamRequest{}); err == nil {
			st.Close()
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestCommands(t *testing.T) {
	w := newWorld(t, device.Config{Commands: echoCommands{}})
	s, err := w.module(nil).StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: w.info})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		command string
		typ     string
		status  int
		data    string
		msg     string
	}{
		{"action=inner_define&cmd=get_device_st", session.CommandSuccess, 200, `[{"status":"0","appConnectNum":"0"}]`, ""},
		{"action=inner_define&cmd=get_nvr_list", session.CommandSuccess, 200, `[{"DeviceName":"cam1","Channel":"0","Online":"1"}]`, ""},
		{"action=user_define&cmd=ptz_left", session.CommandSuccess, 200, "did action=user_define&cmd=ptz_left", ""},
		{`action=user_define&cmd={"topic":"ptz","message_id":"7"}`, session.CommandSuccess, 200, `did action=user_define&cmd={"topic":"ptz","message_id":"7"}`, ""},
		{"action=user_define&cmd=" + strings.Repeat("x", 16<<10), session.CommandSuccess, 200, "did action=user_define&cmd=" + strings.Repeat("x", 16<<10), ""},
		{"action=user_define&cmd=fail", session.CommandFailure, 500, "", "motor is stuck"},
		{"action=inner_define&cmd=make_coffee", session.CommandFailure, 406, "", "make_coffee"},
		{"action=dance", session.CommandFailure, 404, "", "dance"},
	} {
		r, err := s.SendCommand(t.Context(), tt.command)
		if err != nil || r.Type != tt.typ || r.Status != tt.status || (tt.data != "" && strings.TrimSpace(r.Data) != tt.data) || !strings.Contains(r.ErrMsg, tt.msg) {
			t.Errorf("%.60s: %.200v, %v", tt.command, r, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if r, err := s.SendCommand(ctx, "action=user_define&cmd=slow"); r.Type != session.CommandTimeout || err == nil {
		t.Errorf("slow: %+v, %v", r, err)
	}
	for _, c := range []string{"", "action=\xff", strings.Repeat("x", 16<<20)} {
		r, err := s.SendCommand(t.Context(), c)
		wantCode(t, err, session.BadArgument)
		if r.Type != session.CommandError || r.ErrCode != session.BadArgument {
			t.Errorf("%.10q: %+v", c, r)
		}
	}
	if r, err := s.SendCommand(t.Context(), "action=inner_define&cmd=get_device_st"); err != nil || r.Type != session.CommandSuccess {
		t.Errorf("the service is of no use afterwards: %+v, %v", r, err)
	}
}

func TestRefusedGrants(t *testing.T) {
	w := newWorld(t, device.Config{})
	m := w.module(nil)
	dir := t.TempDir()
	other := newOtherCamera(t, w, dir)
	for name, tt := range map[string]struct {
		info session.StreamInfo
		want session.Code
	}{
		"nothing":              {session.StreamInfo{}, session.BadArgument},
		"nonsense":             {session.StreamInfo{XP2PInfo: "XP2Pnonsense"}, session.BadXP2PInfo},
		"the original's":       {session.StreamInfo{XP2PInfo: "XP2PAAAA==%2.4.46"}, session.BadXP2PInfo},
		"expired":              {session.StreamInfo{XP2PInfo: w.grant(grant.AllRights, time.Now().Add(-time.Second), "")}, session.BadXP2PInfo},
		"another viewer's":     {session.StreamInfo{XP2PInfo: w.grant(grant.AllRights, time.Time{}, "somebody")}, session.BadXP2PInfo},
		"another camera":       {session.StreamInfo{XP2PInfo: w.info, ProductID: "PROD", DeviceName: "cam2"}, session.BadArgument},
		"camera not online":    {session.StreamInfo{XP2PInfo: other("PROD", "nobody")}, session.StreamFailed},
		"of a camera long ago": {session.StreamInfo{XP2PInfo: other("PROD", "cam1")}, session.BadXP2PInfo},
	} {
		s, err := m.StartService(t.Context(), name, tt.info)
		if err == nil {
			s.Close()
		}
		wantCode(t, err, tt.want)
		if _, err := m.Service(name); err == nil {
			t.Errorf("%s: the failed service is still there", name)
		}
	}
	s, err := m.StartService(t.Context(), "limited", session.StreamInfo{XP2PInfo: w.grant([]grant.Right{grant.Command}, time.Time{}, m.UUID())})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.StartStream(t.Context(), session.StreamRequest{})
	wantCode(t, err, session.StreamFailed)
	if r, err := s.SendCommand(t.Context(), "action=inner_define&cmd=get_nvr_list"); err != nil || r.Type != session.CommandSuccess {
		t.Errorf("what is allowed: %+v, %v", r, err)
	}
}

// newOtherCamera signs grants with a key that the camera at the rendezvous does not have.
func newOtherCamera(t *testing.T, w *world, dir string) func(product, device string) string {
	t.Helper()
	return func(product, name string) string {
		d, _ := device.New(device.Config{Product: product, Name: name, Channels: []device.Channel{{Source: generator{}}}})
		t.Cleanup(func() { d.Close() })
		s, err := device.NewServer(d, device.ServeConfig{Rendezvous: w.rv.URL(), App: w.rv.App(), KeyFile: filepath.Join(dir, "other.pem")})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		defer s.Run(ctx, nil) // closes its socket
		info, err := s.Issue(grant.AllRights, time.Time{}, "")
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
}

func TestInitFails(t *testing.T) {
	w := newWorld(t, device.Config{})
	app := w.rv.App()
	app.Package = ""
	for _, tt := range []struct {
		cfg  session.Config
		want session.Code
	}{
		{session.Config{Rendezvous: w.rv.URL()}, session.BadArgument},
		{session.Config{App: app, Rendezvous: w.rv.URL()}, session.BadArgument},
		{session.Config{App: w.rv.App(), Rendezvous: "nats://127.0.0.1:1"}, session.ProbeFailed},
		{session.Config{App: w.rv.App(), Rendezvous: w.rv.URL(), KeyFile: os.DevNull}, session.BadArgument},
	} {
		m, err := session.Init(t.Context(), tt.cfg)
		wantCode(t, err, tt.want)
		if m != nil {
			m.Close()
		}
	}
}

func TestLifeOfServices(t *testing.T) {
	w := newWorld(t, device.Config{})
	m := w.module(nil)
	s, err := m.StartService(t.Context(), "one", session.StreamInfo{URL: "http://" + w.info + ".xnet/ipc.p2p.com/ipc.flv?action=live&channel=0"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: w.info})
	wantCode(t, err, session.AlreadyStarted)
	_, err = m.Service("two")
	wantCode(t, err, session.NoService)
	st, err := s.StartStream(t.Context(), session.StreamRequest{})
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, st); read <- err }()
	m.StopService("one")
	m.StopService("one")
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("read of a stopped service: %v", err)
	}
	_, err = s.SendCommand(t.Context(), "action=inner_define&cmd=get_nvr_list")
	wantCode(t, err, session.NoService)
	_, err = s.StartStream(t.Context(), session.StreamRequest{})
	wantCode(t, err, session.NoService)
	m.Close()
	m.Close()
	_, err = m.StartService(t.Context(), "three", session.StreamInfo{XP2PInfo: w.info})
	wantCode(t, err, session.NotInitialised)
}

func TestCameraRestarts(t *testing.T) {
	rv, err := server.Start(t.Context(), server.Config{Listen: "127.0.0.1:0", State: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rv.Close() })
	w := &world{t: t, rv: rv}
	key := filepath.Join(t.TempDir(), "key.pem")
	w.startCamera(device.Config{}, key)
	var events eventLog
	s, err := w.module(nil).StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: w.info, Events: events.add})
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.StartStream(t.Context(), session.StreamRequest{})
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, st); read <- err }()
	w.stop()
	if err := <-read; err != nil {
		wantCode(t, err, session.StreamFailed)
	}
	st.Close()
	w.startCamera(device.Config{}, key)
	for { // the same service joins the camera again
		st, err := s.StartStream(t.Context(), session.StreamRequest{})
		if err == nil {
			st.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.Close()
	if n := events.names(); !slices.Contains(n, session.Disconnect) {
		t.Errorf("events: %v", n)
	}
}

func TestRelayOnly(t *testing.T) {
	w := newWorld(t, device.Config{})
	s, err := w.module(func(c *session.Config) { c.RelayOnly = true }).StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: w.info})
	if err != nil {
		t.Fatal(err)
	}
	if p := s.Path(); p.Path != "relay" {
		t.Errorf("path: %+v", p)
	}
	st, err := s.StartStream(t.Context(), session.StreamRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(st, make([]byte, 100<<10)); err != nil {
		t.Error(err)
	}
}

func TestParseURL(t *testing.T) {
	for in, want := range map[string]session.StreamURL{
		"http://XP2PAAAA==%2.4.46.xnet/ipc.p2p.com/ipc.flv?action=live&channel=0": {"XP2PAAAA==%2.4.46", "action=live&channel=0"},
		"http://XP2PAAAA==%252.4.46.xnet/ipc.p2p.com/ipc.flv":                     {"XP2PAAAA==%2.4.46", ""},
	} {
		if got, err := session.ParseURL(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "http://a/ipc.flv", "xp2p://a.xnet/ipc.flv", "http://a.xnet/other"} {
		if got, err := session.ParseURL(in); err == nil {
			t.Errorf("%s: %+v", in, got)
		}
	}
}
