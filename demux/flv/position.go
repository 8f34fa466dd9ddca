// SPDX-License-Identifier: LGPL-2.1-or-later

package flv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrNotPosition says that a script tag carries something else than onPosition,
// which is no fault of the stream.
var ErrNotPosition = errors.New("flv: script data is not onPosition")

// Position is what a playback's onPosition says: from its tag on, and until the
// next one, media with timestamp ts was recorded at Time + Speed * (ts - the tag's
// timestamp). See docs/design/0005-requests-of-a-link.md.
type Position struct {
	Time  time.Time // to the millisecond
	Speed float64   // 2: twice as fast as it was recorded
}

const onPosition = "onPosition"

// Bounds of what is believed: the year 2255, and 1000 times as fast or slow.
const (
	maxUnixTime = 9e9
	maxSpeed    = 1000.0
)

// AppendPosition appends p as the payload of a script tag.
func AppendPosition(dst []byte, p Position) []byte {
	dst = appendAMFName(append(dst, amfString), onPosition)
	dst = binary.BigEndian.AppendUint32(append(dst, amfECMAArray), 2)
	dst = appendAMFNumber(dst, "time", float64(p.Time.UnixMilli())/1000)
	dst = appendAMFNumber(dst, "speed", p.Speed)
	return append(dst, 0, 0, amfObjectEnd)
}

// ParsePosition reads the payload of a script tag. Errors: ErrNotPosition for other
// script data, or what is wrong with the AMF0 or the numbers.
func ParsePosition(b []byte) (Position, error) {
	p := Position{Speed: 1}
	r := amfReader{b: b}
	name, err := r.value(0)
	if err != nil {
		return p, err
	}
	if name.marker != amfString || string(name.text) != onPosition {
		return p, ErrNotPosition
	}
	marker, err := r.take(1)
	if err != nil {
		return p, err
	}
	switch marker[0] {
	case amfECMAArray:
		if _, err := r.take(4); err != nil { // a count that need not be true
			return p, err
		}
	case amfObject:
	default:
		return p, fmt.Errorf("%w: it holds no properties", ErrNotPosition)
	}
	seconds := math.NaN()
	err = r.properties(func(name []byte) error {
		v, err := r.value(1)
		if err == nil && v.marker == amfNumber {
			switch string(name) {
			case "time":
				seconds = v.number
			case "speed":
				p.Speed = v.number
			}
		}
		return err
	})
	if err != nil {
		return p, err
	}
	if !(seconds >= 0 && seconds <= maxUnixTime) || !(p.Speed >= 1/maxSpeed && p.Speed <= maxSpeed) {
		return p, fmt.Errorf("flv: onPosition at %v s with speed %v", seconds, p.Speed)
	}
	p.Time = time.UnixMilli(int64(math.Round(seconds * 1000)))
	return p, nil
}
