// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
)

// GOP is one key picture of a segment: where playing can start.
type GOP struct {
	// Part is the offset of the part that holds the picture, Key that of its own bytes.
	Part, Key int64
	// Media is the picture's decoding time since the segment's start.
	Media time.Duration
	// Wall is when it was captured.
	Wall time.Time
	// Late is how long after Wall, by the run's clock, the picture arrived here. It is
	// unknown (0) for a segment that was recovered from its file.
	Late time.Duration
}

// gopVersion is the first byte of the table in the index.
const gopVersion = 1

// encodeGOPs makes the blob of the index: the version, then per picture the
// varints of part (since the last), key (since part), media (ticks of 1/90000 s
// since the last), wall (ms since the last; the first since start), late (ms).
func encodeGOPs(gops []GOP, start time.Time) []byte {
	b := []byte{gopVersion}
	var part, media int64
	wall := start.UnixMilli()
	for _, g := range gops {
		m := ticks(g.Media)
		w := g.Wall.UnixMilli()
		b = binary.AppendVarint(b, g.Part-part)
		b = binary.AppendVarint(b, g.Key-g.Part)
		b = binary.AppendVarint(b, m-media)
		b = binary.AppendVarint(b, w-wall)
		b = binary.AppendVarint(b, g.Late.Milliseconds())
		part, media, wall = g.Part, m, w
	}
	return b
}

var errGOPs = errors.New("recorder: malformed table of key pictures")

func decodeGOPs(b []byte, start time.Time) ([]GOP, error) {
	if len(b) == 0 || b[0] != gopVersion {
		return nil, errGOPs
	}
	gops := make([]GOP, 0, countGOPs(b))
	var part, media int64
	wall := start.UnixMilli()
	for b = b[1:]; len(b) > 0; {
		var v [5]int64
		for i := range v {
			x, n := binary.Varint(b)
			if n <= 0 {
				return nil, errGOPs
			}
			v[i], b = x, b[n:]
		}
		part, media, wall = part+v[0], media+v[2], wall+v[3]
		gops = append(gops, GOP{Part: part, Key: part + v[1], Media: fromTicks(media),
			Wall: time.UnixMilli(wall), Late: time.Duration(v[4]) * time.Millisecond})
	}
	return gops, nil
}

// countGOPs is the length of what decodeGOPs gives of a table that is not malformed.
func countGOPs(b []byte) int {
	if len(b) == 0 || b[0] != gopVersion {
		return 0
	}
	numbers := 0
	for _, c := range b[1:] {
		if c < 0x80 { // the last byte of a varint
			numbers++
		}
	}
	return numbers / 5
}

// ticks and fromTicks convert between durations and the video timescale.
func ticks(d time.Duration) int64 { return int64(d/time.Microsecond) * fmp4.VideoTimescale / 1e6 }

func fromTicks(t int64) time.Duration {
	return time.Duration(t) * (time.Second / 1000) / (fmp4.VideoTimescale / 1000)
}
