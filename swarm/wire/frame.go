// SPDX-License-Identifier: LGPL-2.1-or-later

package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/xp2p/xp2p/swarm/chunk"
)

// Type says what a frame is.
type Type uint8

const (
	TypeWelcome Type = iota + 1
	TypeEpoch
	TypeChunk
	TypeMap
	TypeSubscribe
	TypeUnsubscribe
	TypeAnswer
	TypeRequest
	TypeMissing
	TypeMembers
	TypeSignal
	TypePolicy
	TypeReport
	TypeAsk
	TypeSources
)

const (
	frameHeader = 4
	// MaxFrame bounds a frame's body in bytes: the longest is an epoch.
	MaxFrame = chunk.MaxEpochSize
	// MaxList bounds the sequences of a request.
	MaxList = 64
	// MaxSignal bounds what one signal carries for a link, and MaxMembers a list of members.
	MaxSignal  = 4 << 10
	MaxMembers = 64
)

// limits of the bodies, by type; the zero value is for unknown types.
var limits = [...]int{
	0:               4 << 10,
	TypeWelcome:     16 << 10,
	TypeEpoch:       chunk.MaxEpochSize,
	TypeChunk:       chunk.MaxSize,
	TypeMap:         maxMap,
	TypeSubscribe:   9,
	TypeUnsubscribe: 9,
	TypeAnswer:      2,
	TypeRequest:     8 * MaxList,
	TypeMissing:     8 * MaxList,
	TypeMembers:     32 << 10,
	TypeSignal:      2 * MaxSignal,
	TypePolicy:      1 << 10,
	TypeReport:      4 << 10,
	TypeAsk:         0,
	TypeSources:     16 << 10,
}

var (
	// ErrTooLong says that a frame is longer than its type may be.
	ErrTooLong = errors.New("a frame is too long for its type")
	// ErrBody says that a frame's body is not what its type says.
	ErrBody = errors.New("a frame's body is not what its type says")
)

// Append appends a frame.
func Append(dst []byte, t Type, body []byte) []byte {
	dst = appendHeader(dst, t, len(body))
	return append(dst, body...)
}

func appendHeader(dst []byte, t Type, n int) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(t)<<24|uint32(n))
}

// Reader reads frames.
type Reader struct {
	r *bufio.Reader
}

// NewReader reads frames from r.
func NewReader(r io.Reader) *Reader { return &Reader{bufio.NewReaderSize(r, 16<<10)} }

// Next gives the next frame of a known type; its body is the caller's. The error is
// io.EOF between frames, io.ErrUnexpectedEOF within one, ErrTooLong, or the source's.
func (r *Reader) Next() (Type, []byte, error) {
	for {
		var h [frameHeader]byte
		if _, err := io.ReadFull(r.r, h[:]); err != nil {
			return 0, nil, err
		}
		t, n := Type(h[0]), int(binary.BigEndian.Uint32(h[:])&(1<<24-1))
		known := t != 0 && int(t) < len(limits)
		limit := limits[0]
		if known {
			limit = limits[t]
		}
		if n > limit {
			return 0, nil, fmt.Errorf("%w: type %d, %d bytes", ErrTooLong, t, n)
		}
		if !known {
			if _, err := r.r.Discard(n); err != nil {
				return 0, nil, unexpected(err)
			}
			continue
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r.r, b); err != nil {
			return 0, nil, unexpected(err)
		}
		return t, b, nil
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
