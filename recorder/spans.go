// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"fmt"
	"sort"
	"time"
)

// Span is a stretch of time in which a camera was recorded without a hole.
type Span struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Bytes int64     `json:"bytes"`          // of its files
	Open  bool      `json:"open,omitempty"` // it is being recorded still
}

// spanJoin is the longest hole that is none: two files of a camera that was connected
// again at once overlap, or nearly touch.
const spanJoin = 100 * time.Millisecond

// Spans says when a camera was recorded within [from, to): the files that overlap it, put
// together and cut to it. A zero time is no bound. It reads no tables of key pictures,
// so a month costs little.
func (a *Archive) Spans(ctx context.Context, camera string, from, to time.Time) ([]Span, error) {
	live := a.liveSegments()
	lo, hi := bounds(from, to)
	var files []Span
	for _, s := range a.storages {
		rows, err := s.index.r.QueryContext(ctx, spansOfOne, lo, hi, camera)
		if err != nil {
			return nil, fmt.Errorf("list spans: %w", err)
		}
		for rows.Next() {
			var path string
			var start, end, bytes int64
			var state int
			if err := rows.Scan(&path, &start, &end, &bytes, &state); err != nil {
				rows.Close()
				return nil, fmt.Errorf("list spans: %w", err)
			}
			path = s.path(path)
			if live[path] != nil && state == stateOpen {
				continue // it is longer than its row says
			}
			delete(live, path) // it was completed meanwhile
			files = append(files, Span{From: time.UnixMilli(start), To: time.UnixMilli(end), Bytes: bytes})
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("list spans: %w", err)
		}
	}
	for _, l := range live {
		if l.Camera == camera && l.Start.UnixMilli() < hi && l.End.UnixMilli() > lo {
			files = append(files, Span{From: l.Start, To: l.End, Bytes: l.Bytes, Open: true})
		}
	}
	return joinSpans(files, from, to), nil
}

// spansOfOne has the parameters and the plan of segmentsOfOne.
const spansOfOne = `SELECT path, start, end, bytes, state FROM segment s
	WHERE s.camera=(SELECT id FROM camera WHERE name=?3) AND s.state<>2 AND s.start<?2 AND s.end>?1
	AND s.start>=coalesce((SELECT p.start FROM segment p WHERE p.camera=(SELECT id FROM camera WHERE name=?3)
		AND p.start<=?1 ORDER BY p.start DESC LIMIT 1 OFFSET 63), -1<<62)
	ORDER BY s.start, s.id`

// joinSpans puts files together that leave no hole between them.
func joinSpans(files []Span, from, to time.Time) []Span {
	sort.SliceStable(files, func(i, j int) bool { return files[i].From.Before(files[j].From) })
	var spans []Span
	for _, f := range files {
		if !from.IsZero() && f.From.Before(from) {
			f.From = from
		}
		if !to.IsZero() && f.To.After(to) {
			f.To = to
		}
		if n := len(spans); n > 0 && f.From.Sub(spans[n-1].To) <= spanJoin {
			last := &spans[n-1]
			last.Bytes += f.Bytes
			last.Open = last.Open || f.Open
			if f.To.After(last.To) {
				last.To = f.To
			}
			continue
		}
		spans = append(spans, f)
	}
	return spans
}
