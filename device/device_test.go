// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/grant"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.init.0.func1"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/pse.ProcUsage"),
	)
}

// frame is one video tag in FLV: a key frame or not, n bytes of coded picture.
func frame(i, n int, key bool) []byte {
	nal := make([]byte, 4+n)
	nal[0], nal[1], nal[2], nal[3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	nal[4] = 0x41
	if key {
		nal[4] = 0x65
	}
	b, err := flv.AppendUnit(nil, &demux.Unit{Kind: demux.Video, Codec: demux.H264, Key: key, DTS: time.Duration(i) * 40 * time.Millisecond, Data: nal}, flv.WriteOptions{})
	if err != nil {
		panic(err)
	}
	return b
}

func header() []byte {
	config := []byte{1, 66, 0, 30, 0xff, 0xe1, 0, 4, 0x67, 66, 0, 30, 1, 0, 2, 0x68, 0xce}
	b, err := flv.AppendUnit(flv.AppendHeader(nil, true, false), &demux.Unit{Kind: demux.Video, Codec: demux.H264, Config: true, Data: config}, flv.WriteOptions{})
	if err != nil {
		panic(err)
	}
	return b
}

// feed is a source that a test writes to.
type feed struct {
	mu    sync.Mutex
	opens int
	w     chan *io.PipeWriter
	fail  error
}

func newFeed() *feed { return &feed{w: make(chan *io.PipeWriter, 4)} }

func (f *feed) Open(ctx context.Context) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	f.opens++
	r, w := io.Pipe()
	f.w <- w
	return r, nil
}

func start(t *testing.T, cfg Config) (*Device, *httptest.Server) {
	t.Helper()
	cfg.Product, cfg.Name = "P", "D"
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d)
	t.Cleanup(func() {
		d.Close() // ends the streams, which the test server's Close waits for
		srv.CloseClientConnections()
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return d, srv
}

// units reads n media units of a stream, and the configs before them.
func units(t *testing.T, r io.Reader, n int) (media, configs []demux.Unit) {
	t.Helper()
	fr := flv.NewReader(r, flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for len(media) < n {
		if err := fr.Next(&tag, &u); err != nil {
			t.Fatalf("after %d units: %v", len(media), err)
		}
		u.Data = bytes.Clone(u.Data)
		if u.Config {
			configs = append(configs, u)
		} else {
			media = append(media, u)
		}
	}
	return media, configs
}

func TestNewViewerStartsAtTheKeyFrame(t *testing.T) {
	f := newFeed()
	d, srv := start(t, Config{Channels: []Channel{{Source: f}}})
	w := <-f.w
	w.Write(header())
	for i := range 25 {
		w.Write(frame(i, 1000, i%10 == 0))
	}
	for s, _ := d.Stats(0); s.Frames < 25; s, _ = d.Stats(0) {
		time.Sleep(time.Millisecond)
	}
	res, err := http.Get(srv.URL + "/ipc.flv?action=live&channel=0")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Header.Get("Content-Type") != "video/x-flv" {
		t.Errorf("type %q", res.Header.Get("Content-Type"))
	}
	media, configs := units(t, res.Body, 5)
	if len(configs) != 1 || configs[0].Codec != demux.H264 {
		t.Errorf("configs: %+v", configs)
	}
	for i, u := range media {
		if u.Key != (i == 0) || u.DTS != time.Duration(i)*40*time.Millisecond {
			t.Errorf("unit %d: key %v at %v", i, u.Key, u.DTS)
		}
	}
	w.Close()
}

func TestStreamEndsWithTheSourceAndBeginsAgain(t *testing.T) {
	f := newFeed()
	_, srv := start(t, Config{Channels: []Channel{{Source: f}}})
	for range 2 {
		w := <-f.w
		w.Write(header())
		w.Write(frame(0, 100, true))
		res, err := http.Get(srv.URL + "/ipc.flv?action=live")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			w.Write(frame(1, 100, false))
			w.Close()
		}()
		b, err := io.ReadAll(res.Body)
		if err != nil || len(b) == 0 {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		res.Body.Close()
	}
}

// A viewer that does not read loses whole groups of pictures and slows nobody.
func TestSlowViewer(t *testing.T) {
	f := newFeed()
	h := newHub(f, Watermarks{Low: 20_000, Warn: 40_000, High: 50_000}, discard())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.run(ctx) }()
	defer func() { cancel(); <-done }()
	w := <-f.w
	w.Write(header())
	w.Write(frame(0, 1000, true))
	var levels []Level
	slow, err := h.join(ctx, everything, h.marks, func(l Level) { levels = append(levels, l) })
	if err != nil {
		t.Fatal(err)
	}
	fast, err := h.join(ctx, everything, h.marks, nil)
	if err != nil {
		t.Fatal(err)
	}
	var fastGot, slowGot []byte
	const frames = 300
	for i := 1; i < frames; i++ {
		w.Write(frame(i, 1000, i%10 == 0))
		if fastGot, err = fast.take(ctx, fastGot); err != nil {
			t.Fatal(err)
		}
		if i == 200 { // it wakes up
			if slowGot, err = slow.take(ctx, slowGot); err != nil {
				t.Fatal(err)
			}
		}
		slow.mu.Lock()
		if slow.bytes > 55_000 {
			t.Fatalf("%d bytes wait for the slow viewer", slow.bytes)
		}
		slow.mu.Unlock()
	}
	drain := func(v *viewer, got []byte) []byte {
		for v.finish(io.EOF); ; {
			var err error
			if got, err = v.take(ctx, got); err != nil {
				return got
			}
		}
	}
	fastGot, slowGot = drain(fast, fastGot), drain(slow, slowGot)
	count := func(b []byte) (n int) {
		r := flv.NewReader(bytes.NewReader(append(flv.AppendHeader(nil, true, false), b...)), flv.Options{Strict: true})
		var tag flv.Tag
		var u demux.Unit
		last := -1
		for r.Next(&tag, &u) == nil {
			if u.Config {
				continue
			}
			i := int(u.DTS / (40 * time.Millisecond))
			if i != last+1 && !u.Key {
				t.Errorf("frame %d follows %d: not a key frame", i, last)
			}
			last = i
			n++
		}
		return n
	}
	if n := count(fastGot); n < frames-1 {
		t.Errorf("the fast viewer got %d of %d frames", n, frames)
	}
	if n := count(slowGot); n < 60 || n > 200 {
		t.Errorf("the slow viewer got %d of %d frames", n, frames)
	}
	if slow.lost() == 0 {
		t.Error("nothing was lost: the test shows nothing")
	}
	if len(levels) < 3 || levels[0] != LevelWarn || levels[1] != LevelHigh {
		t.Errorf("levels: %v", levels)
	}
	h.leave(slow)
	h.leave(fast)
	w.Close()
}

func TestRequests(t *testing.T) {
	f := newFeed()
	f.fail = errors.New("lens cap is on")
	_, srv := start(t, Config{Channels: []Channel{{Source: f}}})
	for _, tt := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"GET", "/ipc.flv?action=dance", "", 406, "dance"},
		{"GET", "/ipc.flv", "", 406, "action"},
		{"GET", "/ipc.flv?action=live&channel=7", "", 404, "channel 7"},
		{"GET", "/ipc.flv?action=live&channel=x", "", 404, "not a number"},
		{"GET", "/ipc.flv?action=live&_gather=x", "", 404, "_gather"},
		{"GET", "/ipc.flv?action=live&%zz", "", 404, "parameters"},
		{"GET", "/other", "", 404, "/other"},
		{"POST", "/ipc.flv?action=live", "", 404, "no such request"},
		{"HEAD", "/ipc.flv?action=live", "", 404, ""},
		{"GET", "/command?action=inner_define&cmd=get_device_st&channel=9", "", 200, `"status":"404"`},
		{"GET", "/command?action=inner_define&cmd=get_device_st&type=voice", "", 200, `"status":"406"`},
		{"POST", "/command", "action=inner_define&cmd=get_nvr_list", 200, `"Online":"0"`},
		{"POST", "/command", "action=user_define&cmd=ptz_left", 406, "no handler"},
		{"POST", "/command", "action=\xff", 404, "UTF-8"},
		{"POST", "/command", strings.Repeat("x", MaxCommand+1), 413, "longer"},
	} {
		req, _ := http.NewRequest(tt.method, srv.URL+tt.path, strings.NewReader(tt.body))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != tt.status || !strings.Contains(string(b), tt.text) {
			t.Errorf("%s %.60s: %d %s", tt.method, tt.path, res.StatusCode, b)
		}
		if tt.status != 200 && tt.method != "HEAD" {
			var r refusal
			if err := json.Unmarshal(b, &r); err != nil || r.Error == "" {
				t.Errorf("%s %.60s: the refusal is not JSON: %s", tt.method, tt.path, b)
			}
		}
	}
}

func TestSourceDown(t *testing.T) {
	f := newFeed()
	f.fail = errors.New("lens cap is on")
	d, _ := start(t, Config{Channels: []Channel{{Source: f}}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/ipc.flv?action=live", nil))
	if w.Code != 503 || !strings.Contains(w.Body.String(), "lens cap is on") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRightsAreEnforced(t *testing.T) {
	d, _ := start(t, Config{Channels: []Channel{{Source: newFeed()}}})
	for path, right := range map[string]grant.Right{"/ipc.flv?action=live": grant.Live, "/command?action=inner_define&cmd=get_nvr_list": grant.Command} {
		var others []grant.Right
		for _, r := range grant.AllRights {
			if r != right {
				others = append(others, r)
			}
		}
		r := httptest.NewRequest("GET", path, nil)
		r = r.WithContext(WithPeer(r.Context(), Peer{ID: "x", Grant: &grant.Grant{Rights: others}}))
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s without %s: %d", path, right, w.Code)
		}
	}
}

func TestHook(t *testing.T) {
	script := filepath.Join(t.TempDir(), "hook.sh")
	os.WriteFile(script, []byte(`#!/bin/sh
read -r c
case $c in
*fail*) echo "first line" >&2; echo "motor is stuck" >&2; exit 3;;
*flood*) head -c 400000 /dev/zero;;
*hang*) sleep 60 & wait;;
*who*) printf '%s by %s of %s with %s' "$c" "$XP2P_REQUESTER" "$XP2P_PEER" "$XP2P_USER_ARGS";;
*) printf 'did %s' "$c";;
esac`), 0o755)
	h, err := NewHook(script)
	if err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]string{"cmd=left": "did cmd=left", "cmd=fail": "motor is stuck", "cmd=flood": "longer than"} {
		b, err := h.Command(t.Context(), command)
		if got := string(b); err != nil {
			if got = err.Error(); command == "cmd=left" || !strings.Contains(got, want) {
				t.Errorf("%s: %v", command, err)
			}
		} else if got != want {
			t.Errorf("%s: %.60s", command, got)
		}
	}
	who := WithPeer(t.Context(), Peer{ID: "link", Requester: "app", UserArgs: "a \x00b"})
	if b, err := h.Command(who, "who"); err != nil || string(b) != "who by app of link with a b" {
		t.Errorf("who asks: %s, %v", b, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := h.Command(ctx, "cmd=hang"); err == nil {
		t.Error("a hanging hook answered")
	}
	if _, err := NewHook("/no/such/program"); err == nil {
		t.Error("a missing hook was accepted")
	}
}

func TestBadConfig(t *testing.T) {
	for _, c := range []Config{
		{},
		{Channels: []Channel{{Source: newFeed()}}, MaxViewers: -1},
		{Channels: []Channel{{Source: newFeed()}}, Watermarks: Watermarks{Low: 10, Warn: 5, High: 20}},
	} {
		if d, err := New(c); err == nil {
			d.Close()
			t.Errorf("%+v was accepted", c)
		}
	}
}

func FuzzCommandParam(f *testing.F) {
	f.Add("action=user_define&cmd=ptz_left", "cmd")
	f.Add(`action=user_define&cmd={"a":"b&c=%zz"}`, "action")
	f.Fuzz(func(t *testing.T, command, name string) {
		v := commandParam(command, name)
		if len(v) > len(command) {
			t.Errorf("%q is longer than its command", v)
		}
	})
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// A channel that is added while the device serves is the next number, with a
// stream of its own; those that were there go on.
func TestAddChannel(t *testing.T) {
	first, second := newFeed(), newFeed()
	d, srv := start(t, Config{Channels: []Channel{{Name: "gate", Source: first}}})
	w := <-first.w
	w.Write(header())
	w.Write(frame(0, 300, true))
	res, err := http.Get(srv.URL + "/ipc.flv?action=live&channel=0")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := d.AddChannel(Channel{Name: "yard", Source: second}); got != 1 {
		t.Fatalf("channel %d", got)
	}
	w2 := <-second.w
	w2.Write(header())
	w2.Write(frame(0, 500, true))
	res2, err := http.Get(srv.URL + "/ipc.flv?action=live&channel=1")
	if err != nil {
		t.Fatal(err)
	}
	defer res2.Body.Close()
	w.Write(frame(1, 301, false))
	for _, c := range []struct {
		body io.Reader
		n    int
	}{{res.Body, 2}, {res2.Body, 1}} {
		if media, _ := units(t, c.body, c.n); len(media) != c.n {
			t.Errorf("%d units, want %d", len(media), c.n)
		}
	}
	list, err := http.Get(srv.URL + "/command?action=inner_define&cmd=get_nvr_list")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Body.Close()
	want := `{"DeviceName":"yard","Channel":"1","Online":"1"}`
	if body, err := io.ReadAll(list.Body); err != nil || !strings.Contains(string(body), want) {
		t.Errorf("get_nvr_list: %s %v, want it to have %s", body, err, want)
	}
	d.Close()
	if got := d.AddChannel(Channel{Name: "late", Source: first}); got != -1 {
		t.Errorf("a closed device took channel %d", got)
	}
}
