// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"path"
	"sync/atomic"
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
)

// segment is one file. The run that fills it decides on the first block; the rest
// belongs to the committer.
type segment struct {
	camera *CameraRecorder
	run    *runRow
	init   []byte // ftyp and moov, written with the first part
	tracks []fmp4.Track

	first  time.Duration // media time of its start, since the run's start
	origin time.Duration // media time of its tracks' zero: first, or audio's a little before
	slot   int64         // which multiple of the segment length it is for
	parts  uint32        // sealed so far
	sound  *fmp4.Track   // the run's audio that tracks has; nil: none
	// dropped: a part of it was refused, what is behind it is not recorded.
	dropped bool

	failed atomic.Bool // set by the committer: nothing more is written to it

	dirty   bool          // written to since the last sync, the first time
	dirtyAt time.Duration // then, since the archive was opened
	file    File
	id      int64  // row in the index; 0: none yet
	name    string // relative to the storage's directory, with slashes
	start   time.Time
	written mark // what the file holds, and
	synced  mark // how much of it is durable
	gops    []GOP
}

// mark is a place between two parts of a segment.
type mark struct {
	size     int64
	end      time.Time
	duration time.Duration
	gops     int
}

// segmentName is CAMERA/2026-11-24/17-05-03.123.mp4, in UTC.
func segmentName(camera string, start time.Time, suffix string) string {
	u := start.UTC()
	return path.Join(camera, u.Format("2006-01-02"), u.Format("15-04-05.000")+suffix+".mp4")
}

// trackNames is what the index says of a segment's tracks: "h264 1920x1080, aac 44100x2".
func trackNames(tracks []fmp4.Track) string {
	s := ""
	for i := range tracks {
		if i > 0 {
			s += ", "
		}
		s += trackName(&tracks[i])
	}
	return s
}
