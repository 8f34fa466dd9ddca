// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// A playback over HTTP, and the commands that act on it.
func TestPlaybackOverHTTP(t *testing.T) {
	a := new(memArchive).add(0, 25*60, true)
	d, srv := start(t, Config{Channels: []Channel{{Source: newFeed(), Archive: a}}, MaxViewers: 1})
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.ServeHTTP(w, r.WithContext(WithPeer(r.Context(), Peer{ID: "viewer " + r.Header.Get("Peer")})))
	})
	res, err := http.Get(srv.URL + "/ipc.flv?action=playback&channel=0&requester=me&user_args=a%20b&" + interval(10, 40))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("X-Xp2p-Start"); res.StatusCode != 200 || got != fmt.Sprintf("%d.000", recordedAt.Unix()+10) {
		t.Fatalf("%d, starts at %s", res.StatusCode, got)
	}
	if status, b := inner(t, srv.URL, "cmd=get_device_st&type=playback"); b != `[{"status":"0","appConnectNum":"1"}]` {
		t.Errorf("its own state: %d %s", status, b)
	}
	req, _ := http.NewRequest("GET", srv.URL+"/command?action=inner_define&cmd=get_device_st&type=playback", nil)
	req.Header.Set("Peer", "other")
	if other, err := http.DefaultClient.Do(req); err != nil {
		t.Fatal(err)
	} else if b, _ := io.ReadAll(other.Body); !strings.Contains(string(b), `"status":"405"`) {
		t.Errorf("somebody else: %s", b)
	} else {
		other.Body.Close()
	}
	for _, bad := range []string{
		"cmd=playback_seek", "cmd=playback_seek&time=x", "cmd=playback_seek&progress=-1", "cmd=playback_seek&progress=1e9",
		fmt.Sprintf("cmd=playback_seek&time=%d", recordedAt.Unix()), fmt.Sprintf("cmd=playback_seek&time=%d", recordedAt.Unix()+50),
		"cmd=playback_seek&progress=30000",
		"cmd=playback_speed", "cmd=playback_speed&speed=0", "cmd=playback_speed&speed=17", "cmd=playback_ff&speed=NaN", "cmd=playback_speed&speed=-1",
	} {
		if status, b := inner(t, srv.URL, bad); status != 404 || !strings.Contains(b, `"status":"404"`) {
			t.Errorf("%s: %d %s", bad, status, b)
		}
	}
	for _, good := range []string{"cmd=playback_pause", "cmd=playback_seek&progress=20000", "cmd=playback_ff&speed=16", "cmd=playback_speed&speed=0.0625", "cmd=playback_speed&speed=16", "cmd=playback_resume"} {
		if status, b := inner(t, srv.URL, good+"&channel=0"); status != 200 || b != `{"status":"0"}` {
			t.Errorf("%s: %d %s", good, status, b)
		}
	}
	r := flv.NewReader(res.Body, flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	var last time.Time
	sought := false
	for {
		if err := r.Next(&tag, &u); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if u.Kind == demux.Video && !u.Config {
			last = recorded(&u)
			sought = sought || last.Equal(recordedAt.Add(30*time.Second))
		}
	}
	if !sought || last.Before(recordedAt.Add(35*time.Second)) || !last.Before(recordedAt.Add(40*time.Second)) {
		t.Errorf("sought %v, ends at %v", sought, last.Sub(recordedAt))
	}
	for d.Viewers() > 0 { // the handler is still on its way out
		time.Sleep(time.Millisecond)
	}
	if status, _ := inner(t, srv.URL, "cmd=playback_pause"); status != 404 {
		t.Errorf("behind its end: %d", status)
	}
}

// A viewer may have some playbacks of a channel, and no more.
func TestPlaybacksAtOnce(t *testing.T) {
	a := new(memArchive).add(0, 25*60, true)
	d, _ := start(t, Config{Channels: []Channel{{Source: newFeed(), Archive: a}}})
	ctx, cancel := context.WithCancel(WithPeer(t.Context(), Peer{ID: "me"}))
	var wg sync.WaitGroup
	for range maxPlaybacks {
		wg.Add(1)
		go func() {
			defer wg.Done()
			w := httptest.NewRecorder()
			d.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/ipc.flv?action=playback&"+interval(0, 60), nil))
			if w.Code != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}()
	}
	for {
		d.playing.mu.Lock()
		n := len(d.playing.m[playKey{"me", 0}])
		d.playing.mu.Unlock()
		if n == maxPlaybacks {
			break
		}
		time.Sleep(time.Millisecond)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/ipc.flv?action=playback&"+interval(0, 60), nil))
	if w.Code != 409 {
		t.Errorf("one more: %d %s", w.Code, w.Body)
	}
	cancel()
	wg.Wait()
	if len(d.playing.m) != 0 || d.Viewers() != 0 {
		t.Errorf("%d playbacks and %d viewers are left", len(d.playing.m), d.Viewers())
	}
}
