// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/xp2p/xp2p/recorder"
)

// maxRecordings is the longest stretch that is listed at once: a month.
const maxRecordings = 32 * 24 * time.Hour

// spanJoin is the longest hole that is none: two files of a camera that was connected
// again at once nearly touch.
const spanJoin = 100 * time.Millisecond

// recordings is the answer to GET /api/v1/cameras/{camera}/recordings: between
// from and to every instant is in a span, in a gap, or before the camera was known.
type recordings struct {
	From  time.Time       `json:"from"`
	To    time.Time       `json:"to"`
	Spans []recorder.Span `json:"spans"`
	Gaps  []recorder.Gap  `json:"gaps"`
	// Events are what happened at the camera, the last maxEvents of them.
	Events []recorder.Event `json:"events"`
}

// maxEvents is how many events a list has at most.
const maxEvents = 1000

func (s *Server) getRecordings(w http.ResponseWriter, r *http.Request) {
	c, ok := s.camera(w, r)
	if !ok {
		return
	}
	from, to, err := rangeParams(r.URL.Query(), maxRecordings)
	if err != nil {
		fail(w, err)
		return
	}
	a := recordings{From: from, To: to, Spans: s.cfg.Recordings.Spans(c.Name, from, to, spanJoin)}
	if a.Gaps, err = s.cfg.Recordings.Gaps(r.Context(), c.Name, from, to); err != nil {
		fail(w, err)
		return
	}
	if a.Events, err = s.cfg.Recordings.Events(r.Context(), c.Name, from, to, maxEvents); err != nil {
		fail(w, err)
		return
	}
	if a.Events == nil {
		a.Events = []recorder.Event{}
	}
	if a.Spans == nil {
		a.Spans = []recorder.Span{} // [], not null
	}
	if a.Gaps == nil {
		a.Gaps = []recorder.Gap{}
	}
	answer(w, http.StatusOK, a)
}

// calendar is the answer to GET /api/v1/cameras/{camera}/calendar.
type calendar struct {
	Month string `json:"month"`
	Zone  string `json:"tz"`
	// Days of the month, from 1, on which something was recorded.
	Days []int `json:"days"`
}

func (s *Server) getCalendar(w http.ResponseWriter, r *http.Request) {
	c, ok := s.camera(w, r)
	if !ok {
		return
	}
	month, err := monthParams(r.URL.Query())
	if err != nil {
		fail(w, err)
		return
	}
	a := calendar{Month: month.Format("2006-01"), Zone: month.Location().String(),
		Days: s.cfg.Recordings.Calendar(c.Name, month.Year(), month.Month(), month.Location())}
	if a.Days == nil {
		a.Days = []int{} // [], not null
	}
	answer(w, http.StatusOK, a)
}

// monthParams is the first instant of a month: month (2026-11) in tz (UTC).
func monthParams(q url.Values) (time.Time, error) {
	zone := time.UTC
	if name := q.Get("tz"); name != "" {
		var err error
		if zone, err = time.LoadLocation(name); err != nil || len(name) > 64 {
			return time.Time{}, bad(fmt.Sprintf("tz: there is no time zone %q: wanted a name such as Europe/Berlin", clip(name)))
		}
	}
	m, err := time.ParseInLocation("2006-01", q.Get("month"), zone)
	if err != nil {
		return m, bad(fmt.Sprintf("month: %q is no month: wanted one such as 2026-11", clip(q.Get("month"))))
	}
	return m, nil
}
