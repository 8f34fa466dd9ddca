// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Event is something that happened at a camera: a ring at its door, motion. Events are
// in the index alone and go with the recordings of their time.
type Event struct {
	Camera string    `json:"camera"`
	Kind   string    `json:"kind"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"` // as far as it was known
}

// keepEvents is how many events of a camera are kept where there are no recordings
// with which they would go.
const keepEvents = 10_000

// Event notes an event from e.From to e.To. One of the same kind that has not ended
// before e.From is prolonged instead, or ends at e.To if ends is set: then no event
// begins. It does not wait for the disk; what a failing storage does not take is logged
// and lost.
func (c *CameraRecorder) Event(kind string, from, to time.Time, ends bool) {
	s := c.storage
	s.queue.push(job{do: func() {
		if err := s.index.event(c.id, kind, from.UnixMilli(), to.UnixMilli(), ends); err != nil {
			s.archive.log.Error("write event", "camera", c.name, "kind", kind, "error", err)
		}
	}})
}

// Events gives the last n events of a camera ("": of all) that overlap [from, to), a
// zero time being no bound, in the order of their beginning.
func (a *Archive) Events(ctx context.Context, camera string, from, to time.Time, n int) ([]Event, error) {
	var list []Event
	for _, s := range a.storages {
		if err := s.index.events(ctx, camera, from, to, n, func(e Event) { list = append(list, e) }); err != nil {
			return nil, fmt.Errorf("list events: %w", err)
		}
	}
	slices.SortStableFunc(list, func(x, y Event) int { return x.From.Compare(y.From) })
	return list[max(0, len(list)-n):], nil
}

// event writes what [CameraRecorder.Event] says.
func (x *index) event(camera int64, kind string, from, to int64, ends bool) error {
	return x.tx(func(q querier) error {
		var id, until int64
		err := q.QueryRow("SELECT id, end FROM event WHERE camera=? AND kind=? ORDER BY start DESC LIMIT 1", camera, kind).Scan(&id, &until)
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case err == nil && until >= from:
			if !ends {
				to = max(to, until)
			}
			_, err = q.Exec("UPDATE event SET end=max(start,?) WHERE id=?", to, id)
			return err
		case ends:
			return nil
		}
		_, err = q.Exec("INSERT INTO event(camera,kind,start,end) VALUES(?,?,?,?)", camera, kind, from, to)
		return err
	})
}

func (x *index) events(ctx context.Context, camera string, from, to time.Time, n int, f func(Event)) error {
	lo, hi := bounds(from, to)
	return x.each(ctx, camera, func(id int64, name string) error {
		rows, err := x.r.QueryContext(ctx, `SELECT kind, start, end FROM event
			WHERE camera=? AND start<? AND end>=? ORDER BY start DESC LIMIT ?`, id, hi, lo, n)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			e := Event{Camera: name}
			var start, end int64
			if err := rows.Scan(&e.Kind, &start, &end); err != nil {
				return err
			}
			e.From, e.To = time.UnixMilli(start), time.UnixMilli(end)
			f(e)
		}
		return rows.Err()
	})
}

// sweepEvents drops the events that are older than their camera's recordings.
func (s *storage) sweepEvents(camera int64) error {
	if oldest, ok := s.tally.oldest(camera); ok {
		_, err := s.index.w.Exec("DELETE FROM event WHERE camera=? AND start<? AND end<?", camera, oldest, oldest)
		return err
	}
	_, err := s.index.w.Exec(`DELETE FROM event WHERE camera=?1 AND start<=
		(SELECT start FROM event WHERE camera=?1 ORDER BY start DESC LIMIT 1 OFFSET ?2)`, camera, keepEvents)
	return err
}
