// SPDX-License-Identifier: LGPL-2.1-or-later

package speaker

import (
	"encoding/binary"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/device"
)

// Format tags of a WAV file (RFC 2361 appendix A).
const (
	wavPCM   = 1
	wavALaw  = 6
	wavMuLaw = 7
)

// wavHeader is what precedes n bytes of samples:
//
//	"RIFF" size 32 "WAVE"
//	"fmt " 18  tag 16 | channels 16 | rate 32 | bytes/s 32 | block 16 | bits 16 | 0 16
//	"fact" 4   samples per channel 32
//	"data" n
//
// All numbers are little-endian; the sizes of a chunk do not count its own header.
func wavHeader(s device.Sound, n uint32) []byte {
	tag, bits := uint16(wavPCM), 16
	switch s.Codec {
	case demux.ALaw:
		tag, bits = wavALaw, 8
	case demux.MuLaw:
		tag, bits = wavMuLaw, 8
	}
	block := s.Channels * bits / 8
	le := binary.LittleEndian
	b := append([]byte("RIFF"), 0, 0, 0, 0)
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 18)
	b = le.AppendUint16(b, tag)
	b = le.AppendUint16(b, uint16(s.Channels))
	b = le.AppendUint32(b, uint32(s.Rate))
	b = le.AppendUint32(b, uint32(s.Rate*block))
	b = le.AppendUint16(b, uint16(block))
	b = le.AppendUint16(b, uint16(bits))
	b = le.AppendUint16(b, 0)
	b = append(b, "fact"...)
	b = le.AppendUint32(b, 4)
	b = le.AppendUint32(b, n/uint32(block))
	b = append(b, "data"...)
	b = le.AppendUint32(b, n)
	le.PutUint32(b[4:], uint32(len(b)-8)+n+n%2)
	return b
}
