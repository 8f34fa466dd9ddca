// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/recorder"
)

// Bad requests get an answer that says what to do, with the X-P2P code where there is one.
func TestRefusals(t *testing.T) {
	a, _, end := recorded(t, time.Minute, take{kind: testmedia.H264, seconds: 4, options: testmedia.Options{GOP: 25}})
	end()
	s := start(t, Config{Recordings: a})
	day := fmt.Sprintf("from=%d&to=%d", dawn.Unix(), dawn.Add(time.Hour).Unix())
	for _, c := range []struct {
		request string
		body    string
		status  int
		code    int
		say     string
	}{
		{"GET /api/v1/cameras/yard", "", 404, -2403, ""},
		{"GET /api/v1/cameras/yard/recordings?" + day, "", 404, -2403, ""},
		{"GET /api/v1/cameras/gate/recordings", "", 400, -2000, "needs from and to"},
		{"GET /api/v1/cameras/gate/recordings?from=now&to=1", "", 400, -2000, `from: "now" is no time`},
		{"GET /api/v1/cameras/gate/recordings?from=2&to=1", "", 400, -2000, "to is not behind from"},
		{"GET /api/v1/cameras/gate/recordings?from=1&to=99999999", "", 400, -2000, "ask in pieces"},
		{"GET /api/v1/cameras/gate/recordings?from=-1&to=1", "", 400, -2000, "is no time"},
		{"GET /api/v1/cameras/gate/calendar?month=november", "", 400, -2000, "is no month"},
		{"GET /api/v1/cameras/gate/calendar?month=2026-11&tz=Mars/Base", "", 400, -2000, "no time zone"},
		{"GET /api/v1/cameras/gate/calendar?month=2026-11&tz=../../etc/passwd", "", 400, -2000, "no time zone"},
		{"GET /api/v1/cameras/gate/thumbnail?time=1", "", 501, -2004, "need GStreamer"},
		{"GET /api/v1/events?camera=yard", "", 404, -2403, ""},
		{"GET /live/gate", "", 404, 0, "/live/CAMERA.flv"},
		{"GET /live/gate.flv", "", 503, -2402, ""},
		{"POST /api/v1/cameras/gate/command", `{"command":"x"}`, 501, -2004, ""},
		{"POST /api/v1/cameras/gate/command", `{"cmd":"x"}`, 400, -2000, `unknown field "cmd"`},
		{"POST /api/v1/cameras/gate/command", `{}`, 400, -2000, "needs command"},
		{"POST /api/v1/cameras/gate/command", `{"command":"` + strings.Repeat("x", maxCommand+1) + `"}`, 400, -2000, "at most 16384"},
		{"POST /api/v1/cameras/gate/command", `{"command":"` + strings.Repeat("x", maxBody+1) + `"}`, 400, -2000, "too large"},
		{"POST /api/v1/exports", `{"camera":"gate","from":1,"to":2}`, 404, 0, "nothing is recorded"},
		{"POST /api/v1/exports", `{"camera":"yard","from":1,"to":2}`, 404, -2403, ""},
		{"POST /api/v1/exports", `{"camera":"gate","from":1,"to":1e6}`, 400, -2000, "ask in pieces"},
		{"POST /api/v1/exports", `{"camera":"gate","from":{},"to":1e6}`, 400, -2000, "is no time"},
		{"GET /api/v1/exports/none", "", 404, 0, "no such export"},
		{"GET /api/v1/exports/none/files/x.mp4", "", 404, 0, "no such export"},
		{"DELETE /api/v1/exports/none", "", 404, 0, "no such export"},
		{"GET /hls/yard/media.m3u8?from=1", "", 404, -2403, ""},
		{"GET /hls/gate/media.m3u8", "", 400, -2000, "needs from"},
		{"GET /hls/gate/media.m3u8?from=1&to=2", "", 404, 0, "nothing is recorded"},
		{"GET /hls/gate/media.m3u8?from=1", "", 400, -2000, "say to as well"},
		{"GET /hls/gate/media.m3u8?from=1&to=1e6", "", 400, -2000, "ask in pieces"},
		{"GET /hls/gate/x/init.mp4", "", 404, 0, "no such recording"},
		{"GET /hls/gate/..%2f..%2f/init.mp4", "", 404, 0, "no such recording"},
		{"GET /hls/gate/2026-11-24_17-05-03.120/x.m4s", "", 400, -2000, "OFFSET-LENGTH"},
		{"GET /hls/gate/2026-11-24_17-05-03.120/0-1.m4s?t=0", "", 404, 0, "no such recording"},
		{"GET /hls/gate/2026-11-24_17-05-03.120/900-99999999.m4s?t=0", "", 404, 0, "no such recording"},
		{"GET /hls/gate/2026-11-24_17-05-03.120/9-9.m4s?t=99999999999999999999", "", 400, -2000, "OFFSET-LENGTH"},
		{"GET /hls/gate/2026-11-24_17-05-03.120/2000-900.m4s?t=0", "", 404, 0, "damaged"},
	} {
		t.Run(c.request, func(t *testing.T) {
			method, path, _ := strings.Cut(c.request, " ")
			var body io.Reader
			if c.body != "" {
				body = strings.NewReader(c.body)
			}
			res := s.request(method, path, body, nil)
			b, err := io.ReadAll(res.Body)
			var p problem
			if err != nil || json.Unmarshal(b, &p) != nil || p.Error == "" {
				t.Fatalf("%s (%v): %q", res.Status, err, b)
			}
			if res.StatusCode != c.status || p.Code != c.code || !strings.Contains(p.Error, c.say) {
				t.Errorf("%s: %s, want %d, code %d and %q", res.Status, b, c.status, c.code, c.say)
			}
		})
	}
}

func TestCamerasAndSystem(t *testing.T) {
	s, _ := recorderSite(t, testmedia.H264AAC)
	var list []nvr.CameraStatus
	s.ask(&list, "/api/v1/cameras")
	var one nvr.CameraStatus
	s.ask(&one, "/api/v1/cameras/gate")
	var sys system
	s.ask(&sys, "/api/v1/system")
	if raw := string(s.get(200, "/api/v1/cameras/gate")); !strings.Contains(raw, `"tracks":"h264 320x180, aac 44100x1"`) {
		t.Errorf("its tracks: %s", raw)
	}
	if len(list) != 1 || list[0].Name != "gate" || one.Recorded.Parts == 0 || len(sys.Storages) != 1 || sys.Storages[0].Free == 0 || sys.Thumbnails {
		t.Errorf("%+v, %+v, %+v", list, one, sys)
	}
}

// Spans and gaps of an hour, and the days of a month, which depend on where one is.
func TestRecordings(t *testing.T) {
	short := testmedia.Options{GOP: 25}
	a, _, end := recorded(t, time.Minute, take{testmedia.H264, 4, short, 10 * time.Second}, take{testmedia.H264, 4, short, 0})
	end()
	s := start(t, Config{Recordings: a})
	var r recordings
	s.ask(&r, fmt.Sprintf("/api/v1/cameras/gate/recordings?from=%d&to=%s", dawn.Unix(), dawn.Add(time.Hour).Format(time.RFC3339)))
	if len(r.Spans) != 2 || !r.Spans[0].From.Equal(dawn) || len(r.Gaps) < 2 || r.Gaps[0].Cause != recorder.CauseLink ||
		!r.Gaps[0].From.Equal(r.Spans[0].To) || !r.Gaps[0].To.Equal(r.Spans[1].From) {
		t.Errorf("%+v", r)
	}
	for query, want := range map[string]int{"month=2026-11": 1, "month=2026-10": 0, "month=2026-11&tz=Europe/Berlin": 1, "month=2026-11&tz=Pacific/Auckland": 1} {
		var c calendar
		s.ask(&c, "/api/v1/cameras/gate/calendar?"+query)
		day := dawn.Day()
		if strings.Contains(query, "Auckland") {
			day++ // it is morning there
		}
		if len(c.Days) != want || want == 1 && c.Days[0] != day {
			t.Errorf("%s: %+v", query, c)
		}
	}
}

// What is asked for by hand is in the camera's state, and what happened among its
// recordings.
func TestRecordAndTrigger(t *testing.T) {
	s, n := siteWith(t, nvr.RecordConfig{When: nvr.RecordEvents}, testmedia.H264)
	reason := func() string { return n.Cameras()[0].Recording }
	do := func(request, body string, status int) {
		t.Helper()
		method, path, _ := strings.Cut(request, " ")
		res := s.request(method, path, strings.NewReader(body), nil)
		b, _ := io.ReadAll(res.Body)
		if res.StatusCode != status {
			t.Errorf("%s %s: %s, want %d: %s", request, body, res.Status, status, b)
		}
	}
	if reason() != "" {
		t.Errorf("recorded before it is asked for: %q", reason())
	}
	do("POST /api/v1/cameras/gate/record", `{"for":600}`, 200)
	if reason() != "request" {
		t.Errorf("recorded for %q", reason())
	}
	do("DELETE /api/v1/cameras/gate/record", "", 200)
	if reason() != "" {
		t.Errorf("recorded still for %q", reason())
	}
	do("POST /api/v1/cameras/gate/events", `{"kind":"doorbell","for":5}`, 200)
	if reason() != "event" {
		t.Errorf("recorded for %q", reason())
	}
	do("POST /api/v1/cameras/gate/events", `{"for":5}`, 400)
	do("POST /api/v1/cameras/gate/events", `{"kind":"doorbell","for":-1}`, 400)
	do("POST /api/v1/cameras/gate/record", `{"for":1e12}`, 400)
	do("POST /api/v1/cameras/yard/record", `{}`, 404)
	do("DELETE /api/v1/cameras/yard/record", "", 404)
	if err := n.Archive().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var r recordings
	now := time.Now().Unix()
	if s.ask(&r, fmt.Sprintf("/api/v1/cameras/gate/recordings?from=%d&to=%d", now-60, now+60)); len(r.Events) != 1 || r.Events[0].Kind != "doorbell" {
		t.Errorf("%+v", r.Events)
	}
}

func TestEvents(t *testing.T) {
	s, n := recorderSite(t, testmedia.H264)
	res := s.request("GET", "/api/v1/events?camera=gate", nil, nil)
	if ct := res.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Fatal(ct)
	}
	lines := bufio.NewScanner(res.Body)
	next := func() string {
		if !lines.Scan() {
			t.Fatalf("the events ended: %v", lines.Err())
		}
		return lines.Text()
	}
	if l := next(); l != "retry: 2000" {
		t.Errorf("first line: %q", l)
	}
	next()
	n.Publish(nvr.Event{Type: "test", Camera: "yard"})
	n.Publish(nvr.Event{Type: "test", Camera: "gate", Detail: "a\nb"})
	for {
		if l := next(); l == "event: test" {
			break
		}
	}
	var e nvr.Event
	if err := json.Unmarshal([]byte(strings.TrimPrefix(next(), "data: ")), &e); err != nil || e.Camera != "gate" || e.Detail != "a\nb" {
		t.Errorf("%+v, %v", e, err)
	}
	// The end of the server is the end of the stream.
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for lines.Scan() {
	}
}

func TestExport(t *testing.T) {
	s, n := recorderSite(t, testmedia.H264AAC)
	segs, err := n.Archive().List(t.Context(), "gate", time.Time{}, time.Time{})
	if err != nil || len(segs) == 0 {
		t.Fatal(segs, err)
	}
	body := fmt.Sprintf(`{"camera":"gate","from":%q,"to":%d}`, segs[0].Start.Format(time.RFC3339Nano), time.Now().Add(time.Minute).Unix())
	res := s.request("POST", "/api/v1/exports", strings.NewReader(body), nil)
	var e exportState
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil || res.StatusCode != http.StatusAccepted || res.Header.Get("Location") != "/api/v1/exports/"+e.ID {
		t.Fatalf("%s %v %+v (%v)", res.Status, res.Header, e, err)
	}
	until(t, "the export is done", func() bool {
		s.ask(&e, "/api/v1/exports/"+e.ID)
		return e.State == exportDone || e.State == exportFailed
	})
	if e.State != exportDone || len(e.Files) != 1 || e.Done != e.Total || e.Files[0].Bytes == 0 || len(e.Files[0].SHA256) != 64 || len(e.Files[0].Stretches) == 0 {
		t.Fatalf("%+v", e)
	}
	path := "/api/v1/exports/" + e.ID + "/files/" + e.Files[0].Name
	whole := s.get(200, path)
	if int64(len(whole)) != e.Files[0].Bytes || !bytes.Contains(whole[:64], []byte("ftyp")) {
		t.Errorf("%d bytes of %d", len(whole), e.Files[0].Bytes)
	}
	part := s.request("GET", path, nil, func(r *http.Request) { r.Header.Set("Range", "bytes=100-199") })
	b, _ := io.ReadAll(part.Body)
	if part.StatusCode != http.StatusPartialContent || !bytes.Equal(b, whole[100:200]) {
		t.Errorf("a range: %s, %d bytes", part.Status, len(b))
	}
	var list []exportState
	if s.ask(&list, "/api/v1/exports"); len(list) != 1 {
		t.Errorf("%+v", list)
	}
	if res := s.request("DELETE", "/api/v1/exports/"+e.ID, nil, nil); res.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %s", res.Status)
	}
	s.get(404, path)
}

func TestMetrics(t *testing.T) {
	s, _ := recorderSite(t, testmedia.H264)
	var text string
	until(t, "the camera, which ended its stream, has a gap", func() bool {
		text = string(s.get(200, "/metrics"))
		return strings.Contains(text, `xp2p_gap_seconds{camera="gate",cause="camera"} `)
	})
	for _, want := range []string{`xp2p_camera_up{camera="gate"} `, `xp2p_recorded_parts_total{camera="gate"} `, `xp2p_storage_free_bytes{storage="`,
		"xp2p_info{version=", "process_resident_memory_bytes"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}
