// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"encoding/binary"
	"time"
)

// Sample is one entry of a trun.
type Sample struct {
	Size     uint32 // bytes
	Duration uint32 // ticks of the track
	CTS      int32  // presentation less decoding time, ticks; may be negative
	Key      bool   // decoding can start here
}

// Run is what one part holds of one track.
type Run struct {
	Track   uint32
	Video   bool
	Base    uint64 // decoding time of the first sample, ticks of the track
	Samples []Sample
	Bytes   int // sum of the samples' sizes
}

// PartHeader is what a part says of itself.
type PartHeader struct {
	Sequence uint32    // from 1, within the file
	Wall     time.Time // when the first sample of the first run was captured
	Runs     []Run     // at least one, in the order of their bytes in mdat
}

// maxRuns bounds the tracks of a part.
const maxRuns = 8

// Sample flags (ISO/IEC 14496-12 §8.8.3.1): depends on no other; depends on
// another and is not a sync sample.
const (
	flagsKey   = 0x02000000
	flagsDelta = 0x01010000
)

// AppendPart appends prft, moof and the header of mdat. The bytes of the runs'
// samples must follow, in the order of h.Runs. A run without samples is left out.
func AppendPart(dst []byte, h *PartHeader) []byte {
	dst = appendPRFT(dst, h)
	moof := len(dst)
	b := appendBox(dst, "moof")
	b = append(be32(b, 16), "mfhd"...)
	b = be32(be32(b, 0), h.Sequence)
	var offsets [maxRuns]int // where a trun's data offset is to be filled in
	total := 0
	for i := range h.Runs {
		r := &h.Runs[i]
		if len(r.Samples) == 0 {
			continue
		}
		b, offsets[i] = appendTraf(b, r)
	}
	binary.BigEndian.PutUint32(b[moof:], uint32(len(b)-moof))
	for i := range h.Runs {
		if offsets[i] > 0 {
			binary.BigEndian.PutUint32(b[offsets[i]:], uint32(len(b)-moof+8+total))
			total += h.Runs[i].Bytes
		}
	}
	b = be32(b, uint32(8+total))
	return append(b, "mdat"...)
}

// appendTraf appends one track fragment and gives the place of its data offset.
// Pictures say duration, size, flags and signed composition offset each; audio
// says duration and size, its flags are constant.
func appendTraf(b []byte, r *Run) ([]byte, int) {
	traf := len(b)
	b = appendBox(b, "traf")
	if r.Video {
		b = append(be32(b, 16), "tfhd"...)
		b = be32(be32(b, 0x020000), r.Track) // default-base-is-moof
	} else {
		b = append(be32(b, 20), "tfhd"...)
		b = be32(be32(be32(b, 0x020020), r.Track), flagsKey) // and default-sample-flags
	}
	b = append(be32(b, 20), "tfdt"...)
	b = binary.BigEndian.AppendUint64(be32(b, 0x01000000), r.Base)

	flags, entry := uint32(0x01000f01), 16
	if !r.Video {
		flags, entry = 0x01000301, 8
	}
	b = append(be32(b, uint32(20+entry*len(r.Samples))), "trun"...)
	b = be32(be32(b, flags), uint32(len(r.Samples)))
	offset := len(b)
	b = be32(b, 0)
	for i := range r.Samples {
		s := &r.Samples[i]
		b = be32(be32(b, s.Duration), s.Size)
		if r.Video {
			f := uint32(flagsDelta)
			if s.Key {
				f = flagsKey
			}
			b = be32(be32(b, f), uint32(s.CTS))
		}
	}
	binary.BigEndian.PutUint32(b[traf:], uint32(len(b)-traf))
	return b, offset
}

// appendPRFT appends the producer reference time: the capture time of the
// first run's first sample.
func appendPRFT(b []byte, h *PartHeader) []byte {
	b = append(be32(b, prftSize), "prft"...)
	b = be32(be32(b, 0x01000018), h.Runs[0].Track) // flags 24: the time of capture
	b = binary.BigEndian.AppendUint64(b, ntpTime(h.Wall))
	return binary.BigEndian.AppendUint64(b, h.Runs[0].Base)
}

const prftSize = 32

// ntpEpoch is 1 January 1900 in Unix seconds (RFC 5905 §6).
const ntpEpoch = -2208988800

// ntpTime is t as 32 bits of seconds and 32 of their fraction.
func ntpTime(t time.Time) uint64 {
	return uint64(t.Unix()-ntpEpoch)<<32 | uint64(t.Nanosecond())<<32/1e9
}

// unixTime is the inverse of ntpTime, rounded to the microsecond.
func unixTime(n uint64) time.Time {
	micros := ((n&0xffffffff)*1e6 + 1<<31) >> 32
	return time.Unix(int64(n>>32)+ntpEpoch, int64(micros)*1000)
}

func appendBox(b []byte, name string) []byte { return append(be32(b, 0), name...) }

func be32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }
