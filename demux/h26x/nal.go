package h26x

import (
	"bytes"
	"encoding/binary"
	"iter"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/xp2p/xp2p/demux"
)

// NALs goes through an access unit of NAL units behind 4-byte lengths. It stops
// at a length that is 0 or exceeds the unit.
func NALs(unit []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(unit) > LengthSize {
			n := binary.BigEndian.Uint32(unit)
			if n == 0 || uint64(n) > uint64(len(unit)-LengthSize) {
				return
			}
			end := LengthSize + int(n)
			if !yield(unit[LengthSize:end:end]) {
				return
			}
			unit = unit[end:]
		}
	}
}

// AnnexB goes through a byte stream of NAL units behind start codes (ITU-T H.264
// annex B, H.265 annex B). Bytes before the first start code, zeros before start
// codes and empty NAL units are left out.
func AnnexB(stream []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		_, rest, found := bytes.Cut(stream, startCode[1:])
		for found {
			var nal []byte
			nal, rest, found = bytes.Cut(rest, startCode[1:])
			if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 && !yield(nal[:len(nal):len(nal)]) {
				return
			}
		}
	}
}

var startCode = []byte{0, 0, 0, 1}

// AppendUnit appends NAL units as an access unit with 4-byte lengths.
func AppendUnit(dst []byte, nals ...[]byte) []byte {
	for _, n := range nals {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(n)))
		dst = append(dst, n...)
	}
	return dst
}

// AppendAnnexB appends an access unit with 4-byte lengths as a byte stream with
// 4-byte start codes. ErrNAL: the lengths do not fill the unit.
func AppendAnnexB(dst, unit []byte) ([]byte, error) {
	used, before := 0, len(dst)
	for n := range NALs(unit) {
		dst = append(append(dst, startCode...), n...)
		used += LengthSize + len(n)
	}
	if used != len(unit) || used == 0 {
		return dst[:before], ErrNAL
	}
	return dst, nil
}

// AppendLengths appends a byte stream with start codes as an access unit with
// 4-byte lengths. ErrNAL: it holds no NAL unit.
func AppendLengths(dst, stream []byte) ([]byte, error) {
	before := len(dst)
	for n := range AnnexB(stream) {
		dst = AppendUnit(dst, n)
	}
	if len(dst) == before {
		return dst, ErrNAL
	}
	return dst, nil
}

// IsKey says whether decoding can start at a NAL unit: an IDR picture of H.264,
// a random access picture of H.265 (BLA, IDR, CRA).
func IsKey(codec demux.Codec, nal []byte) bool {
	if len(nal) == 0 {
		return false
	}
	switch codec {
	case demux.H264:
		return h264.NALUType(nal[0]&0x1f) == h264.NALUTypeIDR
	case demux.H265:
		t := h265.NALUType(nal[0] >> 1 & 0x3f)
		return t >= h265.NALUType_BLA_W_LP && t <= h265.NALUType_CRA_NUT
	}
	return false
}
