// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/internal/testmedia"
)

func TestJoinSpans(t *testing.T) {
	at := func(s float64) time.Time { return time.UnixMilli(1764216000_000 + int64(s*1000)).UTC() }
	span := func(from, to float64, bytes int64) Span { return Span{From: at(from), To: at(to), Bytes: bytes} }
	for _, c := range []struct {
		name     string
		files    []Span
		from, to time.Time
		want     []Span
	}{
		{name: "none"},
		{name: "touching", files: []Span{span(0, 60, 1), span(60, 120, 2)}, want: []Span{span(0, 120, 3)}},
		{name: "a hole", files: []Span{span(0, 60, 1), span(61, 120, 2)}, want: []Span{span(0, 60, 1), span(61, 120, 2)}},
		{name: "nearly touching", files: []Span{span(0, 60, 1), span(60.1, 120, 2)}, want: []Span{span(0, 120, 3)}},
		{name: "overlapping", files: []Span{span(0, 60, 1), span(58, 59, 2)}, want: []Span{span(0, 60, 3)}},
		{name: "out of order", files: []Span{span(60, 120, 2), span(0, 60, 1)}, want: []Span{span(0, 120, 3)}},
		{name: "cut", files: []Span{span(0, 60, 1), span(60, 120, 2)}, from: at(30), to: at(90), want: []Span{span(30, 90, 3)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, joinSpans(c.files, c.from, c.to)); d != "" {
				t.Error(d)
			}
		})
	}
}

// Two runs with a hole between them are two spans, and the one that is being recorded is
// as long as what is durable of it.
func TestSpans(t *testing.T) {
	clock := newSimulated()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: time.Hour}}, Now: clock.now, settle: -1})
	c := camera(t, a, "gate")
	list5 := media(t, testmedia.H264, 4, testmedia.Options{GOP: 25})
	first := clock.now().Round(time.Millisecond)
	r := c.StartRun()
	play(t, r, clock, list5)
	r.Close(CauseLink)
	clock.add(10 * time.Second)
	r = c.StartRun()
	play(t, r, clock, list5)
	flush(t, a)

	spans, err := a.Spans(t.Context(), "gate", time.Time{}, time.Time{})
	if err != nil || len(spans) != 2 {
		t.Fatalf("%+v, %v", spans, err)
	}
	files := list(t, a, "gate")
	var bytes int64
	for _, f := range files {
		bytes += f.Bytes
	}
	last := files[len(files)-1]
	if !spans[0].From.Equal(first) || spans[0].Open || !spans[1].Open || !spans[1].To.Equal(last.End) || spans[0].Bytes+spans[1].Bytes != bytes {
		t.Errorf("%+v of %d files with %d bytes, from %v to %v", spans, len(files), bytes, first, last.End)
	}
	if none, err := a.Spans(t.Context(), "yard", time.Time{}, time.Time{}); err != nil || len(none) != 0 {
		t.Errorf("another camera: %+v, %v", none, err)
	}
	cut, err := a.Spans(t.Context(), "gate", first.Add(time.Second), first.Add(2*time.Second))
	if err != nil || len(cut) != 1 || cut[0].To.Sub(cut[0].From) != time.Second {
		t.Errorf("cut: %+v, %v", cut, err)
	}
	r.Close(CauseRestart)
}
