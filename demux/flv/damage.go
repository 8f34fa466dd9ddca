package flv

import (
	"errors"
	"fmt"
)

// ErrNeedMore says that the parser holds no further whole tag: give it more
// bytes with Space and Filled.
var ErrNeedMore = errors.New("flv: need more bytes")

// Why a stretch of a stream was skipped: what a DamageError unwraps to.
var (
	ErrNotATag     = errors.New("neither a tag nor a stream header")
	ErrTagTooBig   = errors.New("tag is larger than the limit")
	ErrTagSize     = errors.New("PreviousTagSize does not agree with the tag")
	ErrShortBody   = errors.New("body is too short for its codec")
	ErrNALSize     = errors.New("NAL unit lengths do not add up to the body")
	ErrPacketType  = errors.New("unknown packet type")
	ErrSampleSize  = errors.New("PCM body is not a whole number of samples")
	ErrBadConfig   = errors.New("decoder configuration has no valid start")
	errHeaderField = errors.New("stream header states an impossible size")
)

// DamageError reports one stretch of bytes that was skipped. The parser stands
// at the next whole tag already; calling Next again goes on there.
type DamageError struct {
	Offset  uint64 // where the stretch begins, bytes from the start of the stream
	Skipped uint64 // its length in bytes
	Err     error  // why
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("flv: skipped %d bytes at offset %d: %v", e.Skipped, e.Offset, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }
