// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/xp2p/xp2p/internal/version"
	"github.com/xp2p/xp2p/recorder"
)

// system is the answer to GET /api/v1/system.
type system struct {
	Version    string                   `json:"version"`
	Now        time.Time                `json:"now"`
	Storages   []recorder.StorageStatus `json:"storages"`
	Thumbnails bool                     `json:"thumbnails"`
}

func (s *Server) getSystem(w http.ResponseWriter, r *http.Request) {
	storages, err := s.cfg.Recordings.Status(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, system{version.Version, time.Now(), storages, s.thumbs != nil})
}

func (s *Server) getCameras(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.cfg.Cameras.Cameras())
}

func (s *Server) getCamera(w http.ResponseWriter, r *http.Request) {
	if c, ok := s.camera(w, r); ok {
		answer(w, http.StatusOK, c)
	}
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
