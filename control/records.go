// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/creachadair/jrpc2/handler"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

// Overview is what is asked of recordings as a whole.
type Overview interface {
	Spans(camera string, from, to time.Time, join time.Duration) []recorder.Span
	Calendar(camera string, year int, month time.Month, zone *time.Location) []int
	Totals(camera string, from, to time.Time) []recorder.Total
	Days(camera string, from, to time.Time, zone *time.Location) []recorder.DayTotal
	Forecast(ctx context.Context) ([]recorder.Forecast, error)
	Events(ctx context.Context, camera string, from, to time.Time, n int) ([]recorder.Event, error)
}

// Locks protects recordings from removal.
type Locks interface {
	Lock(ctx context.Context, l recorder.Lock) (recorder.Lock, error)
	Unlock(ctx context.Context, id string) error
	Locks(ctx context.Context, camera string) ([]recorder.Lock, error)
}

func (s *Server) addRecordMethods(m handler.Map) {
	m["record.spans"] = method(s.recordSpans)
	m["record.calendar"] = method(s.recordCalendar)
	m["record.totals"] = method(s.recordTotals)
	m["record.days"] = method(s.recordDays)
	m["record.forecast"] = method(s.recordForecast)
	m["record.events"] = method(s.recordEvents)
	m["record.lock"] = method(s.recordLock)
	m["record.unlock"] = method(s.recordUnlock)
	m["record.locks"] = method(s.recordLocks)
}

// spansParams: holes shorter than join seconds are none.
type spansParams struct {
	Camera string  `json:"camera"`
	From   instant `json:"from"`
	To     instant `json:"to"`
	Join   float64 `json:"join"`
}

func (s *Server) recordSpans(_ context.Context, p spansParams) ([]recorder.Span, error) {
	join, err := seconds("record.spans", p.Join)
	if err != nil {
		return nil, err
	}
	list := s.cfg.Recordings.Spans(p.Camera, p.From.Time, p.To.Time, join)
	if len(list) > maxList {
		return nil, &session.Error{Op: "record.spans", Code: session.BadArgument, Err: fmt.Errorf("%d spans; narrow from, to or camera, or join holes, to at most %d", len(list), maxList)}
	}
	return notNull(list), nil
}

// notNull makes a list of none [] in JSON.
func notNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

type calendarParams struct {
	Camera string `json:"camera"`
	Month  string `json:"month"`
	Zone   string `json:"tz"`
}

// zone is a time zone by name; "": the host's.
func zone(op, name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	z, err := time.LoadLocation(name)
	if err != nil || len(name) > 64 {
		return nil, &session.Error{Op: op, Code: session.BadArgument, Err: fmt.Errorf("tz: there is no time zone %.64q: wanted a name such as Europe/Berlin", name)}
	}
	return z, nil
}

func (s *Server) recordCalendar(_ context.Context, p calendarParams) ([]int, error) {
	z, err := zone("record.calendar", p.Zone)
	if err != nil {
		return nil, err
	}
	month, err := time.ParseInLocation("2006-01", p.Month, z)
	if err != nil {
		return nil, &session.Error{Op: "record.calendar", Code: session.BadArgument, Err: fmt.Errorf("month: %.32q is no month: wanted one such as 2026-11", p.Month)}
	}
	return notNull(s.cfg.Recordings.Calendar(p.Camera, month.Year(), month.Month(), z)), nil
}

// totalEntry is an element of record.totals.
type totalEntry struct {
	recorder.Total
	Seconds float64 `json:"seconds"` // that are covered
}

func (s *Server) recordTotals(_ context.Context, p listParams) ([]totalEntry, error) {
	list := []totalEntry{}
	for _, t := range s.cfg.Recordings.Totals(p.Camera, p.From.Time, p.To.Time) {
		list = append(list, totalEntry{t, t.Recorded.Seconds()})
	}
	return list, nil
}

type daysParams struct {
	Camera string  `json:"camera"`
	From   instant `json:"from"`
	To     instant `json:"to"`
	Zone   string  `json:"tz"`
}

// dayEntry is an element of record.days.
type dayEntry struct {
	recorder.DayTotal
	Seconds float64 `json:"seconds"`
}

func (s *Server) recordDays(_ context.Context, p daysParams) ([]dayEntry, error) {
	z, err := zone("record.days", p.Zone)
	if err != nil {
		return nil, err
	}
	list := []dayEntry{}
	for _, d := range s.cfg.Recordings.Days(p.Camera, p.From.Time, p.To.Time, z) {
		list = append(list, dayEntry{d, d.Recorded.Seconds()})
	}
	return list, nil
}

// forecastEntry is an element of record.forecast.
type forecastEntry struct {
	recorder.Forecast
	Measured float64 `json:"measured"` // s
	Holds    float64 `json:"holds"`    // s
}

func (s *Server) recordForecast(ctx context.Context, _ none) ([]forecastEntry, error) {
	all, err := s.cfg.Recordings.Forecast(ctx)
	list := make([]forecastEntry, len(all))
	for i, f := range all {
		list[i] = forecastEntry{f, f.Measured.Seconds(), f.Holds.Seconds()}
	}
	return list, err
}

type eventsParams struct {
	Camera string  `json:"camera"`
	From   instant `json:"from"`
	To     instant `json:"to"`
	Last   int     `json:"last"` // how many at most; 0: maxList
}

func (s *Server) recordEvents(ctx context.Context, p eventsParams) ([]recorder.Event, error) {
	if p.Last == 0 {
		p.Last = maxList
	}
	if p.Last < 0 || p.Last > maxList {
		return nil, &session.Error{Op: "record.events", Code: session.BadArgument, Err: fmt.Errorf("last is from 1 to %d", maxList)}
	}
	list, err := s.cfg.Recordings.Events(ctx, p.Camera, p.From.Time, p.To.Time, p.Last)
	return notNull(list), err
}

type lockParams struct {
	Camera string  `json:"camera"`
	From   instant `json:"from"`
	To     instant `json:"to"`
	Note   string  `json:"note"`
}

func (s *Server) recordLock(ctx context.Context, p lockParams) (recorder.Lock, error) {
	bad := func(err error) (recorder.Lock, error) {
		return recorder.Lock{}, &session.Error{Op: "record.lock", Code: session.BadArgument, Err: err}
	}
	switch {
	case p.Camera == "" || p.From.IsZero() || p.To.IsZero():
		return bad(errors.New("needs camera, from and to"))
	case !p.To.After(p.From.Time):
		return bad(errors.New("to is not behind from"))
	case len(p.Note) > recorder.MaxLockNote:
		return bad(fmt.Errorf("the note has %d bytes, at most %d are kept", len(p.Note), recorder.MaxLockNote))
	}
	l, err := s.cfg.Recordings.Lock(ctx, recorder.Lock{Camera: p.Camera, From: p.From.Time, To: p.To.Time, Note: p.Note})
	if errors.Is(err, recorder.ErrNoCamera) {
		err = &session.Error{Op: "record.lock", Code: session.NoService, Err: err}
	}
	return l, err
}

type unlockParams struct {
	ID string `json:"id"`
}

func (s *Server) recordUnlock(ctx context.Context, p unlockParams) (done, error) {
	err := s.cfg.Recordings.Unlock(ctx, p.ID)
	if errors.Is(err, recorder.ErrNoLock) {
		err = &session.Error{Op: "record.unlock", Code: session.BadArgument, Err: fmt.Errorf("%w: %q", err, p.ID)}
	}
	return done{true}, err
}

func (s *Server) recordLocks(ctx context.Context, p cameraParams) ([]recorder.Lock, error) {
	list, err := s.cfg.Recordings.Locks(ctx, p.Camera)
	return notNull(list), err
}
