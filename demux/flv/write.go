package flv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/xp2p/xp2p/demux"
)

// WriteOptions say how units are dressed where FLV has more than one way.
type WriteOptions struct {
	// Enhanced writes H.265 behind the FourCC "hvc1" (Enhanced RTMP), which
	// current players read, and not as codec id 12, which cameras write.
	Enhanced bool
}

// Why a unit cannot be written.
var (
	ErrCodec    = errors.New("flv: codec cannot be written")
	ErrTooLarge = errors.New("flv: body exceeds the 24-bit size of a tag")
	ErrTime     = errors.New("flv: time cannot be written")
	ErrRate     = errors.New("flv: sampling rate cannot be written")
)

// AppendHeader appends the 9-byte stream header and the PreviousTagSize of 0
// that follows it.
func AppendHeader(dst []byte, hasVideo, hasAudio bool) []byte {
	var flags byte
	if hasAudio {
		flags |= 4
	}
	if hasVideo {
		flags |= 1
	}
	return append(dst, 'F', 'L', 'V', 1, flags, 0, 0, 0, fileHeaderSize, 0, 0, 0, 0)
}

// AppendTag appends one whole tag. The payload must be shorter than 16 MiB.
func AppendTag(dst []byte, typ TagType, tsMillis uint32, payload []byte) []byte {
	if len(payload) > maxUint24 {
		panic(ErrTooLarge)
	}
	dst = appendTagHeader(dst, typ, tsMillis, len(payload))
	dst = append(dst, payload...)
	return binary.BigEndian.AppendUint32(dst, uint32(len(payload)+tagHeaderSize))
}

// AppendUnit appends u as one whole tag; what Next makes of it equals u to the
// millisecond. Times wrap at 2^32 ms, as Next unwraps them. On an error nothing
// is appended.
func AppendUnit(dst []byte, u *demux.Unit, o WriteOptions) ([]byte, error) {
	if u.DTS < 0 {
		return dst, fmt.Errorf("%w: DTS %v is negative", ErrTime, u.DTS)
	}
	var body [avcHeaderSize + fourCCSize]byte // the longest head of a body there is
	head, typ, err := appendHead(body[:0], u, o)
	if err != nil {
		return dst, err
	}
	size := len(head) + len(u.Data)
	if size > maxUint24 {
		return dst, ErrTooLarge
	}
	dst = appendTagHeader(dst, typ, uint32(millis(u.DTS)), size)
	dst = append(dst, head...)
	dst = append(dst, u.Data...)
	return binary.BigEndian.AppendUint32(dst, uint32(size+tagHeaderSize)), nil
}

func appendHead(dst []byte, u *demux.Unit, o WriteOptions) ([]byte, TagType, error) {
	switch u.Kind {
	case demux.Video:
		dst, err := appendVideoHead(dst, u, o)
		return dst, TagVideo, err
	case demux.Audio:
		dst, err := appendAudioHead(dst, u)
		return dst, TagAudio, err
	case demux.Data:
		return dst, TagScript, nil
	}
	return dst, 0, fmt.Errorf("%w: kind %v", ErrCodec, u.Kind)
}

func appendTagHeader(dst []byte, typ TagType, ts uint32, size int) []byte {
	return append(dst, byte(typ),
		byte(size>>16), byte(size>>8), byte(size),
		byte(ts>>16), byte(ts>>8), byte(ts), byte(ts>>24),
		0, 0, 0)
}

// millis rounds to the nearest millisecond.
func millis(d time.Duration) int64 { return d.Round(time.Millisecond).Milliseconds() }
