// SPDX-License-Identifier: LGPL-2.1-or-later

package local

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/session"
	"github.com/xp2p/xp2p/swarm/sourcetest"
)

// sealedStream is the source of a stream of many viewers, as a Camera.
func sealedStream(t *testing.T) Camera {
	t.Helper()
	src := sourcetest.Start(t, true, "/live/square.flv")
	return Camera{URL: src.URL, CodeURL: src.CodeURL}
}

// play reads the stream of an answer until the test ends; begun is closed behind its first pictures.
func play(t *testing.T, res *http.Response) (begun chan struct{}) {
	t.Helper()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != flvType {
		t.Fatalf("%s, %s", res.Status, res.Header.Get("Content-Type"))
	}
	begun = make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := flv.NewReader(res.Body, flv.Options{Strict: true})
		var tag flv.Tag
		var u demux.Unit
		for pictures := 0; r.Next(&tag, &u) == nil; {
			if u.Kind == demux.Video && !u.Config {
				if pictures++; pictures == 10 {
					close(begun)
				}
			}
		}
	}()
	t.Cleanup(func() { res.Body.Close(); <-done })
	return begun
}

// Players of a stream of many viewers are viewers, who have it from each other, beside
// a camera on the same server.
func TestManyViewers(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Cameras = append(c.Cameras, sealedStream(t)) })
	get := func(path string, status int, into any) {
		t.Helper()
		res := w.do(http.MethodGet, w.server.URL()+path, nil, nil)
		b, _ := io.ReadAll(res.Body)
		if res.StatusCode != status {
			t.Fatalf("%s: %s %s", path, res.Status, b)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatalf("%s: %v in %s", path, err, b)
		}
	}
	var list struct {
		Cameras []struct{ Camera, Live, Voice string }
	}
	get("", 200, &list)
	if l := list.Cameras; len(l) != 2 || l[1].Camera != "square" || l[1].Live != w.server.URL()+"square/ipc.flv" || l[1].Voice != "" {
		t.Fatalf("%+v", l)
	}
	w.server.many["square"].limit = 2
	for range 2 {
		select {
		case <-play(t, w.do(http.MethodGet, list.Cameras[1].Live, nil, nil)):
		case <-time.After(time.Minute):
			t.Fatal("a player gets no pictures")
		}
	}
	type stat struct {
		Flow struct{ P2PBytes, CDNBytes uint64 }
	}
	var s stat
	for i := 0; s.Flow.P2PBytes == 0 || s.Flow.CDNBytes == 0; i++ {
		if i == 6000 {
			t.Fatalf("the players have nothing from each other: %+v", s)
		}
		time.Sleep(10 * time.Millisecond)
		get("stat?xresid=square", 200, &s)
	}
	var no refusal
	get("square/ipc.flv", 503, &no)
	if !strings.Contains(no.Error, "players") {
		t.Errorf("%+v", no)
	}
	x := w.server.Stats()
	if q := x["square"]; q.Active != 2 || q.Requests != 3 || q.Failed != 1 || q.SentBytes == 0 || !q.Connected || q.Many == nil || q.Many.PeerBytes == 0 || q.Many.SourceBytes == 0 {
		t.Errorf("the stream's statistics: %+v %+v", q, q.Many)
	}
	if len(x) != 2 || x[list.Cameras[0].Camera].Many != nil {
		t.Errorf("the statistics are of %v", x)
	}
	get("stat?xresid=circle", 404, &no)
	get("square/command?action=x", 404, &no)
	if no.Code != int(session.NotSupported) {
		t.Errorf("a command: %+v", no)
	}
	get("feature?upload=2", 400, &no)
	var f struct {
		Ret, Download, Upload int
		Msg                   string
	}
	get("feature?download=0&upload=0", 200, &f)
	if f.Ret != 0 || f.Msg != "ok" || f.Download != 0 || f.Upload != 0 {
		t.Errorf("%+v", f)
	}
	get("feature?upload=1", 200, &f)
	if f.Download != 0 || f.Upload != 1 {
		t.Errorf("%+v", f)
	}
	if res := w.do(http.MethodHead, list.Cameras[1].Live, nil, nil); res.StatusCode != 200 {
		t.Errorf("HEAD: %s", res.Status)
	}
}

// What cannot be had is refused with its code, and what cannot be offered is when it starts.
func TestManyViewersRefused(t *testing.T) {
	sealed := sealedStream(t)
	sealed.CodeURL = ""
	w := newWorld(t, func(c *Config) { c.Cameras = append(c.Cameras, sealed) })
	res := w.do(http.MethodGet, w.server.URL()+"square/ipc.flv", nil, nil)
	var r refusal
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil || res.StatusCode != http.StatusForbidden || r.Code != int(session.DecryptFailed) {
		t.Errorf("sealed: %s %+v, %v", res.Status, r, err)
	}
	for say, cameras := range map[string][]Camera{
		"another name":    {{URL: "http://h/a/x.flv"}, {URL: "http://h/b/x.flv"}},
		"needs a name":    {{URL: "http://h"}},
		"without a slash": {{URL: "http://h/a", Name: "a/b"}},
		"http or https":   {{URL: "rtmp://h/a"}},
		"either":          {{URL: "http://h/a", XP2PInfo: w.camera.info}},
	} {
		s, err := Start(Config{Listen: "127.0.0.1:0", Module: w.server.cfg.Module, Cameras: cameras})
		if err == nil {
			s.Close()
		}
		if code, _ := session.CodeOf(err); code != session.BadArgument || !strings.Contains(err.Error(), say) {
			t.Errorf("%+v: %v, want %q", cameras, err, say)
		}
	}
}
