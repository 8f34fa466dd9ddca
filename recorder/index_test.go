// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"database/sql"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// An index of the first version is brought up to this one, with all it has.
func TestIndexOfVersion1(t *testing.T) {
	clock := newSimulated()
	dir := t.TempDir()
	cfg := Config{Storages: []StorageConfig{{Dir: dir, Segment: 2 * time.Second}}, Now: clock.now, settle: -1}
	a := openArchive(t, cfg)
	wanted := clock.now()
	r := camera(t, a, "cam").StartRun()
	play(t, r, clock, stills(t, 10, time.Second))
	r.Close(CauseLink)
	flush(t, a)
	before := list(t, a, "cam")
	must(t, a.Close())
	db, err := sql.Open("sqlite", filepath.Join(dir, indexName))
	must(t, err)
	_, err = db.Exec(`DROP TABLE lock; DROP INDEX segment_oldest; DROP INDEX segment_run; DROP TABLE event;
		DROP INDEX segment_uncopied; DROP INDEX segment_away; ALTER TABLE segment DROP COLUMN copied; PRAGMA user_version=1`)
	must(t, err)
	must(t, db.Close())
	a = openArchive(t, cfg)
	camera(t, a, "cam")
	flush(t, a)
	if got := list(t, a, "cam"); len(got) != len(before) {
		t.Errorf("%d segments of %d", len(got), len(before))
	}
	explained(t, a, "cam", wanted, clock.now())
	if _, err := a.Lock(t.Context(), Lock{Camera: "cam", From: wanted, To: clock.now()}); err != nil {
		t.Error(err)
	}
	var version int
	if err := a.storages[0].index.r.QueryRow("PRAGMA user_version").Scan(&version); err != nil || version != indexVersion {
		t.Errorf("version %d, %v", version, err)
	}
}

// No query that is asked while recording, or for a page, reads all segments.
func TestQueriesUseIndexes(t *testing.T) {
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}})
	x := a.storages[0].index
	for name, q := range map[string]struct {
		query string
		args  []any
	}{
		"segments":       {segmentsOf, []any{0, math.MaxInt64, 1, 10}},
		"gaps":           {gapsOf, []any{0, math.MaxInt64, 1}},
		"victims of all": {victimsQuery(evictable{before: 1}), []any{1, 0}},
		"victims of one": {victimsQuery(evictable{camera: 1, before: 1}), []any{1, 1}},
		"locked bytes":   {lockedBytesQuery, []any{1}},
		"rows of a day":  {rowsOfQuery, []any{"cam/2026-11-24/", "cam/2026-11-240"}},
		"end of a run":   {"SELECT max(end) FROM segment WHERE run=1", nil},
		"new segment":    {newSegment, []any{1, 1, "p", 0, 1, 1, 1, 1, "", []byte{}}},
		"new gap":        {newGap, []any{1, 0, 1, "link"}},
	} {
		rows, err := x.r.Query("EXPLAIN QUERY PLAN "+q.query, q.args...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		plan := ""
		for rows.Next() {
			var a, b, c int
			var text string
			must(t, rows.Scan(&a, &b, &c, &text))
			plan += text + "\n"
			// Going through the oldest segments in their order is a scan of an index that ends early.
			if scan := strings.HasPrefix(text, "SCAN"); scan && !strings.Contains(text, "SCAN l") && !strings.Contains(text, "segment_oldest") || strings.Contains(text, "USE TEMP B-TREE FOR ORDER BY") {
				t.Errorf("%s: %s", name, text)
			}
		}
		rows.Close()
		if t.Failed() {
			t.Logf("%s:\n%s", name, plan)
		}
	}
}

// Rows of a camera lie together, whatever the others write in between, and behind those
// that an older version numbered.
func TestRowsOfACameraLieTogether(t *testing.T) {
	x := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}}).storages[0].index
	at := time.UnixMilli(1764216000_000)
	var segments, gaps [3][]int64
	must(t, x.tx(func(q querier) error {
		for i := range 9 {
			camera := int64(i%3) + 1
			if i < 3 {
				_, err := q.Exec("INSERT INTO camera(id,name) VALUES(?1,'cam'||?1); INSERT INTO run(id,camera,start) VALUES(?1,?1,0); INSERT INTO gap(id,camera,start,end,cause) VALUES(?1,?1,0,1,'link')", camera)
				must(t, err)
			}
			start := at.Add(time.Duration(i) * time.Minute)
			id, err := insertSegment(q, &segmentRow{camera: camera, run: camera, path: segmentName("cam", start, ""), start: start, end: start.Add(time.Minute)})
			must(t, err)
			segments[i%3] = append(segments[i%3], id)
			g := &Gap{From: start, To: start.Add(time.Second), Cause: CauseLink}
			must(t, saveGap(q, camera, g))
			gaps[i%3] = append(gaps[i%3], g.id)
		}
		return nil
	}))
	for c := range 3 {
		first := int64(c+1)<<32 + 1
		want := []int64{first, first + 1, first + 2}
		if !slices.Equal(segments[c], want) || !slices.Equal(gaps[c], want) {
			t.Errorf("camera %d: rows %d of segments, %d of gaps, want %d", c+1, segments[c], gaps[c], want)
		}
	}
}

func TestInOrderKeepsEquals(t *testing.T) {
	at := func(p *[2]int64) time.Time { return time.Unix(p[0], 0) }
	got := inOrder([][2]int64{{3, 0}, {1, 1}, {3, 2}, {2, 3}, {1, 4}}, at)
	if want := [][2]int64{{1, 1}, {1, 4}, {2, 3}, {3, 0}, {3, 2}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
