// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// File is what [Scan] finds in a recording.
type File struct {
	Tracks []ScannedTrack
	Parts  []Part
	// Size is the end of the last whole part: the file is valid when cut there.
	// 0 when there is no whole part.
	Size int64
}

// ScannedTrack is a track as the moov states it.
type ScannedTrack struct {
	ID        uint32
	Timescale uint32
	Entry     string // four-character code of the sample entry: "avc1", "mp4a"
	Video     bool
}

// Part is one whole part of a file.
type Part struct {
	Offset int64     // of its prft (or moof)
	Size   int64     // bytes, mdat included
	Wall   time.Time // capture time of Media; zero without prft
	// Media and Duration are those of the lead track (the first of the file), or of
	// another one where the part has nothing of it, in ticks of Timescale.
	Media, Duration uint64
	Timescale       uint32
	Keys            []Key
}

// Key is a key picture of the lead track.
type Key struct {
	Offset int64  // of its bytes in the file
	Media  uint64 // decoding time, ticks
}

// Bounds of what is read into memory. A part of 1 MiB has a moof of a few KiB.
const (
	maxHeaderBox = 4 << 20
	maxParts     = 1 << 20
)

// ErrNoInit says that a file does not begin with ftyp and moov of a recording.
var ErrNoInit = errors.New("fmp4: no usable init")

// Scan reads the boxes of a recording up to the first byte that does not belong
// to a whole part: a file that was cut anywhere is no error, a file without init
// is [ErrNoInit]. Sample bytes are not read. Errors of r are passed on.
func Scan(r io.ReaderAt, size int64) (*File, error) {
	f := &File{}
	r = &window{r: r}
	var part Part
	prft := false
	for at := int64(0); ; {
		name, n, err := boxAt(r, at, size)
		if err != nil {
			return f, err
		}
		if n == 0 { // cut here
			if len(f.Tracks) == 0 {
				return f, ErrNoInit
			}
			return f, nil
		}
		body, err := headerBody(r, name, at, n)
		if err != nil {
			return f, err
		}
		switch name {
		case "moov":
			if f.Tracks = parseMoov(body); len(f.Tracks) == 0 {
				return f, ErrNoInit
			}
		case "prft":
			part, prft = Part{Offset: at}, len(body) == prftSize-8
			if prft {
				part.Wall = unixTime(binary.BigEndian.Uint64(body[8:]))
			}
		case "moof":
			if len(f.Tracks) == 0 {
				return f, ErrNoInit
			}
			if !prft {
				part = Part{Offset: at}
			}
			prft = false
			if err := part.parseMoof(body, at, f.Tracks); err != nil {
				return f, nil // a torn header: whatever follows is not ours
			}
		case "mdat":
			part.Size = at + n - part.Offset
			f.Parts = append(f.Parts, part)
			f.Size = at + n
			if len(f.Parts) > maxParts {
				return f, fmt.Errorf("fmp4: more than %d parts", maxParts)
			}
		}
		at += n
	}
}

// boxAt reads a box header; n is 0 where no whole box follows.
func boxAt(r io.ReaderAt, at, size int64) (name string, n int64, err error) {
	var h [8]byte
	if size-at < 8 {
		return "", 0, nil
	}
	if _, err := r.ReadAt(h[:], at); err != nil {
		return "", 0, fmt.Errorf("read box header at %d: %w", at, err)
	}
	n = int64(binary.BigEndian.Uint32(h[:]))
	name = string(h[4:])
	switch name {
	case "ftyp", "moov", "prft", "moof", "mdat", "free", "styp", "sidx":
	default:
		return "", 0, nil // torn: zeros, or the middle of something
	}
	if n < 8 || n > size-at {
		return "", 0, nil
	}
	return name, n, nil
}

// headerBody reads the body of a box that Scan looks into; nil for the others.
func headerBody(r io.ReaderAt, name string, at, n int64) ([]byte, error) {
	if name != "moov" && name != "moof" && name != "prft" {
		return nil, nil
	}
	if n > maxHeaderBox {
		return nil, fmt.Errorf("fmp4: %s of %d bytes at %d", name, n, at)
	}
	b := make([]byte, n-8)
	if _, err := r.ReadAt(b, at+8); err != nil {
		return nil, fmt.Errorf("read %s at %d: %w", name, at, err)
	}
	return b, nil
}

// children calls f for every box directly inside b; false when b is malformed.
func children(b []byte, f func(name string, body []byte)) bool {
	for len(b) > 0 {
		if len(b) < 8 {
			return false
		}
		n := int(binary.BigEndian.Uint32(b))
		if n < 8 || n > len(b) {
			return false
		}
		f(string(b[4:8]), b[8:n])
		b = b[n:]
	}
	return true
}

// parseMoov finds the tracks; nil when there is none that can be used.
func parseMoov(b []byte) (tracks []ScannedTrack) {
	children(b, func(name string, body []byte) {
		if name != "trak" {
			return
		}
		var t ScannedTrack
		parseTrak(body, &t)
		if t.ID > 0 && t.Timescale > 0 && len(tracks) < maxRuns {
			tracks = append(tracks, t)
		}
	})
	return tracks
}

// parseTrak walks trak/mdia/minf/stbl. tkhd, mdhd and stsd are those that
// AppendInit writes (version 0).
func parseTrak(b []byte, t *ScannedTrack) {
	children(b, func(name string, body []byte) {
		switch {
		case name == "mdia" || name == "minf" || name == "stbl":
			parseTrak(body, t)
		case name == "tkhd" && len(body) >= 16:
			t.ID = binary.BigEndian.Uint32(body[12:])
		case name == "mdhd" && len(body) >= 16:
			t.Timescale = binary.BigEndian.Uint32(body[12:])
		case name == "hdlr" && len(body) >= 12:
			t.Video = string(body[8:12]) == "vide"
		case name == "stsd" && len(body) >= 16:
			t.Entry = string(body[12:16])
		}
	})
}

var errTorn = errors.New("fmp4: torn moof")

// parseMoof fills in media time, duration and key pictures.
func (p *Part) parseMoof(b []byte, at int64, tracks []ScannedTrack) error {
	lead, found := tracks[0], false
	ok := children(b, func(name string, traf []byte) {
		if name != "traf" {
			return
		}
		var id uint32
		var base uint64
		var trun []byte
		children(traf, func(name string, body []byte) {
			switch {
			case name == "tfhd" && len(body) >= 8:
				id = binary.BigEndian.Uint32(body[4:])
			case name == "tfdt" && len(body) >= 12:
				base = binary.BigEndian.Uint64(body[4:])
			case name == "trun" && len(body) >= 12:
				trun = body
			}
		})
		if trun != nil && (id == lead.ID || !found) {
			p.parseTrun(trun, at, base, lead.Video && id == lead.ID)
			for _, t := range tracks {
				if t.ID == id {
					p.Timescale, found = t.Timescale, true
				}
			}
		}
	})
	if !ok || !found {
		return errTorn
	}
	return nil
}

// parseTrun reads the two forms that appendTraf writes.
func (p *Part) parseTrun(b []byte, moof int64, base uint64, video bool) {
	entry := 8
	if binary.BigEndian.Uint32(b)&0xffffff == 0xf01 {
		entry = 16
	}
	count := min(int(binary.BigEndian.Uint32(b[4:])), (len(b)-12)/entry)
	at := moof + int64(binary.BigEndian.Uint32(b[8:]))
	p.Media, p.Duration, p.Keys = base, 0, nil
	for b = b[12:]; count > 0; count-- {
		if video && entry == 16 && binary.BigEndian.Uint32(b[8:]) == flagsKey {
			p.Keys = append(p.Keys, Key{Offset: at, Media: base + p.Duration})
		}
		p.Duration += uint64(binary.BigEndian.Uint32(b))
		at += int64(binary.BigEndian.Uint32(b[4:]))
		b = b[entry:]
	}
}
