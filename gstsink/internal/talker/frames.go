// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"time"

	"github.com/xp2p/xp2p/demux"
)

// G.711 is one byte a sample at 8 kHz.
const g711Rate = 8000

const (
	// minFrame is the least that is worth a tag of its own, the usual packet of G.711
	// (RFC 3551 §4.2). Smaller buffers wait for the next.
	minFrame = 20 * time.Millisecond * g711Rate / time.Second
	// maxFrame is the most in one tag, so that a large buffer does not arrive at once.
	maxFrame = 200 * time.Millisecond * g711Rate / time.Second
)

// frames cuts G.711 into units. What it holds is what one buffer of the pipeline brought
// and less than minFrame from before.
type frames struct {
	buf []byte
	at  time.Duration // of buf[0]
}

// lasts is how long so many bytes of G.711 sound.
func lasts(bytes int) time.Duration { return time.Duration(bytes) * time.Second / g711Rate }

// add appends sound whose place is at. After a jump, what was left over comes right
// before it.
func (f *frames) add(b []byte, at time.Duration) {
	f.at = max(f.at, at-lasts(len(f.buf)))
	f.buf = append(f.buf, b...)
}

// next is the unit to say now; all: also less than a frame. nil: there is none.
func (f *frames) next(codec demux.Codec, all bool) *demux.Unit {
	n := min(len(f.buf), int(maxFrame))
	if n == 0 || n < int(minFrame) && !all {
		return nil
	}
	return &demux.Unit{Kind: demux.Audio, Codec: codec, Key: true, DTS: f.at, Rate: g711Rate, Channels: 1, Data: f.buf[:n]}
}

// said takes the unit away that next gave.
func (f *frames) said(n int) {
	f.at += lasts(n)
	f.buf = append(f.buf[:0], f.buf[n:]...)
}
