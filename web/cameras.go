// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/xp2p/xp2p/internal/version"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/recorder"
)

// system is the answer to GET /api/v1/system.
type system struct {
	Version    string                   `json:"version"`
	Now        time.Time                `json:"now"`
	Storages   []recorder.StorageStatus `json:"storages"`
	Forecasts  []forecast               `json:"forecasts"` // none while a disk is too slow to be asked
	Thumbnails bool                     `json:"thumbnails"`
}

func (s *Server) getSystem(w http.ResponseWriter, r *http.Request) {
	storages, err := s.cfg.Recordings.Status(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, system{version.Version, time.Now(), storages, s.forecasts(r.Context()), s.thumbs != nil})
}

// forecast is what becomes of a storage if it goes on as in the last day.
type forecast struct {
	recorder.Forecast
	Measured float64 `json:"measured"` // s
	Holds    float64 `json:"holds"`    // s
}

// forecastWait is how long a storage whose disk is slow is waited for: the rest of the
// answer is known without it.
const forecastWait = time.Second

func (s *Server) forecasts(ctx context.Context) []forecast {
	ctx, cancel := context.WithTimeout(ctx, forecastWait)
	defer cancel()
	list := []forecast{} // [], not null
	all, err := s.cfg.Recordings.Forecast(ctx)
	if err != nil {
		s.log.Debug("forecast", "error", err)
	}
	for _, f := range all {
		list = append(list, forecast{f, f.Measured.Seconds(), f.Holds.Seconds()})
	}
	return list
}

// shownCamera is a camera's state and what recordings tell of it.
type shownCamera struct {
	nvr.CameraStatus
	// Tracks is what it sends, as far as it was recorded lately: "h264 1920x1080, aac
	// 44100x2". A player must know it before it asks for a stream.
	Tracks string `json:"tracks,omitempty"`
	// Gap is since when it is not recorded, and why; null while it is.
	Gap *recorder.Gap `json:"gap"`
}

// lately is how far back recordings say what a camera sends.
const lately = 10 * time.Minute

func (s *Server) show(ctx context.Context, c nvr.CameraStatus) (shownCamera, error) {
	shown := shownCamera{CameraStatus: c}
	now := time.Now()
	segs, err := s.cfg.Recordings.List(ctx, c.Name, now.Add(-lately), now.Add(lately))
	if err != nil {
		return shown, err
	}
	if len(segs) > 0 {
		shown.Tracks = segs[len(segs)-1].Tracks
	}
	gaps, err := s.cfg.Recordings.Gaps(ctx, c.Name, now, time.Time{})
	for i := range gaps {
		if gaps[i].To.IsZero() {
			shown.Gap = &gaps[i]
		}
	}
	return shown, err
}

func (s *Server) getCameras(w http.ResponseWriter, r *http.Request) {
	list := []shownCamera{}
	for _, c := range s.cfg.Cameras.Cameras() {
		shown, err := s.show(r.Context(), c)
		if err != nil {
			fail(w, err)
			return
		}
		list = append(list, shown)
	}
	answer(w, http.StatusOK, list)
}

func (s *Server) getCamera(w http.ResponseWriter, r *http.Request) {
	c, ok := s.camera(w, r)
	if !ok {
		return
	}
	shown, err := s.show(r.Context(), c)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, shown)
}

// maxCommand bounds a camera command: up to 16 KiB is sensible (reference/xp2p.md §2).
const maxCommand = 16 << 10

// postCommand sends a command and gives what the camera answered, a refusal too.
func (s *Server) postCommand(w http.ResponseWriter, r *http.Request) {
	var p struct {
		Command string `json:"command"`
	}
	if err := readJSON(r, &p); err != nil {
		fail(w, err)
		return
	}
	if p.Command == "" || len(p.Command) > maxCommand {
		fail(w, bad(fmt.Sprintf("needs command, of at most %d bytes", maxCommand)))
		return
	}
	result, err := s.cfg.Cameras.Command(r.Context(), r.PathValue("camera"), p.Command)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, result)
}

// readJSON reads a body of one JSON object without keys that v does not have.
func readJSON(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return bad("the body must be a JSON object: " + err.Error())
	}
	return nil
}
