// SPDX-License-Identifier: LGPL-2.1-or-later

package local

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/session"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type world struct {
	t      *testing.T
	camera *fakeCamera
	server *Server
	base   string // URL of the camera
	client *http.Client
}

func newWorld(t *testing.T, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, camera: newFakeCamera(t, "cam1")}
	m, err := session.Init(t.Context(), session.Config{ConnectTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	cfg := Config{Listen: "127.0.0.1:0", Module: m, Cameras: []Camera{{XP2PInfo: w.camera.info, LAN: w.camera.lan.LocalAddr().String()}}}
	if change != nil {
		change(&cfg)
	}
	if w.server, err = Start(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.server.Close() })
	w.base = w.server.URL() + "PROD_cam1"
	w.client = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(w.client.CloseIdleConnections)
	return w
}

func (w *world) do(method, url string, body io.Reader, change func(*http.Request)) *http.Response {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, url, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	res, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { res.Body.Close() })
	return res
}

func text(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPassesThrough(t *testing.T) {
	w := newWorld(t, nil)
	long := strings.Repeat("x", 16<<10)
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/ipc.flv?action=download&file_name=a", "", 200, strings.Repeat("x", 100_000)},
		{"GET", "/ipc.flv?action=full", "", 405, "too many viewers"},
		{"GET", `/command?action=user_define&cmd={"topic":"ptz"}&x=%20`, "", 200, `GET action=user_define&cmd={"topic":"ptz"}&x=%20 `},
		{"POST", "/command", "action=user_define&cmd=" + long, 200, "POST  action=user_define&cmd=" + long},
		{"POST", "/command", strings.Repeat("x", 16<<20), 413, "longer than"},
		{"POST", "/events?id=17", "the answer", 200, "the answer"},
		{"GET", "/dance", "", 404, "no such request"},
		{"PUT", "/command", "", 404, "no such request"},
		{"GET", "/../../command", "", 404, ""},
	} {
		res := w.do(tt.method, w.base+tt.path, strings.NewReader(tt.body), nil)
		if got := text(t, res.Body); res.StatusCode != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: %d %.200q", tt.method, tt.path, res.StatusCode, got)
		}
	}
	res := w.do("GET", w.server.URL()+"PROD_cam2/ipc.flv", nil, nil)
	if got := text(t, res.Body); res.StatusCode != 404 || !strings.Contains(got, "PROD_cam2") {
		t.Errorf("another camera: %d %s", res.StatusCode, got)
	}
}

// Several players have one connection to the camera, which ends when it is idle.
func TestPlayersShareOneConnection(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Idle = time.Millisecond })
	const params = "action=live&channel=0&quality=high"
	var players []io.Closer
	for range 5 {
		res := w.do("GET", w.base+"/ipc.flv?"+params, nil, nil)
		line, err := bufio.NewReader(res.Body).ReadString('\n')
		if err != nil || line != "FLV of /ipc.flv?"+params+"\n" {
			t.Errorf("%q, %v", line, err)
		}
		if h := res.Header; h.Get("Content-Type") != flvType || h.Get("X-Xp2p-Start") != "1700000000" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("headers: %v", h)
		}
		players = append(players, res.Body)
	}
	if n := w.camera.links.Load(); n != 1 {
		t.Errorf("%d connections to the camera", n)
	}
	var l struct{ Cameras []listed }
	if err := json.Unmarshal([]byte(text(t, w.do("GET", w.server.URL(), nil, nil).Body)), &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Cameras) != 1 || !l.Cameras[0].Connected || l.Cameras[0].Live != w.base+"/ipc.flv?action=live&channel=0" {
		t.Errorf("list: %+v", l)
	}
	for _, p := range players {
		p.Close()
	}
	for w.camera.links.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	if got := text(t, w.do("GET", w.base+"/command?again", nil, nil).Body); got != "GET again " {
		t.Errorf("after it was idle: %q", got)
	}
}

// Players come while the connection is being given up, which nobody notices.
func TestComingAndGoing(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Idle = time.Nanosecond })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 15 {
				res, err := w.client.Get(w.base + "/command?x")
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || string(b) != "GET x " {
					t.Errorf("%q, %v", b, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestStreamBreaks(t *testing.T) {
	w := newWorld(t, nil)
	res := w.do("GET", w.base+"/ipc.flv?action=break", nil, nil)
	if _, err := io.ReadFull(res.Body, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	close(w.camera.cut)
	if b, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("a broken stream ended well: %q", b)
	}
}

// The answer to a talker comes before the talker has said anything.
func TestVoice(t *testing.T) {
	for _, expect := range []string{"", "100-continue"} {
		w := newWorld(t, nil)
		pr, pw := io.Pipe()
		res := w.do("POST", w.base+"/voice?channel=0", pr, func(r *http.Request) {
			r.Header.Set("Content-Type", flvType)
			if expect != "" {
				r.Header.Set("Expect", expect)
			}
		})
		if res.StatusCode != 200 || res.Header.Get("X-Xp2p-Audio") != "alaw;rate=8000;channels=1" {
			t.Fatalf("answer: %s %v", res.Status, res.Header)
		}
		for range 50 {
			if _, err := pw.Write(make([]byte, 400)); err != nil {
				t.Fatal(err)
			}
		}
		pw.Close()
		if got := text(t, res.Body); got != "heard 20000 bytes of video/x-flv, <nil>" {
			t.Errorf("%q: %s", expect, got)
		}
	}
}

func TestEvents(t *testing.T) {
	w := newWorld(t, nil)
	line, err := bufio.NewReader(w.do("GET", w.base+"/events", nil, nil).Body).ReadString('\n')
	if err != nil || line != `{"type":"keepalive"}`+"\n" {
		t.Errorf("%q, %v", line, err)
	}
}

// A camera or a client that stops in the middle of a command is not waited for.
func TestSlowCommand(t *testing.T) {
	w := newWorld(t, nil)
	w.server.patience = 100 * time.Millisecond
	res := w.do("GET", w.base+"/command?slow", nil, nil)
	if got := text(t, res.Body); res.StatusCode != 504 || !strings.Contains(got, "-2402") {
		t.Errorf("a slow camera: %s %s", res.Status, got)
	}
	pr, pw := io.Pipe()
	defer pw.Close()
	res = w.do("POST", w.base+"/command", pr, nil)
	if got := text(t, res.Body); res.StatusCode != 400 || !strings.Contains(got, "did not arrive whole") {
		t.Errorf("a slow client: %s %s", res.Status, got)
	}
	w.server.patience = commandTimeout
	if got := text(t, w.do("GET", w.base+"/command?after", nil, nil).Body); got != "GET after " {
		t.Errorf("afterwards: %q", got)
	}
}

func TestHead(t *testing.T) {
	w := newWorld(t, nil)
	res := w.do("HEAD", w.base+"/ipc.flv?action=live", nil, nil)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != flvType || w.camera.links.Load() != 0 {
		t.Errorf("%s %v, %d links", res.Status, res.Header, w.camera.links.Load())
	}
	if res := w.do("HEAD", w.base+"/command?x", nil, nil); res.StatusCode != 405 {
		t.Errorf("a command by HEAD: %s", res.Status)
	}
}

func TestGuard(t *testing.T) {
	const token = "0123456789abcdef"
	header := func(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }
	open, locked := newWorld(t, nil), newWorld(t, func(c *Config) { c.Token = token; c.Listen = "0.0.0.0:0" })
	_, port, _ := net.SplitHostPort(open.server.Addr().String())
	for name, tt := range map[string]struct {
		w      *world
		path   string
		change func(*http.Request)
		status int
	}{
		"plain":                     {open, "/command?x", nil, 200},
		"localhost":                 {open, "/command?x", func(r *http.Request) { r.Host = "localhost:" + port }, 200},
		"DNS rebinding":             {open, "/command?x", func(r *http.Request) { r.Host = "evil.example:" + port }, 403},
		"another port":              {open, "/command?x", func(r *http.Request) { r.Host = "127.0.0.1:1" }, 403},
		"page of another site":      {open, "/command?x", header("Sec-Fetch-Site", "cross-site"), 403},
		"another port's page":       {open, "/command?x", header("Origin", "http://127.0.0.1:1"), 403},
		"origin of a file":          {open, "/command?x", header("Origin", "null"), 403},
		"typed into a browser":      {open, "/command?x", header("Sec-Fetch-Site", "none"), 200},
		"no token":                  {locked, "/command?x", nil, 401},
		"wrong token":               {locked, "/command?x&token=0123456789abcdeg", nil, 401},
		"token":                     {locked, "/command?token=" + token + "&x", nil, 200},
		"bearer":                    {locked, "/command?x", header("Authorization", "Bearer "+token), 200},
		"token from another's page": {locked, "/command?x&token=" + token, header("Sec-Fetch-Site", "same-site"), 403},
	} {
		res := tt.w.do("GET", tt.w.base+tt.path, nil, tt.change)
		got := text(t, res.Body)
		if res.StatusCode != tt.status {
			t.Errorf("%s: %s %s", name, res.Status, got)
		}
		if res.StatusCode == 200 && got != "GET x " {
			t.Errorf("%s: the camera was sent %q", name, got)
		}
	}
}

func TestCameraNotReached(t *testing.T) {
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	w := newWorld(t, func(c *Config) { c.Cameras[0].LAN = silent.LocalAddr().String() })
	res := w.do("GET", w.base+"/ipc.flv?action=live", nil, nil)
	var r refusal
	if err := json.Unmarshal([]byte(text(t, res.Body)), &r); err != nil || res.StatusCode != 502 || r.Code != int(session.StreamFailed) || r.Status != "502" {
		t.Errorf("%s %+v, %v", res.Status, r, err)
	}
}

func TestStartFails(t *testing.T) {
	w := newWorld(t, nil)
	good := w.server.cfg
	twin := newFakeCamera(t, "cam1")
	for name, tt := range map[string]struct {
		change func(*Config)
		want   session.Code
	}{
		"port in use":       {func(c *Config) { c.Listen = w.server.Addr().String() }, session.LocalServerFailed},
		"address not ours":  {func(c *Config) { c.Listen = "127.0.0.1:99999" }, session.LocalServerFailed},
		"no port":           {func(c *Config) { c.Listen = "127.0.0.1" }, session.BadArgument},
		"open to the world": {func(c *Config) { c.Listen = "0.0.0.0:0" }, session.BadArgument},
		"short token":       {func(c *Config) { c.Token = "secret" }, session.BadArgument},
		"no camera":         {func(c *Config) { c.Cameras = nil }, session.BadArgument},
		"no module":         {func(c *Config) { c.Module = nil }, session.BadArgument},
		"not an xp2pInfo":   {func(c *Config) { c.Cameras = []Camera{{XP2PInfo: "XP2PAAAA==%2.4.46"}} }, session.BadXP2PInfo},
		"LAN address":       {func(c *Config) { c.Cameras[0].LAN = "here" }, session.BadArgument},
		"one camera twice":  {func(c *Config) { c.Cameras = append(c.Cameras, Camera{XP2PInfo: twin.info}) }, session.BadArgument},
	} {
		cfg := good
		cfg.Cameras = append([]Camera(nil), good.Cameras...)
		tt.change(&cfg)
		s, err := Start(cfg)
		if err == nil {
			s.Close()
		}
		if code, _ := session.CodeOf(err); code != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCloseEndsPlayers(t *testing.T) {
	w := newWorld(t, nil)
	res := w.do("GET", w.base+"/ipc.flv?action=live", nil, nil)
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(io.Discard, res.Body) })
	if err := w.server.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	for w.camera.links.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
}

func FuzzWithoutToken(f *testing.F) {
	f.Add("action=live&token=x&channel=0")
	f.Add("token")
	f.Fuzz(func(t *testing.T, q string) {
		got := withoutToken(q)
		for p := range strings.SplitSeq(got, "&") {
			if name, _, _ := strings.Cut(p, "="); name == tokenParam {
				t.Errorf("%q still has a token: %q", q, got)
			}
		}
		if !strings.Contains(q, tokenParam) && got != q {
			t.Errorf("%q became %q", q, got)
		}
	})
}
