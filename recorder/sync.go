// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"fmt"
	"time"
)

// SyncPolicy says when written bytes are forced to the disk: [SyncPart], [SyncSegment], or
// the longest time between two syncs of a file, such as "5s".
type SyncPolicy string

const (
	// SyncPart syncs after every part: a power failure costs at most the part being
	// filled and the one being written.
	SyncPart SyncPolicy = "part"
	// SyncSegment syncs when a segment ends: a power failure costs up to a segment. What
	// is listed of a segment that is being written is then not certain to be durable.
	SyncSegment SyncPolicy = "segment"
)

// Bounds of a time between syncs.
const (
	leastSync = time.Second
	mostSync  = time.Hour
)

// Every is the longest time between two syncs: 0 for SyncPart, negative for SyncSegment.
// With a time, a part is listed and counts as recorded once it was synced.
func (p SyncPolicy) Every() (time.Duration, error) {
	switch p {
	case SyncPart:
		return 0, nil
	case SyncSegment:
		return -1, nil
	}
	d, err := time.ParseDuration(string(p))
	if err != nil {
		return 0, fmt.Errorf("%q is neither %q nor %q nor a time such as 5s", p, SyncPart, SyncSegment)
	}
	if d < leastSync || d > mostSync {
		return 0, fmt.Errorf("%v is not between %v and %v", d, leastSync, mostSync)
	}
	return d, nil
}
