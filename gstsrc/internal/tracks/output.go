// SPDX-License-Identifier: LGPL-2.1-or-later

package tracks

import (
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// Format is what a decoder must know of a track.
type Format struct {
	Codec  demux.Codec
	Config []byte // in the form of demux.Codec's comments; empty where the codec has none
	// Of video; FPS is 0 where nobody says.
	Width, Height int
	FPS           float64
	// Of audio.
	Rate, Channels int
}

// Video says whether the format is one of pictures.
func (f *Format) Video() bool { return f.Codec == demux.H264 || f.Codec == demux.H265 }

// Slot is the place of a track: a stream has at most one of each.
type Slot int

const (
	Video Slot = iota
	Audio
	slots
)

// Flow is a GstFlowReturn: 0 is good, anything else ends the stream.
type Flow int32

// Good is GST_FLOW_OK.
const Good Flow = 0

// Segment relates times of units to running time (GstSegment): a unit at Start has
// the running time Base.
type Segment struct{ Start, Base time.Duration }

// Packet is one access unit on its way out. Data is valid during the call.
type Packet struct {
	PTS, DTS time.Duration
	Key      bool // can be decoded by itself
	Discont  bool // something before it is missing
	Data     []byte
}

// Output does what a Demuxer finds. Its calls come from the goroutine that calls
// the Demuxer.
type Output interface {
	// Add begins a track; there was none in its slot. Expose, before
	// its first unit, shows those that were added: all that begin together at once,
	// since players choose anew whenever there is one more.
	Add(Slot, *Format)
	Expose()
	// Change gives a track another configuration, or another codec.
	Change(Slot, *Format)
	// Segment comes before the first unit and where the stream's times jump. It is not
	// called when upstream says how its times are meant.
	Segment(Segment)
	Push(Slot, Packet) Flow
	// Gap says that a track has nothing in [at, at+length).
	Gap(s Slot, at, length time.Duration)
	// Complete says once that no track is expected any more. One may come all the same.
	Complete()
	Metadata(flv.Metadata)
	// Warn reports what is wrong and not fatal.
	Warn(error)
}
