// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/internal/testorigin"
	"github.com/xp2p/xp2p/session"
	"github.com/xp2p/xp2p/swarm/sourcetest"
)

// streamOfCamera is where a viewer of the scripted camera is moved to.
const streamOfCamera = "/live/PROD_script.flv"

// readTags reads n tags.
func readTags(t testing.TB, r io.Reader, n int) {
	t.Helper()
	fr := flv.NewReader(r, flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for i := range n {
		if err := fr.Next(&tag, &u); err != nil {
			t.Fatalf("after %d tags: %v", i, err)
		}
	}
}

// watch reads a service's stream as long as the test runs; its first tags have come.
func watch(t *testing.T, s *session.Service) {
	t.Helper()
	st, err := s.StartStream(t.Context(), session.StreamRequest{})
	if err != nil {
		t.Fatal(err)
	}
	readTags(t, st, 20)
	done := make(chan struct{})
	go func() { io.Copy(io.Discard, st); close(done) }()
	t.Cleanup(func() { st.Close(); <-done })
}

// awaitFed waits until viewers have so many stripes, of all of them together, from others.
func awaitFed(t *testing.T, viewers []*session.Service, stripes int) {
	t.Helper()
	for i := 0; ; i++ {
		var fed int
		for _, s := range viewers {
			if st, ok := s.Swarm(); ok {
				fed += st.FromPeers
				named := 0
				for _, p := range st.Parents {
					if len(p) == 16 {
						named++
					}
				}
				if named != st.FromPeers {
					t.Errorf("%d stripes come from viewers, whose names are %q", st.FromPeers, st.Parents)
				}
			}
		}
		if fed >= stripes {
			return
		}
		if i == 6000 {
			t.Fatalf("the viewers do not have the stream from each other: %d stripes", fed)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A service of a 1vN stream is a viewer among others: it has the stream, statistics and
// switches, and no camera.
func TestManyViewers(t *testing.T) {
	src := sourcetest.Start(t, true, "/live/a.flv", streamOfCamera)
	c := newScripted(t, http.NotFoundHandler())
	var services []*session.Service
	for range 3 {
		s, err := c.module(nil).StartService(t.Context(), "many", session.StreamInfo{URL: src.URL, CodeURL: src.CodeURL})
		if err != nil {
			t.Fatal(err)
		}
		watch(t, s)
		services = append(services, s)
	}
	awaitFed(t, services, 6)
	s := services[0]
	if p := s.Path(); p.Path != "swarm" || !strings.HasPrefix(src.Base, "http://"+p.Remote) {
		t.Errorf("path %+v", p)
	}
	if p, d := s.Camera(); p != "" || d != "" {
		t.Errorf("camera %s/%s", p, d)
	}
	_, err := s.SendCommand(t.Context(), "action=inner_define&cmd=get_device_st")
	wantCode(t, err, session.NotSupported)
	_, err = s.StartVoice(t.Context(), session.VoiceRequest{})
	wantCode(t, err, session.NotSupported)
	_, err = s.StartStream(t.Context(), session.StreamRequest{})
	wantCode(t, err, session.AlreadyStarted)
	if err := s.SwitchSwarm(false, false); err != nil {
		t.Error(err)
	}
	for i := 0; ; i++ {
		if st, ok := s.Swarm(); ok && st.FromPeers == 0 && !st.Download && !st.Upload {
			break
		}
		if i == 6000 {
			t.Fatal("it does not leave the others")
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.StopStream()
	st, err := s.StartStream(t.Context(), session.StreamRequest{})
	if err != nil {
		t.Fatal(err)
	}
	readTags(t, st, 20)
	if st, ok := s.Swarm(); !ok || st.Download {
		t.Errorf("the switches are forgotten: %+v", st)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := st.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the stream of a closed service: %v", err)
	}
}

// Two services of one module may view the same stream: a recorder and a player.
func TestManyOfOneModule(t *testing.T) {
	src := sourcetest.Start(t, false, "/live/a.flv", streamOfCamera)
	m := newScripted(t, http.NotFoundHandler()).module(nil)
	var services []*session.Service
	for _, id := range []string{"recorder", "player"} {
		s, err := m.StartService(t.Context(), id, session.StreamInfo{URL: src.URL})
		if err != nil {
			t.Fatal(err)
		}
		watch(t, s)
		services = append(services, s)
	}
	awaitFed(t, services, 4)
}

// What is switched off before the stream is started is off from its first byte.
func TestSwitchedBeforeTheStream(t *testing.T) {
	src := sourcetest.Start(t, false, "/live/a.flv", streamOfCamera)
	s, err := newScripted(t, http.NotFoundHandler()).module(nil).StartService(t.Context(), "many", session.StreamInfo{URL: src.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SwitchSwarm(false, false); err != nil {
		t.Fatal(err)
	}
	st, err := s.StartStream(t.Context(), session.StreamRequest{})
	if err != nil {
		t.Fatal(err)
	}
	readTags(t, st, 1)
	if x, ok := s.Swarm(); !ok || x.Download || x.Upload {
		t.Errorf("%+v, %v", x, ok)
	}
}

// What is at the URL may be plain http-flv, which is pulled like any stream.
func TestPlainHTTPFLV(t *testing.T) {
	o := testorigin.New(t, testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{}), 4)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live/", o.ServeHTTP)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	var l eventLog
	s, err := newScripted(t, http.NotFoundHandler()).module(nil).StartService(t.Context(), "plain", session.StreamInfo{URL: srv.URL + "/live/a.flv", Events: l.add})
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.StartStream(t.Context(), session.StreamRequest{})
	if err != nil {
		t.Fatal(err)
	}
	readTags(t, st, 100)
	if _, ok := s.Swarm(); ok {
		t.Error("plain http-flv has a swarm")
	}
	if p := s.Path().Path; p != "http" {
		t.Errorf("path %q", p)
	}
	o.Cut()
	if _, err := io.Copy(io.Discard, st); err != nil && !errors.Is(err, io.EOF) {
		wantCode(t, err, session.StreamFailed)
	}
	for _, e := range []string{session.Connected, session.Request, session.Parsed} {
		l.waitFor(t, e, nil)
	}
	srv.CloseClientConnections()
	_, err = newScripted(t, http.NotFoundHandler()).module(nil).StartService(t.Context(), "none", session.StreamInfo{URL: srv.URL + "/other.flv"})
	wantCode(t, err, session.StreamFailed)
}

// A viewer for whom the camera has no room is moved to the camera's 1vN stream, and told
// so; commands still go to the camera.
func TestMoved(t *testing.T) {
	src := sourcetest.Start(t, false, "/live/a.flv", streamOfCamera)
	for _, tt := range []struct {
		name  string
		state string // of get_device_st
		live  int    // status of the stream
		moved bool
	}{
		{"full", `[{"status":"405","appConnectNum":"4"}]`, 200, true},
		{"full by the time of the stream", `[{"status":"0","appConnectNum":"3"}]`, 405, true},
		{"with room", `[{"status":"0","appConnectNum":"1"}]`, 200, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l eventLog
			var asked atomic.Int32
			c := newScripted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/command") {
					asked.Add(1)
					io.WriteString(w, tt.state)
					return
				}
				w.WriteHeader(tt.live)
				if tt.live == 200 {
					w.Write(flv.AppendTag(flv.AppendHeader(nil, true, true), flv.TagScript, 0, []byte("camera")))
					http.NewResponseController(w).Flush()
					<-r.Context().Done()
				} else {
					fmt.Fprintf(w, `{"status":"%d","error":"too many viewers"}`, tt.live)
				}
			}))
			s := c.service(session.StreamInfo{LiveStreamDomain: src.Base, Events: l.add})
			st, err := s.StartStream(t.Context(), session.StreamRequest{})
			if err != nil {
				t.Fatal(err)
			}
			readTags(t, st, 1)
			_, swarm := s.Swarm()
			if swarm != tt.moved {
				t.Errorf("in the swarm: %v, want %v", swarm, tt.moved)
			}
			if tt.moved {
				e := l.waitFor(t, session.Moved, nil)
				if d := e.Detail.(session.MovedDetail); d.URL != src.Base+streamOfCamera {
					t.Errorf("moved to %s", d.URL)
				}
				readTags(t, st, 50)
			}
			n := asked.Load()
			if r, err := s.SendCommand(t.Context(), "x"); err != nil || r.Data != tt.state || asked.Load() != n+1 {
				t.Errorf("a command: %+v, %v", r, err)
			}
		})
	}
}

func TestManyURL(t *testing.T) {
	for _, tt := range []struct{ domain, channel, want string }{
		{"live.example", "", "https://live.example/live/P_D.flv"},
		{"live.example:8443/", "0", "https://live.example:8443/live/P_D.flv"},
		{"http://127.0.0.1:8350", "3", "http://127.0.0.1:8350/live/P_D_3.flv"},
	} {
		if got := session.ManyURL(tt.domain, "P", "D", tt.channel); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}
