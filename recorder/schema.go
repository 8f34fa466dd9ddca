// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
)

// indexVersion is PRAGMA user_version of the schema that steps lead to.
const indexVersion = 4

// steps bring an index from version i to i+1; a new one takes all of them. What
// is here was shipped and is not changed any more.
var steps = [indexVersion]string{`
CREATE TABLE camera (
	id   INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
);
CREATE TABLE run (
	id     INTEGER PRIMARY KEY,
	camera INTEGER NOT NULL REFERENCES camera(id),
	start  INTEGER NOT NULL,
	end    INTEGER,          -- NULL: not over
	cause  TEXT              -- why it ended
);
CREATE TABLE segment (
	id       INTEGER PRIMARY KEY,
	camera   INTEGER NOT NULL REFERENCES camera(id),
	run      INTEGER NOT NULL REFERENCES run(id),
	path     TEXT NOT NULL UNIQUE, -- relative to the storage
	start    INTEGER NOT NULL,
	end      INTEGER NOT NULL,
	duration INTEGER NOT NULL,     -- of media, ticks of 1/90000 s
	bytes    INTEGER NOT NULL,
	state    INTEGER NOT NULL,     -- 0 being written, 1 complete, 2 being removed, 3 in the remote store only
	tracks   TEXT NOT NULL,
	gops     BLOB NOT NULL
);
CREATE INDEX segment_time ON segment(camera, start, end);
CREATE INDEX segment_open ON segment(state) WHERE state <> 1;
CREATE TABLE gap (
	id     INTEGER PRIMARY KEY,
	camera INTEGER NOT NULL REFERENCES camera(id),
	start  INTEGER NOT NULL,
	end    INTEGER,          -- NULL: not over
	cause  TEXT NOT NULL
);
CREATE INDEX gap_time ON gap(camera, start);
`, `
CREATE TABLE lock (
	camera  INTEGER NOT NULL REFERENCES camera(id),
	name    TEXT NOT NULL,   -- of the lock, in all storages the same
	start   INTEGER NOT NULL,
	end     INTEGER NOT NULL,
	note    TEXT NOT NULL,
	created INTEGER NOT NULL,
	PRIMARY KEY (camera, name)
) WITHOUT ROWID;
CREATE INDEX segment_oldest ON segment(start); -- what goes first
CREATE INDEX segment_run ON segment(run, end); -- where a run ends, whether one is empty
`, `
CREATE TABLE event (
	id     INTEGER PRIMARY KEY,
	camera INTEGER NOT NULL REFERENCES camera(id),
	kind   TEXT NOT NULL,
	start  INTEGER NOT NULL,
	end    INTEGER NOT NULL
);
CREATE INDEX event_time ON event(camera, start);
CREATE INDEX event_kind ON event(camera, kind, start);
`, `
ALTER TABLE segment ADD COLUMN copied INTEGER NOT NULL DEFAULT 0; -- 1: the remote store has it
CREATE INDEX segment_uncopied ON segment(start) WHERE state=1 AND copied=0;
CREATE INDEX segment_away ON segment(start) WHERE state=3;
`}

var errIndexNewer = errors.New("the index was written by a newer version of this program")

// migrate brings an index up to this program's version, whole or not at all.
func migrate(db *sql.DB) error {
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > indexVersion {
		return fmt.Errorf("%w (version %d, this is %d)", errIndexNewer, version, indexVersion)
	}
	if version > 0 {
		// A damaged page shows here rather than in the middle of a recording.
		var ok string
		if err := db.QueryRow("PRAGMA quick_check(1)").Scan(&ok); err != nil {
			return err
		}
		if ok != "ok" {
			return fmt.Errorf("damaged: %s", ok)
		}
	}
	for ; version < indexVersion; version++ {
		if _, err := db.Exec("BEGIN; " + steps[version] + fmt.Sprintf("PRAGMA user_version=%d; COMMIT;", version+1)); err != nil {
			db.Exec("ROLLBACK")
			return fmt.Errorf("bring to version %d: %w", version+1, err)
		}
	}
	return nil
}

// isFull says whether an index could not be written to because the disk is full.
func isFull(err error) bool {
	const sqliteFull = 13 // SQLITE_FULL
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqliteFull || errors.Is(err, unix.ENOSPC)
}
