// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
	"github.com/xp2p/xp2p/recorder"
)

// A piece is what HLS calls a media segment: some whole parts of a file of the archive,
// beginning with that of a key picture.
type piece struct {
	offset, length int64         // of its bytes in the file
	start          time.Duration // media time of its key picture in the file
	duration       time.Duration
	wall, wallEnd  int64 // Unix ms
}

const (
	// pieceLength is the least length of a piece, the end of a file apart: short, since a
	// player fetches one before it shows anything; not shorter, since each is a request and
	// a line in the playlist, of which a day has some 20 000.
	pieceLength = 4 * time.Second
	// maxPartHeader tells a part that begins with its key picture from one that has others
	// before it: the index knows where the picture's bytes are and not what else there is.
	// A part of 1 s has a header of about 1 kB.
	maxPartHeader = 4 << 10
)

// cut appends the pieces of a file to list. They do not depend on what a playlist is for, and
// those of a file that grows stay as they are; its last one is left out unless tail is
// set, until it is known where that ends.
func cut(list []piece, seg *recorder.Segment, gops []recorder.GOP, tail bool) []piece {
	if len(gops) == 0 {
		return list
	}
	begin := &gops[0]
	for i := 1; i < len(gops); i++ {
		g := &gops[i]
		span := g.Media - begin.Media
		if g.Part == begin.Part || span < pieceLength {
			continue
		}
		// A piece that begins with other pictures than its key picture is allowed, and shown
		// later by all players: a better place is worth some seconds.
		if g.Key-g.Part > maxPartHeader && span < 2*pieceLength {
			continue
		}
		list = append(list, piece{begin.Part, g.Part - begin.Part, begin.Media, span, begin.Wall.UnixMilli(), g.Wall.UnixMilli()})
		begin = g
	}
	if length, rest := seg.Bytes-begin.Part, seg.Duration-begin.Media; (tail || !seg.Open) && length > 0 && rest > 0 {
		list = append(list, piece{begin.Part, length, begin.Media, rest, begin.Wall.UnixMilli(), seg.End.UnixMilli()})
	}
	return list
}

// partsAsGOPs is the table for a file whose index has none: sound alone, or an index
// that was damaged. It reads all headers of the file.
func partsAsGOPs(ctx context.Context, seg *recorder.Segment) ([]recorder.GOP, error) {
	f, err := seg.OpenFile(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	init, err := fmp4.ReadInit(f, seg.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", seg.Path, err)
	}
	video := init.Tracks[0].Video()
	var gops []recorder.GOP
	lead := time.Duration(-1)
	for at := init.Size; ; {
		p, err := fmp4.ReadPartAt(f, at, seg.Bytes)
		if err == io.EOF || errors.Is(err, fmp4.ErrPart) {
			return gops, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", seg.Path, err)
		}
		at = p.Offset + p.Size
		r := &p.Runs[0]
		if r.Video != video || len(r.Samples) == 0 || !r.Samples[0].Key {
			continue
		}
		media := ticksToTime(int64(r.Base), init.Tracks[0].Timescale())
		if lead < 0 {
			lead = media
		}
		wall := p.Wall
		if wall.IsZero() {
			wall = seg.Start.Add(media - lead)
		}
		gops = append(gops, recorder.GOP{Part: p.Offset, Key: r.Offset, Media: media - lead, Wall: wall})
	}
}

// ticksToTime is ticks of a timescale as time, rounded down.
func ticksToTime(ticks int64, scale uint32) time.Duration {
	s := int64(scale)
	return time.Duration(ticks/s)*time.Second + time.Duration(ticks%s*int64(time.Second)/s)
}

// segmentTime is how a file is named in URLs: by its start in UTC, as on the disk.
const segmentTime = "2006-01-02_15-04-05.000"

// segmentName is a file's name in URLs: DATE_TIME, as its path has them.
func segmentName(seg *recorder.Segment) string {
	path := strings.TrimSuffix(seg.Path, ".mp4")
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return path
	}
	return path[strings.LastIndexByte(path[:i], '/')+1:i] + "_" + path[i+1:]
}

// playable says whether HLS can carry anything of a file.
func playable(tracks string) bool {
	for t := range strings.SplitSeq(tracks, ", ") {
		switch codec, _, _ := strings.Cut(t, " "); codec {
		case "h264", "h265", "aac", "alaw", "mulaw":
			return true
		}
	}
	return false
}
