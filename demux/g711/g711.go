// SPDX-License-Identifier: LGPL-2.1-or-later

// Package g711 codes sound by ITU-T G.711: 16-bit linear samples to 8-bit A-law or
// mu-law and back.
//
// A coded byte is a sign, a segment of 3 bits (the exponent) and 4 bits within it (the
// mantissa). A-law (§2, table 1) has 13 significant bits and inverts every other bit of
// the byte (XOR 0x55); mu-law (§2, table 2) has 14, adds a bias of 33 before the
// segments are cut, and inverts all bits.
//
//	 7   6 5 4    3 2 1 0
//	+-+ +-----+ +---------+
//	|S| | seg | | mantissa|
//	+-+ +-----+ +---------+
//
// Samples are left-aligned in 16 bits. Decoding gives the middle of the interval for
// which a byte stands, so that coding what was decoded gives the same byte again, save
// for mu-law's second zero (0x7f).
package g711

import (
	"encoding/binary"
	"math/bits"
)

// Law is one of the two codings.
type Law uint8

const (
	ALaw Law = iota
	MuLaw
)

const (
	aToggle = 0x55
	uBias   = 33 << 2 // of 14 bits, left-aligned in 16
	uClip   = 1<<15 - 1 - uBias
)

var decodeA, decodeU = tables()

func tables() (a, u [256]int16) {
	for i := range 256 {
		a[i], u[i] = expandA(byte(i)), expandU(byte(i))
	}
	return a, u
}

func expandA(b byte) int16 {
	b ^= aToggle
	seg, mantissa := int(b>>4&7), int(b&15)
	v := mantissa<<4 | 8 // the middle of the interval
	if seg > 0 {
		v = (v | 0x100) << (seg - 1)
	}
	if b&0x80 == 0 {
		v = -v
	}
	return int16(v)
}

func expandU(b byte) int16 {
	b = ^b
	seg, mantissa := int(b>>4&7), int(b&15)
	v := (mantissa<<3|uBias)<<seg - uBias
	if b&0x80 != 0 {
		v = -v
	}
	return int16(v)
}

// EncodeA codes one sample by A-law.
func EncodeA(sample int16) byte {
	sign, v := byte(0x80), int(sample)
	if v < 0 {
		sign, v = 0, ^v // the intervals of both signs begin beside zero
	}
	seg := max(bits.Len(uint(v))-8, 0)
	mantissa := v >> 4
	if seg > 0 {
		mantissa = v >> (seg + 3)
	}
	return (sign | byte(seg)<<4 | byte(mantissa&15)) ^ aToggle
}

// EncodeU codes one sample by mu-law.
func EncodeU(sample int16) byte {
	sign, v := byte(0), int(sample)
	if v < 0 {
		sign, v = 0x80, -v
	}
	v = min(v, uClip) + uBias
	seg := bits.Len(uint(v)) - 8
	return ^(sign | byte(seg)<<4 | byte(v>>(seg+3)&15))
}

// Encode appends the samples of pcm, 16-bit little-endian, to dst, one byte each. A last
// odd byte is left out.
func (l Law) Encode(dst, pcm []byte) []byte {
	for ; len(pcm) >= 2; pcm = pcm[2:] {
		s := int16(binary.LittleEndian.Uint16(pcm))
		if l == MuLaw {
			dst = append(dst, EncodeU(s))
		} else {
			dst = append(dst, EncodeA(s))
		}
	}
	return dst
}

// AppendSamples appends the samples of coded to dst.
func (l Law) AppendSamples(dst []int16, coded []byte) []int16 {
	t := l.table()
	for _, b := range coded {
		dst = append(dst, t[b])
	}
	return dst
}

func (l Law) table() *[256]int16 {
	if l == MuLaw {
		return &decodeU
	}
	return &decodeA
}

// Decode appends the samples of coded, 16-bit little-endian, to dst.
func (l Law) Decode(dst, coded []byte) []byte {
	t := l.table()
	for _, b := range coded {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(t[b]))
	}
	return dst
}
