// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"database/sql"
	"math"
	"path/filepath"
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
