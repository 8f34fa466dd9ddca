package flv

import "encoding/binary"

// TagType is the type field of a tag.
type TagType uint8

const (
	TagAudio  TagType = 8
	TagVideo  TagType = 9
	TagScript TagType = 18
)

func (t TagType) String() string {
	switch t {
	case TagAudio:
		return "audio"
	case TagVideo:
		return "video"
	case TagScript:
		return "script"
	}
	return "unknown"
}

// Tag is one whole tag of a stream. Its slices alias the buffer of the parser
// that gave it.
type Tag struct {
	Type      TagType
	Timestamp uint32 // ms as on the wire: 24 bits and the extended byte above them
	Payload   []byte // the body
	Raw       []byte // 11-byte header, body, 4-byte PreviousTagSize
}

const (
	fileHeaderSize = 9 // without the PreviousTagSize that follows it
	tagHeaderSize  = 11
	trailerSize    = 4 // PreviousTagSize
	tagOverhead    = tagHeaderSize + trailerSize

	// maxFileHeader bounds the header size field. Version 1 always says 9.
	maxFileHeader = 64

	maxUint24 = 1<<24 - 1
)

func uint24(b []byte) uint32 {
	_ = b[2]
	return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
}

// int24 reads a signed 24-bit number.
func int24(b []byte) int32 { return int32(uint24(b)<<8) >> 8 }

// bodySize reads the body size of the tag header at b, which must be at least
// tagHeaderSize long. ok is false when b cannot be a tag header: reserved or
// encryption bits set, a type that FLV does not have, a stream id, or a body
// above max bytes.
func bodySize(b []byte, max int) (n int, ok bool) {
	_ = b[tagHeaderSize-1]
	switch TagType(b[0]) {
	case TagAudio, TagVideo, TagScript:
	default:
		return 0, false
	}
	if b[8]|b[9]|b[10] != 0 {
		return 0, false
	}
	n = int(uint24(b[1:]))
	return n, n <= max
}

// timestamp reads the time of the tag header at b in ms.
func timestamp(b []byte) uint32 { return uint24(b[4:]) | uint32(b[7])<<24 }

// trailer reads a PreviousTagSize.
func trailer(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
