// SPDX-License-Identifier: LGPL-2.1-or-later

package talk

import (
	"encoding/binary"
	"errors"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/g711"
)

// Converter turns sound of one format into another of the same rate. Its buffers are
// used again by the next call.
type Converter struct {
	has, want Format
	pcm, out  []byte
}

var errConvert = errors.New("no conversion")

// NewConverter fails where a resampler or an AAC coder is needed. Two channels are mixed
// to one.
func NewConverter(has, want Format) (*Converter, error) {
	if has == want {
		return &Converter{has: has, want: want}, nil
	}
	if !linear(has.Codec) || !linear(want.Codec) || has.Rate != want.Rate || has.Channels != want.Channels && (has.Channels != 2 || want.Channels != 1) {
		return nil, errConvert
	}
	return &Converter{has: has, want: want}, nil
}

// Want is the format that Convert gives.
func (c *Converter) Want() Format { return c.want }

// linear says whether a codec is one of samples.
func linear(c demux.Codec) bool { return c == demux.PCM || c == demux.ALaw || c == demux.MuLaw }

func law(c demux.Codec) g711.Law {
	if c == demux.MuLaw {
		return g711.MuLaw
	}
	return g711.ALaw
}

// Convert gives the same sound in the wanted format; b holds whole samples. What it gives
// is valid until the next call, and may be b.
func (c *Converter) Convert(b []byte) []byte {
	if c.has == c.want {
		return b
	}
	if c.has.Codec != demux.PCM {
		c.pcm = law(c.has.Codec).Decode(c.pcm[:0], b)
		b = c.pcm
	}
	if c.has.Channels == 2 && c.want.Channels == 1 {
		b = mix(b)
	}
	if c.want.Codec == demux.PCM {
		return b
	}
	c.out = law(c.want.Codec).Encode(c.out[:0], b)
	return c.out
}

// mix makes one channel of two, in place.
func mix(b []byte) []byte {
	n := len(b) / 4
	for i := range n {
		l, r := int16(binary.LittleEndian.Uint16(b[4*i:])), int16(binary.LittleEndian.Uint16(b[4*i+2:]))
		binary.LittleEndian.PutUint16(b[2*i:], uint16(int16((int(l)+int(r))/2)))
	}
	return b[:2*n]
}
