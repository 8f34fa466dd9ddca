// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"encoding/binary"
	"fmt"
	"io"
)

// HeaderSize is how many bytes of a part come before its samples: prft, moof and the
// header of mdat.
func (p *ReadPart) HeaderSize() int64 {
	first := p.Runs[0].Offset
	for i := range p.Runs {
		first = min(first, p.Runs[i].Offset)
	}
	return first - p.Offset
}

// Shift says what becomes of a track: its decoding times grow by ticks (not below 0),
// or it is hidden.
type Shift func(track uint32) (ticks int64, hide bool)

// ReadShifted reads the headers of a part with the decoding times of its tracks moved
// and tracks hidden. Nothing changes its place: a hidden track's traf becomes a free
// box (ISO/IEC 14496-12 §8.1.2), and its samples stay in the mdat, where nobody looks.
// So what is sent has the size of what is stored.
func (p *ReadPart) ReadShifted(r io.ReaderAt, dst []byte, shift Shift) ([]byte, error) {
	n := p.HeaderSize()
	if n < 0 || n > maxHeaderBox {
		return dst, ErrPart
	}
	at := len(dst)
	dst = append(dst, make([]byte, n)...)
	if _, err := r.ReadAt(dst[at:], p.Offset); err != nil {
		return dst[:at], fmt.Errorf("read headers at %d: %w", p.Offset, err)
	}
	if err := shiftHeader(dst[at:], shift); err != nil {
		return dst[:at], err
	}
	return dst, nil
}

// shiftHeader changes b, which ends with the header of mdat, in place.
func shiftHeader(b []byte, shift Shift) error {
	for len(b) >= 8 {
		n := int64(binary.BigEndian.Uint32(b))
		name := string(b[4:8])
		if name == "mdat" {
			return nil
		}
		if n < 8 || n > int64(len(b)) {
			return ErrPart
		}
		switch body := b[8:n]; name {
		case "prft":
			if len(body) != prftSize-8 {
				return ErrPart
			}
			if ticks, hide := shift(binary.BigEndian.Uint32(body[4:])); hide {
				copy(b[4:], "free")
			} else {
				move(body[16:], ticks)
			}
		case "moof":
			if err := shiftMoof(body, shift); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

func shiftMoof(b []byte, shift Shift) error {
	for len(b) >= 8 {
		n := int64(binary.BigEndian.Uint32(b))
		if n < 8 || n > int64(len(b)) {
			return ErrPart
		}
		if string(b[4:8]) == "traf" {
			tfhd, tfdt := child(b[8:n], "tfhd"), child(b[8:n], "tfdt")
			if len(tfhd) < 8 || len(tfdt) < 12 {
				return ErrPart
			}
			if ticks, hide := shift(binary.BigEndian.Uint32(tfhd[4:])); hide {
				copy(b[4:], "free")
			} else {
				move(tfdt[4:], ticks)
			}
		}
		b = b[n:]
	}
	return nil
}

// move adds ticks to the 64-bit time at the begin of b.
func move(b []byte, ticks int64) {
	binary.BigEndian.PutUint64(b, uint64(max(0, int64(binary.BigEndian.Uint64(b))+ticks)))
}
