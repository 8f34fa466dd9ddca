// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// hear starts GET /events and gives its lines.
func hear(t *testing.T, url string) (*bufio.Scanner, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
	stop := func() { cancel(); res.Body.Close() }
	t.Cleanup(stop)
	return bufio.NewScanner(res.Body), stop
}

// onePeer makes every request of a test server one of the same connection.
func onePeer(srv *httptest.Server, d *Device) {
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.ServeHTTP(w, r.WithContext(WithPeer(r.Context(), Peer{ID: "me"})))
	})
}

func TestMessages(t *testing.T) {
	d, srv := start(t, Config{Channels: []Channel{{Source: newFeed()}}})
	onePeer(srv, d)
	if _, err := d.Send(t.Context(), "me", []byte("x")); !errors.Is(err, ErrNoListener) {
		t.Errorf("without a listener: %v", err)
	}
	lines, _ := hear(t, srv.URL)
	if p := d.Peers(); len(p) != 1 || p[0] != "me" {
		t.Fatalf("peers %v", p)
	}
	const said = "the door \"bell\" rings\n"
	answers := make(chan string, 1)
	go func() {
		a, err := d.Send(t.Context(), "me", []byte(said))
		if err != nil {
			t.Error(err)
		}
		answers <- string(a)
	}()
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	var e event
	if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Type != "message" || e.Data == nil || *e.Data != said || e.ID == "" {
		t.Fatalf("%s: %v", lines.Bytes(), err)
	}
	if status, b := ask(t, "POST", srv.URL+"/events?id="+e.ID, "coming"); status != 200 || b != `{"status":"0"}` {
		t.Errorf("%d %s", status, b)
	}
	if a := <-answers; a != "coming" {
		t.Errorf("answer %q", a)
	}
	if status, _ := ask(t, "POST", srv.URL+"/events?id="+e.ID, "again"); status != 404 {
		t.Errorf("a second answer: %d", status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := d.Send(ctx, "me", []byte("nobody answers")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without an answer: %v", err)
	}
	for _, bad := range [][]byte{{0xff}, make([]byte, MaxMessage+1)} {
		if _, err := d.Send(t.Context(), "me", bad); err == nil {
			t.Errorf("%d bad bytes were sent", len(bad))
		}
	}
}

// The second listener takes the first one's place, and the first one's unanswered
// messages fail.
func TestSecondListener(t *testing.T) {
	d, srv := start(t, Config{Channels: []Channel{{Source: newFeed()}}})
	onePeer(srv, d)
	first, _ := hear(t, srv.URL)
	failed := make(chan error, 1)
	go func() {
		_, err := d.Send(t.Context(), "me", []byte("x"))
		failed <- err
	}()
	first.Scan()
	_, stop := hear(t, srv.URL)
	if first.Scan() {
		t.Errorf("the first one got %s", first.Bytes())
	}
	if err := <-failed; !errors.Is(err, ErrNoListener) {
		t.Errorf("its message: %v", err)
	}
	if p := d.Peers(); len(p) != 1 {
		t.Errorf("peers %v", p)
	}
	stop()
	for len(d.Peers()) > 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestKeepAlive(t *testing.T) {
	_, srv := start(t, Config{Channels: []Channel{{Source: newFeed()}}, keepAlive: 5 * time.Millisecond})
	lines, _ := hear(t, srv.URL)
	for range 3 {
		if !lines.Scan() || lines.Text() != `{"type":"keepalive"}` {
			t.Fatalf("%s, %v", lines.Bytes(), lines.Err())
		}
	}
}

// What a viewer does not read is bounded: levels are lost, messages refused.
func TestListenerThatDoesNotRead(t *testing.T) {
	var d Device
	if n := d.listeners.enter("me"); n == nil {
		t.Fatal("no place")
	}
	for range 10 * eventQueue {
		d.listeners.level("me", 0, LevelHigh)
	}
	if _, err := d.Send(t.Context(), "me", []byte("x")); !errors.Is(err, ErrBusy) {
		t.Errorf("a message behind a full queue: %v", err)
	}
	d.listeners.level("nobody", 0, LevelHigh)
	for i := range 2 * maxListeners {
		if n := d.listeners.enter(strings.Repeat("x", i+1)); (n == nil) != (i >= maxListeners-1) {
			t.Fatalf("listener %d: %v", i, n)
		}
	}
}

// A slow viewer is told of its send buffer.
func TestLevelEvents(t *testing.T) {
	f := newFeed()
	d, srv := start(t, Config{Channels: []Channel{{Source: f}}, Watermarks: Watermarks{Low: 1 << 10, Warn: 2 << 10, High: 1 << 30}})
	onePeer(srv, d)
	lines, _ := hear(t, srv.URL)
	w := <-f.w
	go func() {
		w.Write(header())
		for i := 0; ; i++ { // until the device closes the feed
			if _, err := w.Write(frame(i, 64<<10, i%10 == 0)); err != nil {
				return
			}
		}
	}()
	res, err := http.Get(srv.URL + "/ipc.flv?action=live")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() // and it is not read
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == "level" {
			if e.Level != "WARN" || e.Channel == nil || *e.Channel != 0 {
				t.Errorf("%s", lines.Bytes())
			}
			w.Close()
			return
		}
	}
	t.Error("the levels ended", lines.Err())
}
