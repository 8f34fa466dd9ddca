// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Any says whether there is a recording of the camera in [from, to). It looks at
// one row, so that a calendar of a month costs 31 of them.
func (a *Archive) Any(ctx context.Context, camera string, from, to time.Time) (bool, error) {
	lo, hi := bounds(from, to)
	for _, l := range a.liveSegments() {
		if l.Camera == camera && l.Start.UnixMilli() < hi && l.End.UnixMilli() > lo {
			return true, nil
		}
	}
	for _, s := range a.storages {
		// Segments of a camera follow one another: the last that begins before the end
		// of the interval is the one that can reach into it.
		var end int64
		err := s.index.r.QueryRowContext(ctx, `SELECT end FROM segment WHERE camera=(SELECT id FROM camera WHERE name=?1)
			AND state<>2 AND start<?2 ORDER BY start DESC LIMIT 1`, camera, hi).Scan(&end)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return false, fmt.Errorf("look for recordings: %w", err)
		case end > lo:
			return true, nil
		}
	}
	return false, nil
}
