// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
	_ "time/tzdata" // zones for calendars, also where the machine has none

	"github.com/xp2p/xp2p/nvr"
)

// The times that are believed: the years 1970 to 9999.
const maxUnix = 253402300799

// parseTime reads RFC 3339 text or Unix seconds, with a fraction or without.
func parseTime(s string) (time.Time, error) {
	if seconds, err := strconv.ParseFloat(s, 64); err == nil && seconds >= 0 && seconds <= maxUnix {
		return time.UnixMilli(int64(seconds * 1000)), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Unix() < 0 || t.Unix() > maxUnix {
		return time.Time{}, bad(fmt.Sprintf("%q is no time: wanted RFC 3339, such as 2026-11-24T17:05:03Z, or Unix seconds", clip(s)))
	}
	return t, nil
}

// timeParam is a parameter that may be missing: zero then.
func timeParam(q url.Values, name string) (time.Time, error) {
	s := q.Get(name)
	if s == "" {
		return time.Time{}, nil
	}
	t, err := parseTime(s)
	if err != nil {
		return t, bad(name + ": " + err.Error())
	}
	return t, nil
}

// rangeParams are from and to, both required, at most most apart.
func rangeParams(q url.Values, most time.Duration) (from, to time.Time, err error) {
	if from, err = timeParam(q, "from"); err != nil {
		return from, to, err
	}
	if to, err = timeParam(q, "to"); err != nil {
		return from, to, err
	}
	return from, to, checkRange(from, to, most)
}

func checkRange(from, to time.Time, most time.Duration) error {
	switch {
	case from.IsZero() || to.IsZero():
		return bad("needs from and to: RFC 3339 or Unix seconds")
	case !to.After(from):
		return bad("to is not behind from")
	case to.Sub(from) > most:
		return bad(fmt.Sprintf("from and to are more than %v apart: ask in pieces", most))
	}
	return nil
}

// camera gives the camera of the path; who has none has been answered.
func (s *Server) camera(w http.ResponseWriter, r *http.Request) (nvr.CameraStatus, bool) {
	c, err := s.cfg.Cameras.Camera(r.PathValue("camera"))
	if err != nil {
		fail(w, err)
		return c, false
	}
	return c, true
}
