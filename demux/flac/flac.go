// SPDX-License-Identifier: LGPL-2.1-or-later

// Package flac codes 16-bit sound by FLAC (RFC 9639), without loss: the one coding
// that every browser plays, that needs no licence and no library, and that telephone
// sound (G.711) can become without being heard to.
//
// It codes speech of one or two channels well enough: fixed predictors (§9.2.5), one
// Rice parameter for each block. Frames state their place in samples (variable block
// size, §9.1.5), so that each can be made alone.
package flac

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// Bounds of a block, in samples of one channel, save that a stream's last may be
// shorter (§8.2).
const (
	MinBlock = 16
	MaxBlock = 65535
)

// ErrFormat says that sound is not 16-bit sound of one or two channels in blocks of at most
// MaxBlock.
var ErrFormat = errors.New("flac: sound of this form is not coded")

const (
	sampleBits = 16
	maxRate    = 1<<20 - 1
	// maxPosition is the last sample that a frame can begin at: 36 bits.
	maxPosition = 1<<36 - 1
)

// AppendStreamInfo appends the 34 bytes of a STREAMINFO block (§8.2), without the header of
// a metadata block, for blocks of least to most samples. The stream's length and
// hash are left unknown, as they are of live sound.
func AppendStreamInfo(dst []byte, rate, channels, least, most int) ([]byte, error) {
	if rate <= 0 || rate > maxRate || channels < 1 || channels > 2 || least < 1 || least > most || most > MaxBlock {
		return dst, ErrFormat
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(max(least, MinBlock)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(max(most, MinBlock)))
	dst = append(dst, 0, 0, 0, 0, 0, 0) // sizes of frames: unknown
	format := uint64(rate)<<44 | uint64(channels-1)<<41 | uint64(sampleBits-1)<<36
	dst = binary.BigEndian.AppendUint64(dst, format)
	return append(dst, make([]byte, 16)...), nil
}

// rateCodes are the rates that a frame's header has a code for (§9.1.2), by code.
var rateCodes = [12]int{1: 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000}

// AppendFrame appends one frame: pcm are its samples, those of two channels by turns, of which the first is
// number position of the stream.
func AppendFrame(dst []byte, pcm []int16, rate, channels int, position uint64) ([]byte, error) {
	if channels < 1 || channels > 2 || len(pcm) == 0 || len(pcm)%channels != 0 || len(pcm)/channels > MaxBlock {
		return dst, ErrFormat
	}
	n := len(pcm) / channels
	start := len(dst)
	code := byte(0) // as STREAMINFO says
	for c, r := range rateCodes {
		if r == rate && r != 0 {
			code = byte(c)
		}
	}
	dst = append(dst, 0xff, 0xf9, 0x70|code, byte(channels-1)<<4|4<<1) // variable size; 16 bits of it follow; 16-bit samples
	dst = appendNumber(dst, position&maxPosition)
	dst = binary.BigEndian.AppendUint16(dst, uint16(n-1))
	dst = append(dst, crc8(dst[start:]))
	w := bitWriter{b: dst}
	channel := make([]int32, n)
	for c := range channels {
		for i := range channel {
			channel[i] = int32(pcm[i*channels+c])
		}
		w.subframe(channel)
	}
	dst = w.flush()
	return binary.BigEndian.AppendUint16(dst, crc16(dst[start:])), nil
}

// appendNumber appends a number as UTF-8 would, of up to 36 bits (§9.1.5).
func appendNumber(dst []byte, v uint64) []byte {
	if v < 0x80 {
		return append(dst, byte(v))
	}
	more := 1
	for more < 6 && v>>(6+5*more) != 0 { // a first byte with 6-more bits, and 6 in each that follows
		more++
	}
	dst = append(dst, byte(0xff<<(7-more))|byte(v>>(6*more)))
	for more--; more >= 0; more-- {
		dst = append(dst, 0x80|byte(v>>(6*more)&0x3f))
	}
	return dst
}

// subframe writes the samples of a channel, of which s is used up.
func (w *bitWriter) subframe(s []int32) {
	order, k, size := predict(s)
	if size >= sampleBits*len(s) {
		w.put(1<<1, 8) // verbatim (§9.2.4)
		for _, v := range s {
			w.put(uint64(uint16(v)), sampleBits)
		}
		return
	}
	w.put(uint64(0b001000|order)<<1, 8)
	for _, v := range s[:order] {
		w.put(uint64(uint16(v)), sampleBits)
	}
	difference(s, order)
	w.put(0, 2+4) // Rice parameters of 4 bits, one partition (§9.2.7)
	w.put(uint64(k), 4)
	for _, v := range s[order:] {
		z := zigzag(v)
		w.unary(z >> k)
		w.put(uint64(z&(1<<k-1)), k)
	}
}

const (
	maxOrder = 4
	maxRice  = 14 // 15 is an escape
)

// predict finds the order of the predictor and the Rice parameter with which s takes the fewest
// bits, and how many these are.
func predict(s []int32) (order int, k uint, size int) {
	size = math.MaxInt
	residual := append([]int32(nil), s...)
	for o := 0; o <= min(maxOrder, len(s)-1); o++ {
		if o > 0 {
			for i := len(residual) - 1; i >= o; i-- {
				residual[i] -= residual[i-1]
			}
		}
		var sum uint64
		for _, v := range residual[o:] {
			sum += uint64(zigzag(v))
		}
		n := uint64(len(s) - o)
		guess := bits.Len64(sum / n)
		for r := max(guess-1, 0); r <= min(guess+1, maxRice); r++ {
			cost := o*sampleBits + 10 + int(n)*(1+r)
			for _, v := range residual[o:] {
				cost += int(zigzag(v) >> r)
			}
			if cost < size {
				order, k, size = o, uint(r), cost
			}
		}
	}
	return order, k, size
}

// difference leaves in s what the fixed predictor of an order gets wrong; the first
// samples stay.
func difference(s []int32, order int) {
	for o := 1; o <= order; o++ {
		for i := len(s) - 1; i >= o; i-- {
			s[i] -= s[i-1]
		}
	}
}

// zigzag numbers 0, -1, 1, -2, … from 0 on.
func zigzag(v int32) uint32 { return uint32(v<<1) ^ uint32(v>>31) }
