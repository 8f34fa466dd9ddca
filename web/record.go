// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"net/http"
	"time"
)

// seconds is a duration in a body.
type seconds float64

// maxSeconds bounds it: a year.
const maxSeconds = 366 * 24 * 60 * 60

func (s seconds) duration() (time.Duration, error) {
	if s < 0 || s > maxSeconds {
		return 0, bad("for: wanted seconds, 0 to a year")
	}
	return time.Duration(float64(s) * float64(time.Second)), nil
}

// postRecord records a camera from now on, whatever its configuration: for so many
// seconds, or until it is taken back.
func (s *Server) postRecord(w http.ResponseWriter, r *http.Request) {
	var p struct {
		For seconds `json:"for"`
	}
	var d time.Duration
	err := readJSON(r, &p)
	if err == nil {
		d, err = p.For.duration()
	}
	if err == nil {
		err = s.cfg.Cameras.StartRecording(r.PathValue("camera"), d)
	}
	s.done(w, r, err)
}

// deleteRecord takes postRecord back. A camera that is recorded for another reason
// still is.
func (s *Server) deleteRecord(w http.ResponseWriter, r *http.Request) {
	s.done(w, r, s.cfg.Cameras.StopRecording(r.PathValue("camera")))
}

// postEvent says that something happened at a camera and lasts for so many seconds.
func (s *Server) postEvent(w http.ResponseWriter, r *http.Request) {
	var p struct {
		Kind string  `json:"kind"`
		For  seconds `json:"for"`
	}
	var d time.Duration
	err := readJSON(r, &p)
	if err == nil {
		d, err = p.For.duration()
	}
	if err == nil {
		err = s.cfg.Cameras.Trigger(r.PathValue("camera"), p.Kind, d)
	}
	s.done(w, r, err)
}

// done answers with the camera's state behind what was asked for.
func (s *Server) done(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		fail(w, err)
		return
	}
	s.getCamera(w, r)
}
