// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits for what is to happen soon.
const patience = 30 * time.Second

// site is a server under test and a client that has its token.
type site struct {
	*Server
	t testing.TB
}

// start serves cfg; what it lacks is made up.
func start(t testing.TB, cfg Config) *site {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	if cfg.State == "" {
		cfg.State = t.TempDir()
	}
	if cfg.Recordings == nil {
		cfg.Recordings = archive(t, recorder.Config{})
	}
	if cfg.Cameras == nil {
		cfg.Cameras = stillCameras{"gate"}
	}
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &site{s, t}
}

// recorderSite is a recorder of one http-flv camera, "gate", behind a server; something
// is recorded already.
func recorderSite(t testing.TB, kind testmedia.Kind) (*site, *nvr.NVR) {
	t.Helper()
	file := testmedia.FLV(t, kind, 2, testmedia.Options{GOP: 25})
	return siteOf(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, file) // and the end of the stream: the recorder comes again
	})
}

// liveSite is the same of a camera that goes on sending in real time.
func liveSite(t testing.TB, kind testmedia.Kind) *site {
	t.Helper()
	list := tags(t, testmedia.FLV(t, kind, 20, testmedia.Options{GOP: 10}))
	s, _ := siteOf(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write(flv.AppendHeader(nil, true, true))
		began := time.Now()
		for i := range list {
			select {
			case <-time.After(time.Until(began.Add(list[i].at))):
			case <-r.Context().Done():
				return
			}
			w.Write(list[i].raw)
			w.(http.Flusher).Flush()
		}
	})
	return s
}

// tags are those of a file, with their times.
func tags(t testing.TB, file string) (list []struct {
	raw []byte
	at  time.Duration
}) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := flv.NewReader(f, flv.Options{})
	for {
		var tag flv.Tag
		var u demux.Unit
		if err := r.Next(&tag, &u); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, struct {
			raw []byte
			at  time.Duration
		}{append([]byte(nil), tag.Raw...), u.DTS})
	}
}

// siteOf is a recorder of the camera "gate" that records all the time.
func siteOf(t testing.TB, camera http.HandlerFunc) (*site, *nvr.NVR) {
	t.Helper()
	s, n := serveRecorder(t, nvr.RecordConfig{}, camera)
	until(t, "something is recorded", func() bool { return n.Cameras()[0].Recorded.Parts > 0 })
	if err := n.Archive().Flush(context.Background()); err != nil { // written is not yet listed
		t.Fatal(err)
	}
	return s, n
}

// siteWith is a recorder of the camera "gate" that records as record says.
func siteWith(t testing.TB, record nvr.RecordConfig, kind testmedia.Kind) (*site, *nvr.NVR) {
	t.Helper()
	file := testmedia.FLV(t, kind, 2, testmedia.Options{GOP: 25})
	return serveRecorder(t, record, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
}

func serveRecorder(t testing.TB, record nvr.RecordConfig, camera http.HandlerFunc) (*site, *nvr.NVR) {
	t.Helper()
	origin := httptest.NewServer(camera)
	t.Cleanup(origin.Close)
	t.Cleanup(origin.CloseClientConnections)
	n, err := nvr.Open(nvr.Config{
		Storage: []nvr.StorageConfig{{Dir: t.TempDir()}},
		Cameras: []nvr.CameraConfig{{Name: "gate", URL: origin.URL + "/live.flv", Record: record}},
	}, nvr.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return start(t, Config{Cameras: n, Recordings: n.Archive()}), n
}

// until polls a condition for as long as a slow machine may need.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// request makes a request with the token, changed as the test likes.
func (s *site) request(method, path string, body io.Reader, change func(*http.Request)) *http.Response {
	s.t.Helper()
	r, err := http.NewRequest(method, s.URL()+path[1:], body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.auth.token)
	if change != nil {
		change(r)
	}
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { res.Body.Close() })
	return res
}

// get gives the body of an answer that must have this status.
func (s *site) get(status int, path string) []byte {
	s.t.Helper()
	res := s.request("GET", path, nil, nil)
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		s.t.Fatalf("GET %s: %s, want %d (%v)\n%s", path, res.Status, status, err, b)
	}
	return b
}

// ask is get of JSON into v.
func (s *site) ask(v any, path string) {
	s.t.Helper()
	b := s.get(http.StatusOK, path)
	if err := json.Unmarshal(b, v); err != nil {
		s.t.Fatalf("GET %s: %v\n%s", path, err, b)
	}
}

// stillCameras are names of cameras that do nothing.
type stillCameras []string

func (c stillCameras) Cameras() (list []nvr.CameraStatus) {
	for _, name := range c {
		list = append(list, nvr.CameraStatus{Name: name, State: nvr.StateWaiting})
	}
	return list
}

func (c stillCameras) Camera(name string) (nvr.CameraStatus, error) {
	for _, s := range c.Cameras() {
		if s.Name == name {
			return s, nil
		}
	}
	return nvr.CameraStatus{}, &session.Error{Op: "camera", Code: session.NoService}
}

func (stillCameras) Command(context.Context, string, string) (session.CommandResult, error) {
	return session.CommandResult{}, &session.Error{Op: "sendCommand", Code: session.NotSupported}
}

func (stillCameras) Subscribe() *nvr.Subscription { panic("not asked for") }

func (stillCameras) Watch(context.Context, string) (io.ReadCloser, error) {
	return nil, &session.Error{Op: "watch", Code: session.StreamFailed}
}

func (stillCameras) Export(context.Context, recorder.ExportRequest) ([]recorder.ExportedFile, error) {
	panic("not asked for")
}

func (stillCameras) StartRecording(string, time.Duration) error { return nil }

func (stillCameras) StopRecording(string) error { return nil }

func (stillCameras) Trigger(string, string, time.Duration) error { return nil }

// simulated is a clock that tests move.
type simulated struct {
	mu sync.Mutex
	t  time.Time
}

func (s *simulated) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.t
}

func (s *simulated) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t = s.t.Add(d)
}

// dawn is when recordings of tests begin.
var dawn = time.Date(2026, 11, 24, 17, 5, 3, 120e6, time.UTC)

// archive opens one in a directory of its own.
func archive(t testing.TB, cfg recorder.Config) *recorder.Archive {
	t.Helper()
	if cfg.Storages == nil {
		cfg.Storages = []recorder.StorageConfig{{Dir: t.TempDir()}}
	}
	a, err := recorder.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// units reads a whole FLV file.
func units(t testing.TB, file string) (list []demux.Unit) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := flv.NewReader(f, flv.Options{})
	for {
		var tag flv.Tag
		var u demux.Unit
		if err := r.Next(&tag, &u); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		u.Data = append([]byte(nil), u.Data...)
		list = append(list, u)
	}
}

// take is a stretch of a recording for tests: media of a kind, then a pause.
type take struct {
	kind    testmedia.Kind
	seconds int
	options testmedia.Options
	pause   time.Duration
}

// recorded is an archive with the camera "gate" recorded take by take on a clock of its
// own, each a run. The last one stays open until close is called.
func recorded(t testing.TB, segment time.Duration, takes ...take) (a *recorder.Archive, clock *simulated, end func()) {
	t.Helper()
	clock = &simulated{t: dawn}
	a = archive(t, recorder.Config{Storages: []recorder.StorageConfig{{Dir: t.TempDir(), Segment: segment}}, Now: clock.now})
	c, err := a.Camera("gate")
	if err != nil {
		t.Fatal(err)
	}
	flush := func() {
		if err := a.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	var run *recorder.Run
	for _, k := range takes {
		if run != nil {
			run.Close(recorder.CauseLink)
		}
		list := units(t, testmedia.FLV(t, k.kind, k.seconds, k.options))
		run = c.StartRun()
		last := list[0].DTS
		for i := range list {
			if d := list[i].DTS - last; d > 0 {
				clock.add(d)
				last = list[i].DTS
			}
			if err := run.Write(&list[i]); err != nil {
				t.Fatal(err)
			}
			if i%500 == 499 {
				flush() // no more than may wait for a disk
			}
		}
		clock.add(k.pause)
	}
	flush()
	return a, clock, func() { run.Close(recorder.CauseLink); flush() }
}
