// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
)

// slowCameras are cameras whose exports write something and then last until they may
// end or are ended.
type slowCameras struct {
	stillCameras
	gate  chan error // what an export ends with
	ended atomic.Int64
	aac   atomic.Int64 // exports that were to have it
}

func (c *slowCameras) Export(ctx context.Context, r recorder.ExportRequest) ([]recorder.ExportedFile, error) {
	defer c.ended.Add(1)
	if r.AAC {
		c.aac.Add(1)
	}
	if err := os.WriteFile(r.Path, []byte("film"), 0o600); err != nil {
		return nil, err
	}
	r.Progress(1, 4)
	select {
	case err := <-c.gate:
		return []recorder.ExportedFile{{Path: r.Path, Bytes: 4}}, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// slowSite serves them with recordings of theirs.
func slowSite(t *testing.T) (*site, *slowCameras) {
	t.Helper()
	a, _, end := recorded(t, time.Minute, take{testmedia.H264, 4, testmedia.Options{GOP: 25}, 0})
	end()
	c := &slowCameras{stillCameras: stillCameras{"gate"}, gate: make(chan error)}
	return start(t, Config{Cameras: c, Recordings: a}), c
}

func (s *site) export(status int) (e exportState) {
	s.t.Helper()
	res := s.request("POST", "/api/v1/exports", strings.NewReader(`{"camera":"gate","from":"2026-11-24T17:05:03Z","to":"2026-11-24T17:06:03Z"}`), nil)
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil || res.StatusCode != status {
		s.t.Fatalf("%s, want %d: %+v (%v)", res.Status, status, e, err)
	}
	return e
}

func (s *site) awaitExport(id, state string) (e exportState) {
	s.t.Helper()
	until(s.t, "an export is "+state, func() bool {
		s.ask(&e, "/api/v1/exports/"+id)
		return e.State == state
	})
	return e
}

// Exports run one after the other; one that is deleted ends, wherever it stands, and
// nothing of it stays.
func TestExportQueue(t *testing.T) {
	s, c := slowSite(t)
	first, second, third := s.export(202), s.export(202), s.export(202)
	until(t, "one of them runs", func() bool { return s.exports.running() == 1 })
	states := map[string]int{}
	for _, e := range s.exports.all() {
		states[e.State]++
	}
	if states[exportRunning] != 1 || states[exportWaiting] != 2 {
		t.Errorf("%v", states)
	}
	for _, e := range []exportState{first, second, third} {
		if res := s.request("DELETE", "/api/v1/exports/"+e.ID, nil, nil); res.StatusCode != http.StatusNoContent {
			t.Errorf("delete: %s", res.Status)
		}
		s.get(404, "/api/v1/exports/"+e.ID)
	}
	if left, err := filepath.Glob(filepath.Join(s.cfg.State, "exports", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if n := c.ended.Load(); n < 1 || n > 3 {
		t.Errorf("%d have run", n)
	}
}

// running is how many are under way.
func (x *exports) running() (n int) {
	for _, e := range x.all() {
		if e.State == exportRunning {
			n++
		}
	}
	return n
}

func TestExportFails(t *testing.T) {
	s, c := slowSite(t)
	id := s.export(202).ID
	c.gate <- errors.New("the disk is full")
	if e := s.awaitExport(id, exportFailed); e.Error != "the disk is full" || len(e.Files) != 0 || e.Ended.IsZero() {
		t.Errorf("%+v", e)
	}
	if _, err := os.Stat(filepath.Join(s.cfg.State, "exports", id)); err == nil {
		t.Error("what it wrote is there still")
	}
}

// There are maxExports at most: one that is over makes room, one that is under way does
// not.
func TestExportLimit(t *testing.T) {
	s, c := slowSite(t)
	done := s.export(202).ID
	c.gate <- nil
	s.awaitExport(done, exportDone)
	for range maxExports {
		s.export(202)
	}
	s.get(404, "/api/v1/exports/"+done)
	res := s.request("POST", "/api/v1/exports", strings.NewReader(`{"camera":"gate","from":"2026-11-24T17:05:03Z","to":"2026-11-24T17:06:03Z"}`), nil)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %s", res.Status)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(s.cfg.State, "exports")); err == nil {
		t.Error("exports outlive the server")
	}
}

// An export that would take more than half of the disk's free space is refused.
func TestExportNeedsRoom(t *testing.T) {
	x, err := openExports(t.TempDir(), &slowCameras{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	if _, err := x.start(recorder.ExportRequest{Camera: "gate"}, 1<<60); !errors.Is(err, errNoRoom) {
		t.Error(err)
	}
}

// Sound as AAC is wanted by whoever asks for it, and by nobody else.
func TestExportAAC(t *testing.T) {
	s, c := slowSite(t)
	for i, body := range []string{`{"camera":"gate","from":"2026-11-24T17:05:03Z","to":"2026-11-24T17:06:03Z"}`, `{"camera":"gate","from":"2026-11-24T17:05:03Z","to":"2026-11-24T17:06:03Z","aac":true}`} {
		var e exportState
		res := s.request("POST", "/api/v1/exports", strings.NewReader(body), nil)
		if err := json.NewDecoder(res.Body).Decode(&e); err != nil || res.StatusCode != 202 || e.AAC != (i == 1) {
			t.Fatalf("%s: %+v, %v", res.Status, e, err)
		}
		c.gate <- nil
		s.awaitExport(e.ID, exportDone)
		if n := c.aac.Load(); n != int64(i) {
			t.Errorf("%d exports as AAC, want %d", n, i)
		}
	}
}
