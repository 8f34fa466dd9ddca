// SPDX-License-Identifier: LGPL-2.1-or-later

package device_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
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
)

// dark is a source that gives nothing.
type dark struct{}

func (dark) Open(context.Context) (io.ReadCloser, error) {
	r, _ := io.Pipe()
	return r, nil
}

// ear is a speaker that counts what it hears.
type ear struct {
	mu    sync.Mutex
	units int
	ended int
}

func (e *ear) Sound() device.Sound { return device.Sound{Codec: demux.MuLaw, Rate: 8000, Channels: 1} }

func (e *ear) Open(context.Context) (device.Talk, error) { return e, nil }

func (e *ear) Play(*demux.Unit) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.units++
	return nil
}

func (e *ear) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended++
	return nil
}

func (e *ear) counts() (units, ended int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.units, e.ended
}

// linked is a device, and a client of it over a link of its own.
func linked(t *testing.T, cfg device.Config) (*device.Device, *http.Client) {
	t.Helper()
	rv, err := server.Start(t.Context(), server.Config{Listen: "127.0.0.1:0", State: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rv.Close() })
	cfg.Product, cfg.Name = "P", "cam"
	cfg.Channels = []device.Channel{{Name: "cam", Source: dark{}}}
	d, err := device.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := device.NewServer(d, device.ServeConfig{Rendezvous: rv.URL(), App: rv.App(), KeyFile: filepath.Join(t.TempDir(), "key.pem")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() { cancel(); <-done; d.Close() })
	<-ready
	info, err := s.Issue(grant.AllRights, time.Time{}, "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := session.Init(t.Context(), session.Config{App: rv.App(), Rendezvous: rv.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	svc, err := m.StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: info})
	if err != nil {
		t.Fatal(err)
	}
	return d, &http.Client{Transport: svc}
}

// A talk over a link: the answer comes before the body, the response ends when all
// was played, and silence frees the line.
func TestVoiceOverALink(t *testing.T) {
	e := new(ear)
	_, client := linked(t, device.Config{Speaker: e})
	talk := func() (*io.PipeWriter, *http.Response) {
		r, w := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), "POST", "https://camera/voice?channel=0", r)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return w, res
	}
	w, res := talk()
	if got := res.Header.Get("X-Xp2p-Audio"); res.StatusCode != 200 || got != "mulaw;rate=8000;channels=1" {
		t.Fatalf("%d, %q", res.StatusCode, got)
	}
	second, err := client.Post("https://camera/voice", "", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(second.Body); second.StatusCode != 409 {
		t.Errorf("a second talk of one link: %d %s", second.StatusCode, b)
	}
	second.Body.Close()
	const n = 100
	fw := flv.NewWriter(w, flv.WriteOptions{})
	for i := range n {
		if err := fw.WriteUnit(&demux.Unit{Kind: demux.Audio, Codec: demux.MuLaw, Rate: 8000, DTS: time.Duration(i) * 20 * time.Millisecond, Data: bytes.Repeat([]byte{1}, 160)}); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	if b, err := io.ReadAll(res.Body); err != nil || len(b) > 0 {
		t.Errorf("the end: %s, %v", b, err)
	}
	res.Body.Close()
	if units, ended := e.counts(); units != n || ended != 1 {
		t.Errorf("%d units were heard, %d talks ended", units, ended)
	}
	w, res = talk()
	if res.StatusCode != 200 {
		t.Fatalf("the next talk: %d", res.StatusCode)
	}
	if b, err := io.ReadAll(res.Body); !strings.Contains(string(b), "the line is free") { // nothing is sent at all
		t.Errorf("the end of a silent talk: %q, %v", b, err)
	}
	res.Body.Close()
	w.Close()
}

// Messages go both ways over a link.
func TestEventsOverALink(t *testing.T) {
	d, client := linked(t, device.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "https://camera/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	peers := d.Peers()
	if res.StatusCode != 200 || len(peers) != 1 {
		t.Fatalf("%d, peers %v", res.StatusCode, peers)
	}
	answer := make(chan string, 1)
	go func() {
		b, err := d.Send(t.Context(), peers[0], []byte(`{"topic":"bell"}`))
		if err != nil {
			t.Error(err)
		}
		answer <- string(b)
	}()
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	var e struct{ Type, ID, Data string }
	if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Type != "message" || e.Data != `{"topic":"bell"}` {
		t.Fatalf("%s, %v", lines.Bytes(), err)
	}
	a, err := client.Post("https://camera/events?id="+e.ID, "", strings.NewReader("who is it"))
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if got := <-answer; a.StatusCode != 200 || got != "who is it" {
		t.Errorf("%d, answer %q", a.StatusCode, got)
	}
	cancel() // the viewer leaves
	for len(d.Peers()) > 0 {
		time.Sleep(time.Millisecond)
	}
}
