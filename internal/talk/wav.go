// SPDX-License-Identifier: LGPL-2.1-or-later

package talk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/xp2p/xp2p/demux"
)

// A WAV file (RIFF, "Multimedia Programming Interface and Data Specifications 1.0"):
//
//	"RIFF" size32 "WAVE"  then chunks: id[4] size32 body, padded to an even size
//	"fmt ": tag16 channels16 rate32 bytes/s32 align16 bits16 …
//	"data": samples
//
// Sizes are little-endian. Programs that write to a pipe leave the sizes of RIFF and
// data at 0 or 2^32-1: such data goes on to the end.
const (
	wavPCM        = 1
	wavALaw       = 6
	wavMuLaw      = 7
	wavExtensible = 0xfffe // the real tag is the first 2 bytes of the GUID at 24

	maxFmt      = 256
	maxSkipped  = 16 << 20 // of a chunk that is not for us
	maxChunks   = 64
	maxRate     = 192000
	maxChannels = 8
)

var errWAV = errors.New("the WAV file is damaged")

// readWAV reads up to the samples; data gives them.
func readWAV(r io.Reader) (f Format, data io.Reader, err error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[8:]) != "WAVE" {
		return f, nil, fmt.Errorf("%w: no WAVE header", errWAV)
	}
	for range maxChunks {
		var chunk [8]byte
		if _, err := io.ReadFull(r, chunk[:]); err != nil {
			return f, nil, fmt.Errorf("%w: no data chunk", errWAV)
		}
		size := binary.LittleEndian.Uint32(chunk[4:])
		switch string(chunk[:4]) {
		case "fmt ":
			if f, err = readFmt(r, size); err != nil {
				return f, nil, err
			}
		case "data":
			if f.Codec == demux.CodecUnknown {
				return f, nil, fmt.Errorf("%w: data before its format", errWAV)
			}
			if size == 0 || size == 1<<32-1 {
				return f, r, nil
			}
			return f, io.LimitReader(r, int64(size)), nil
		default:
			if size > maxSkipped {
				return f, nil, fmt.Errorf("%w: a chunk %q of %d bytes", errWAV, chunk[:4], size)
			}
			if _, err := io.CopyN(io.Discard, r, int64(size+size&1)); err != nil {
				return f, nil, fmt.Errorf("%w: it ends within a chunk", errWAV)
			}
		}
	}
	return f, nil, fmt.Errorf("%w: more than %d chunks before the data", errWAV, maxChunks)
}

func readFmt(r io.Reader, size uint32) (f Format, err error) {
	if size < 16 || size > maxFmt {
		return f, fmt.Errorf("%w: a format of %d bytes", errWAV, size)
	}
	b := make([]byte, size+size&1)
	if _, err := io.ReadFull(r, b); err != nil {
		return f, fmt.Errorf("%w: it ends within the format", errWAV)
	}
	tag, bits := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[14:])
	if tag == wavExtensible && size >= 26 {
		tag = binary.LittleEndian.Uint16(b[24:])
	}
	f = Format{Rate: int(binary.LittleEndian.Uint32(b[4:])), Channels: int(binary.LittleEndian.Uint16(b[2:]))}
	switch {
	case f.Rate < 1000 || f.Rate > maxRate || f.Channels < 1 || f.Channels > maxChannels:
		return f, fmt.Errorf("%w: %d Hz, %d channels", errWAV, f.Rate, f.Channels)
	case tag == wavPCM && bits == 16:
		f.Codec = demux.PCM
	case tag == wavALaw && bits == 8:
		f.Codec = demux.ALaw
	case tag == wavMuLaw && bits == 8:
		f.Codec = demux.MuLaw
	default:
		return f, fmt.Errorf("WAV of format %d with %d bits is not supported (16-bit PCM, A-law and mu-law are): ffmpeg -i INPUT -c:a pcm_s16le -f wav OUTPUT", tag, bits)
	}
	return f, nil
}
