// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

func TestEvents(t *testing.T) {
	clock := newSimulated()
	dir := t.TempDir()
	cfg := Config{Storages: []StorageConfig{{Dir: dir}}, Now: clock.now, settle: -1}
	a := openArchive(t, cfg)
	gate, yard := camera(t, a, "gate"), camera(t, a, "yard")
	begin := clock.now().Truncate(time.Second)
	at := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	gate.Event("bell", at(0), at(0), false)
	gate.Event("motion", at(1), at(3600), false) // its end is not known
	gate.Event("motion", at(5), at(5), true)     // now it is
	gate.Event("motion", at(7), at(9), false)
	gate.Event("motion", at(9), at(12), false)  // prolongs
	gate.Event("motion", at(10), at(11), false) // is within
	gate.Event("alarm", at(20), at(20), true)   // the end of nothing
	yard.Event("bell", at(4), at(6), false)
	flush(t, a)
	said := func(a *Archive, camera string, from, to float64, n int) string {
		t.Helper()
		list, err := a.Events(t.Context(), camera, at(from), at(to), n)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, e := range list {
			fmt.Fprintf(&b, "%s:%s:%v-%v ", e.Camera, e.Kind, e.From.Sub(begin).Seconds(), e.To.Sub(begin).Seconds())
		}
		return strings.TrimSpace(b.String())
	}
	for _, c := range []struct {
		camera   string
		from, to float64
		n        int
		want     string
	}{
		{"gate", 0, 100, 100, "gate:bell:0-0 gate:motion:1-5 gate:motion:7-12"},
		{"", 0, 100, 100, "gate:bell:0-0 gate:motion:1-5 yard:bell:4-6 gate:motion:7-12"},
		{"", 0, 100, 2, "yard:bell:4-6 gate:motion:7-12"},
		{"", 5.5, 7, 100, "yard:bell:4-6"},
		{"shed", 0, 100, 100, ""},
	} {
		if got := said(a, c.camera, c.from, c.to, c.n); got != c.want {
			t.Errorf("%s %v to %v: %s, want %s", c.camera, c.from, c.to, got, c.want)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = openArchive(t, cfg)
	if got := said(a, "yard", 0, 100, 100); got != "yard:bell:4-6" {
		t.Errorf("after a restart: %s", got)
	}
}

// Events go with the recordings of their time.
func TestEventsAreSwept(t *testing.T) {
	clock := newSimulated()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}, Now: clock.now, settle: -1})
	c := camera(t, a, "gate")
	now := clock.now()
	c.Event("old", now.Add(-time.Hour), now.Add(-time.Hour), false)
	c.Event("spans", now.Add(-time.Hour), now.Add(time.Second), false)
	r := c.StartRun()
	play(t, r, clock, media(t, testmedia.H264, 4, testmedia.Options{GOP: 25}))
	c.Event("new", clock.now(), clock.now(), false)
	r.Close(CauseLink)
	flush(t, a)
	if err := a.storages[0].on(t.Context(), func() error { return a.storages[0].sweepEvents(c.id) }); err != nil {
		t.Fatal(err)
	}
	list, err := a.Events(t.Context(), "gate", time.Time{}, time.Time{}, 10)
	if err != nil || len(list) != 2 || list[0].Kind != "spans" || list[1].Kind != "new" {
		t.Errorf("%+v %v", list, err)
	}
	// Without recordings there is a bound.
	yard := camera(t, a, "yard")
	s := a.storages[0]
	if err := s.on(t.Context(), func() error {
		return s.index.tx(func(q querier) error { // at once: a commit for each takes long
			for i := range keepEvents + 5 {
				at := now.Add(time.Duration(i) * time.Second).UnixMilli()
				if _, err := q.Exec("INSERT INTO event(camera,kind,start,end) VALUES(?,?,?,?)", yard.id, fmt.Sprint(i), at, at); err != nil {
					return err
				}
			}
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.on(t.Context(), func() error { return s.sweepEvents(yard.id) }); err != nil {
		t.Fatal(err)
	}
	if list, err := a.Events(t.Context(), "yard", time.Time{}, time.Time{}, 2*keepEvents); err != nil || len(list) != keepEvents || list[0].Kind != "5" {
		t.Errorf("%d events %v", len(list), err)
	}
}
