// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// index is a storage's SQLite database. Times are Unix milliseconds. Rows are
// written by the committer alone, on one connection; readers have their own.
type index struct {
	w, r *sql.DB

	// Readers' questions, compiled once: that costs more than most of their answers.
	cameraNames, cameraID, segmentList, gapList *sql.Stmt
}

// Segment states in the index.
const (
	stateOpen = iota
	stateDone
	stateRemoving
	stateAway // its file is in the remote store only
)

// openIndex opens or makes the database. errIndexNewer apart, an error means that
// it cannot be used and may be rebuilt from the files.
func openIndex(file string) (*index, error) {
	open := func(pragmas ...string) (*sql.DB, error) {
		q := url.Values{"_pragma": append(pragmas, "busy_timeout(5000)", "cache_size(-512)")}
		return sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+q.Encode())
	}
	// 256 pages are 1 MiB: what the log takes beside the index on a disk that is full.
	w, err := open("journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "wal_autocheckpoint(256)")
	if err != nil {
		return nil, err
	}
	w.SetMaxOpenConns(1)
	if err := migrate(w); err != nil {
		w.Close()
		return nil, fmt.Errorf("index %s: %w", file, err)
	}
	r, err := open("query_only(1)")
	if err != nil {
		w.Close()
		return nil, err
	}
	r.SetMaxOpenConns(2)
	r.SetMaxIdleConns(1)
	x := &index{w: w, r: r}
	for _, q := range []struct {
		stmt **sql.Stmt
		text string
	}{{&x.cameraNames, camerasAll}, {&x.cameraID, cameraOf}, {&x.segmentList, segmentsOf}, {&x.gapList, gapsOf}} {
		if *q.stmt, err = r.Prepare(q.text); err != nil {
			x.close()
			return nil, fmt.Errorf("index %s: %w", file, err)
		}
	}
	return x, nil
}

// close closes the statements with their connections.
func (x *index) close() error { return errors.Join(x.r.Close(), x.w.Close()) }

// querier is the database, or a transaction in it.
type querier interface {
	Exec(query string, args ...any) (sql.Result, error)
	QueryRow(query string, args ...any) *sql.Row
}

// tx makes what f does one commit.
func (x *index) tx(f func(querier) error) error {
	t, err := x.w.Begin()
	if err != nil {
		return err
	}
	if err := f(t); err != nil {
		return errors.Join(err, t.Rollback())
	}
	return t.Commit()
}

// cameras are the names of all, by row.
func (x *index) cameras() (map[int64]string, error) {
	rows, err := x.cameraNames.Query()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	m := map[int64]string{}
	for rows.Next() {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return nil, err
		}
		m[id] = name
	}
	return m, rows.Err()
}

// findCamera gives the row of a camera, if there is one.
func (x *index) findCamera(name string) (id int64, known bool, err error) {
	err = x.w.QueryRow(cameraOf, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return id, err == nil, err
}

// camera gives the row of a camera, making it.
func (x *index) camera(name string) (id int64, known bool, err error) {
	if id, known, err = x.findCamera(name); known || err != nil {
		return id, known, err
	}
	err = x.w.QueryRow("INSERT INTO camera(name) VALUES(?) RETURNING id", name).Scan(&id)
	return id, false, err
}

// runRow is a run of the index: one uninterrupted stretch of one connection. Its
// row is made with its first segment.
type runRow struct {
	id int64 // 0: none yet
}

func insertRun(q querier, camera int64, start time.Time) (id int64, err error) {
	err = q.QueryRow("INSERT INTO run(camera,start) VALUES(?,?) RETURNING id", camera, start.UnixMilli()).Scan(&id)
	return id, err
}

// endRun ends a run where its last segment does.
func endRun(q querier, id int64, cause Cause) error {
	_, err := q.Exec("UPDATE run SET end=coalesce((SELECT max(end) FROM segment WHERE run=run.id), start), cause=? WHERE id=?", string(cause), id)
	return err
}

// segmentRow is what the index says of a segment.
type segmentRow struct {
	id, camera, run int64
	path            string
	start, end      time.Time
	duration        time.Duration
	bytes           int64
	state           int
	tracks          string
	gops            []GOP
	packed          []byte // gops as they are in the row, where that was read
}

// nextRow numbers a camera's rows of a table by themselves, from camera<<32 on. SQLite
// stores rows by their number: so those of a camera lie together, in the order in which
// they came, and reading a day of one does not touch a page of the file for each row.
func nextRow(table string) string {
	return "(SELECT coalesce(max(id),?1<<32)+1 FROM " + table + " WHERE id>?1<<32 AND id<(?1+1)<<32)"
}

var (
	newSegment = "INSERT INTO segment(id,camera,run,path,start,end,duration,bytes,state,tracks,gops) VALUES(" +
		nextRow("segment") + ",?1,?2,?3,?4,?5,?6,?7,?8,?9,?10) RETURNING id"
	newGap = "INSERT INTO gap(id,camera,start,end,cause) VALUES(" + nextRow("gap") + ",?1,?2,?3,?4) RETURNING id"
)

func insertSegment(q querier, s *segmentRow) (id int64, err error) {
	err = q.QueryRow(newSegment, s.camera, s.run, s.path, s.start.UnixMilli(), s.end.UnixMilli(),
		ticks(s.duration), s.bytes, s.state, s.tracks, encodeGOPs(s.gops, s.start)).Scan(&id)
	return id, err
}

func finishSegment(q querier, s *segmentRow) error {
	_, err := q.Exec("UPDATE segment SET start=?, end=?, duration=?, bytes=?, state=?, gops=? WHERE id=?",
		s.start.UnixMilli(), s.end.UnixMilli(), ticks(s.duration), s.bytes, s.state, encodeGOPs(s.gops, s.start), s.id)
	return err
}

func deleteSegment(q querier, id int64) error {
	_, err := q.Exec("DELETE FROM segment WHERE id=?", id)
	return err
}

// saveGap writes g's row, or removes it when it turned out to have no length.
func saveGap(q querier, camera int64, g *Gap) (err error) {
	var end any
	if !g.To.IsZero() {
		end = g.To.UnixMilli()
	}
	switch {
	case g.void && g.id == 0:
	case g.void:
		_, err = q.Exec("DELETE FROM gap WHERE id=?", g.id)
	case g.id == 0:
		err = q.QueryRow(newGap, camera, g.From.UnixMilli(), end, string(g.Cause)).Scan(&g.id)
	default:
		_, err = q.Exec("UPDATE gap SET start=?, end=?, cause=? WHERE id=?", g.From.UnixMilli(), end, string(g.Cause), g.id)
	}
	return err
}

// explained is the end of everything that segments and closed gaps explain of a
// camera (zero: nothing), and its open gap if there is one.
func (x *index) explained(camera int64) (end time.Time, open *Gap, err error) {
	var s, g sql.NullInt64
	// Both follow one another, so the end of all is that of one of the last that began.
	err = x.w.QueryRow(`SELECT (SELECT max(end) FROM (SELECT end FROM segment WHERE camera=?1 ORDER BY start DESC LIMIT 1000)),
		(SELECT max(end) FROM (SELECT end FROM gap WHERE camera=?1 ORDER BY start DESC LIMIT 1000))`, camera).Scan(&s, &g)
	if err != nil {
		return end, nil, err
	}
	if ms := max(s.Int64, g.Int64); ms > 0 {
		end = time.UnixMilli(ms)
	}
	var o Gap
	var from int64
	var cause string
	err = x.w.QueryRow("SELECT id, start, cause FROM gap WHERE camera=? AND end IS NULL ORDER BY start DESC LIMIT 1", camera).Scan(&o.id, &from, &cause)
	if errors.Is(err, sql.ErrNoRows) {
		return end, nil, nil
	}
	o.From, o.Cause = time.UnixMilli(from), Cause(cause)
	return end, &o, err
}

// firstBehind is where the first segment of a camera begins that ends behind a time.
func (x *index) firstBehind(camera int64, at time.Time) (time.Time, error) {
	var ms sql.NullInt64
	err := x.w.QueryRow("SELECT min(start) FROM segment WHERE camera=? AND end>?", camera, at.UnixMilli()).Scan(&ms)
	if !ms.Valid {
		return at, err
	}
	return time.UnixMilli(ms.Int64), err
}

// segmentScan takes rows of segmentsOf. database/sql stores into *any as it is and into
// *int64 by reflection, which costs as much as the row does.
type segmentScan struct {
	number [6]any
	row    segmentRow
	dest   []any
}

func newSegmentScan() *segmentScan {
	c := &segmentScan{}
	c.dest = []any{&c.number[0], &c.row.path, &c.number[1], &c.number[2], &c.number[3], &c.number[4], &c.number[5], &c.row.tracks, &c.row.packed}
	return c
}

func (c *segmentScan) scan(rows *sql.Rows) (*segmentRow, error) {
	c.row.packed = nil
	if err := rows.Scan(c.dest...); err != nil {
		return nil, err
	}
	var n [len(c.number)]int64
	for i, v := range c.number {
		var ok bool
		if n[i], ok = v.(int64); !ok {
			return nil, fmt.Errorf("row of %s: %v is no number", c.row.path, v)
		}
	}
	s := &c.row
	s.run, s.start, s.end, s.duration, s.bytes, s.state = n[0], time.UnixMilli(n[1]), time.UnixMilli(n[2]), fromTicks(n[3]), n[4], int(n[5])
	return s, nil
}

const (
	camerasAll = "SELECT id, name FROM camera"
	cameraOf   = "SELECT id FROM camera WHERE name=?"
)

// The parameters of both: from, to, camera, count. Segments of one camera follow one
// another and overlap at most where it was connected again, or the host's clock was set
// back; gaps overlap nothing. So the index on start is read from 64 of them before the
// interval on.
const (
	segmentsOf = `SELECT s.run, s.path, s.start, s.end, s.duration, s.bytes, s.state, s.tracks, s.gops FROM segment s
		WHERE s.camera=?3 AND s.state<>2 AND s.start<?2 AND s.end>?1
		AND s.start>=coalesce((SELECT p.start FROM segment p WHERE p.camera=?3 AND p.start<=?1
			ORDER BY p.start DESC LIMIT 1 OFFSET 63), -1<<62)
		ORDER BY s.start, s.id LIMIT ?4`

	gapsOf = `SELECT g.id, g.start, g.end, g.cause FROM gap g
		WHERE g.camera=?3 AND g.start<?2 AND (g.end IS NULL OR g.end>?1)
		AND (g.end IS NULL OR g.start>=coalesce((SELECT p.start FROM gap p WHERE p.camera=?3 AND p.start<=?1
			ORDER BY p.start DESC LIMIT 1 OFFSET 63), -1<<62))
		ORDER BY g.start, g.id`
)

// each calls f for the row of a camera ("": of every one).
func (x *index) each(ctx context.Context, camera string, f func(id int64, name string) error) error {
	if camera != "" {
		var id int64
		err := x.cameraID.QueryRowContext(ctx, camera).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return f(id, camera)
	}
	known, err := x.cameras()
	if err != nil {
		return err
	}
	for id, name := range known {
		if err := f(id, name); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// segments calls f for the first n segments (noLimit: for all) of each camera meant (""
// means all) that overlap [from, to) (zero: unbounded), camera by camera in the order of
// their start. The row is f's during the call.
func (x *index) segments(ctx context.Context, camera string, from, to time.Time, n int, f func(camera string, s *segmentRow) error) error {
	lo, hi := bounds(from, to)
	return x.each(ctx, camera, func(id int64, name string) error {
		rows, err := x.segmentList.QueryContext(ctx, lo, hi, id, n)
		if err != nil {
			return err
		}
		defer rows.Close()
		c := newSegmentScan()
		for rows.Next() {
			s, err := c.scan(rows)
			if err != nil {
				return err
			}
			if err := f(name, s); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// gaps is the same for the ledger.
func (x *index) gaps(ctx context.Context, camera string, from, to time.Time, f func(Gap)) error {
	lo, hi := bounds(from, to)
	return x.each(ctx, camera, func(id int64, name string) error {
		rows, err := x.gapList.QueryContext(ctx, lo, hi, id)
		if err != nil {
			return err
		}
		defer rows.Close()
		var row, start, end any // see segmentScan
		var cause string
		dest := []any{&row, &start, &end, &cause}
		for rows.Next() {
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			g := Gap{Camera: name, Cause: Cause(cause)}
			var isRow, isStart bool
			var from int64
			g.id, isRow = row.(int64)
			if from, isStart = start.(int64); !isRow || !isStart {
				return fmt.Errorf("gap %v of %s: %v is no time", row, name, start)
			}
			g.From = time.UnixMilli(from)
			if to, closed := end.(int64); closed {
				g.To = time.UnixMilli(to)
			}
			f(g)
		}
		return rows.Err()
	})
}

func bounds(from, to time.Time) (lo, hi int64) {
	lo, hi = -1<<62, 1<<62
	if !from.IsZero() {
		lo = from.UnixMilli()
	}
	if !to.IsZero() {
		hi = to.UnixMilli()
	}
	return lo, hi
}
