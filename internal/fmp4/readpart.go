// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// ReadPart is one part of a recording, read back up to its samples' bytes.
type ReadPart struct {
	Offset int64     // of its prft (or moof)
	Size   int64     // bytes, mdat included: the next part begins behind it
	Wall   time.Time // when the first sample of the first run was captured; zero: not said
	Runs   []ReadRun
}

// ReadRun is what a part holds of one track.
type ReadRun struct {
	Run
	Offset int64 // of its bytes in the file
}

// ErrPart says that there is no whole part of a recording where one was looked for.
var ErrPart = errors.New("fmp4: no whole part here")

// maxPartBytes bounds the mdat of a part that is believed: recordings have about
// 1 MiB, a single picture at most 4 MiB.
const maxPartBytes = 64 << 20

// ReadPartAt reads the headers of the part that begins at offset at of a file of
// size bytes; samples are not read. io.EOF: the file ends there. [ErrPart]: what is
// there was cut, or is something else. Errors of r are passed on.
func ReadPartAt(r io.ReaderAt, at, size int64) (*ReadPart, error) {
	if at >= size {
		return nil, io.EOF
	}
	p := &ReadPart{Offset: at}
	var moof int64 = -1
	for {
		name, n, err := boxAt(r, at, size)
		if err != nil {
			return nil, err
		}
		if n == 0 || name == "moov" {
			return nil, ErrPart
		}
		body, err := headerBody(r, name, at, n)
		if err != nil {
			return nil, err
		}
		switch name {
		case "prft":
			if len(body) == prftSize-8 {
				p.Wall = unixTime(binary.BigEndian.Uint64(body[8:]))
			}
		case "moof":
			if moof >= 0 {
				return nil, ErrPart
			}
			moof = at
			if p.Runs, err = readRuns(body, moof); err != nil {
				return nil, err
			}
		case "mdat":
			if moof < 0 {
				return nil, ErrPart
			}
			p.Size = at + n - p.Offset
			return p, p.check(at+8, at+n)
		}
		at += n
	}
}

// check says whether the samples of all runs are within the mdat from lo to hi.
func (p *ReadPart) check(lo, hi int64) error {
	if hi-lo > maxPartBytes {
		return fmt.Errorf("%w: %d bytes of samples", ErrPart, hi-lo)
	}
	for i := range p.Runs {
		r := &p.Runs[i]
		if r.Offset < lo || r.Offset+int64(r.Bytes) > hi {
			return fmt.Errorf("%w: samples lie outside of it", ErrPart)
		}
	}
	return nil
}

func readRuns(moof []byte, at int64) (runs []ReadRun, err error) {
	ok := children(moof, func(name string, traf []byte) {
		if name != "traf" || err != nil {
			return
		}
		var r ReadRun
		if r, err = readTraf(traf, at); err == nil {
			runs = append(runs, r)
		}
		if len(runs) > maxRuns {
			err = ErrPart
		}
	})
	if err == nil && (!ok || len(runs) == 0) {
		err = ErrPart
	}
	return runs, err
}

// readTraf reads the two forms that appendTraf writes.
func readTraf(traf []byte, moof int64) (ReadRun, error) {
	var r ReadRun
	tfhd, tfdt, trun := child(traf, "tfhd"), child(traf, "tfdt"), child(traf, "trun")
	if len(tfhd) < 8 || len(tfdt) < 12 || len(trun) < 12 {
		return r, ErrPart
	}
	entry := 0
	switch binary.BigEndian.Uint32(trun) {
	case 0x01000f01:
		entry, r.Video = 16, true
	case 0x01000301:
		entry = 8
	default:
		return r, ErrPart
	}
	r.Track = binary.BigEndian.Uint32(tfhd[4:])
	r.Base = binary.BigEndian.Uint64(tfdt[4:])
	r.Offset = moof + int64(binary.BigEndian.Uint32(trun[8:]))
	count := int64(binary.BigEndian.Uint32(trun[4:]))
	b := trun[12:]
	if count*int64(entry) != int64(len(b)) {
		return r, ErrPart
	}
	r.Samples = make([]Sample, count)
	for i := range r.Samples {
		s := &r.Samples[i]
		*s = Sample{Duration: binary.BigEndian.Uint32(b), Size: binary.BigEndian.Uint32(b[4:]), Key: true}
		if r.Video {
			s.Key = binary.BigEndian.Uint32(b[8:]) == flagsKey
			s.CTS = int32(binary.BigEndian.Uint32(b[12:]))
		}
		if r.Bytes += int(s.Size); r.Bytes > maxPartBytes {
			return r, ErrPart
		}
		b = b[entry:]
	}
	return r, nil
}
