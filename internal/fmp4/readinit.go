// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/xp2p/xp2p/demux"
)

// Init is the beginning of a recording, read back.
type Init struct {
	Tracks []Track
	Size   int64 // bytes of ftyp and moov: where the first part begins
}

// ReadInit reads ftyp and moov of a recording of size bytes, with the decoders'
// configurations as they were given to [AppendInit]. A file without them, or with
// a track that AppendInit does not write, is [ErrNoInit].
func ReadInit(r io.ReaderAt, size int64) (*Init, error) {
	for at := int64(0); ; {
		name, n, err := boxAt(r, at, size)
		if err != nil {
			return nil, err
		}
		if n == 0 || name == "moof" || name == "mdat" {
			return nil, ErrNoInit
		}
		if name != "moov" {
			at += n
			continue
		}
		body, err := headerBody(r, name, at, n)
		if err != nil {
			return nil, err
		}
		i := &Init{Size: at + n}
		if i.Tracks, err = readTracks(body); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoInit, err)
		}
		return i, nil
	}
}

func readTracks(moov []byte) (tracks []Track, err error) {
	ok := children(moov, func(name string, body []byte) {
		if name != "trak" || err != nil {
			return
		}
		if len(tracks) == maxRuns {
			err = errors.New("too many tracks")
			return
		}
		var s ScannedTrack
		parseTrak(body, &s)
		t := Track{ID: s.ID}
		if err = readEntry(sampleEntryOf(body), &s, &t); err == nil {
			tracks = append(tracks, t)
		}
	})
	if err == nil && (!ok || len(tracks) == 0) {
		err = errors.New("no track")
	}
	return tracks, err
}

// sampleEntryOf finds the first sample entry, with its header, of a trak.
func sampleEntryOf(trak []byte) (entry []byte) {
	children(trak, func(name string, body []byte) {
		switch {
		case name == "mdia" || name == "minf" || name == "stbl":
			if e := sampleEntryOf(body); e != nil {
				entry = e
			}
		case name == "stsd" && len(body) >= 16: // version, flags and count before the entries
			if n := binary.BigEndian.Uint32(body[8:]); n >= 8 && int64(n) <= int64(len(body)-8) {
				entry = body[8 : 8+n]
			}
		}
	})
	return entry
}

// Where a sample entry, counted with its header, has its fields and its first
// child (ISO/IEC 14496-12 §12.1.3 and §12.2.3).
const (
	entryWidth    = 8 + 8 + 16
	entryVideoBox = 8 + 78
	entryChannels = 8 + 8 + 8
	entryAudioBox = 8 + 28
)

var errEntry = errors.New("a sample entry is not one of ours")

func readEntry(entry []byte, s *ScannedTrack, t *Track) error {
	if s.ID == 0 || s.Timescale == 0 || s.Timescale > maxRate || len(entry) < entryAudioBox {
		return errEntry
	}
	if s.Video {
		return readVideoEntry(entry, t)
	}
	t.Rate = int(s.Timescale)
	t.Channels = int(binary.BigEndian.Uint16(entry[entryChannels:]))
	if t.Channels == 0 || t.Channels > 255 {
		return errEntry
	}
	var err error
	switch s.Entry {
	case "alaw":
		t.Codec = demux.ALaw
	case "ulaw":
		t.Codec = demux.MuLaw
	case "sowt":
		t.Codec = demux.PCM
	case "mp4a":
		t.Codec, t.Config, err = readESDS(child(entry[entryAudioBox:], "esds"))
	case "Opus":
		t.Codec = demux.Opus
		t.Config, err = readOpus(child(entry[entryAudioBox:], "dOps"))
	case "fLaC":
		t.Codec = demux.FLAC
		t.Config, err = readFLAC(child(entry[entryAudioBox:], "dfLa"))
	default:
		return errEntry
	}
	return err
}

func readVideoEntry(entry []byte, t *Track) error {
	if len(entry) < entryVideoBox {
		return errEntry
	}
	t.Width = int(binary.BigEndian.Uint16(entry[entryWidth:]))
	t.Height = int(binary.BigEndian.Uint16(entry[entryWidth+2:]))
	switch string(entry[4:8]) {
	case "avc1":
		t.Codec, t.Config = demux.H264, child(entry[entryVideoBox:], "avcC")
	case "hvc1":
		t.Codec, t.Config = demux.H265, child(entry[entryVideoBox:], "hvcC")
	}
	if len(t.Config) == 0 || len(t.Config) > maxConfig {
		return errEntry
	}
	return nil
}

// child is the body of the first box of that name in b; nil: there is none.
func child(b []byte, want string) (found []byte) {
	children(b, func(name string, body []byte) {
		if name == want && found == nil {
			found = body
		}
	})
	return found
}

// Descriptors of an esds (ISO/IEC 14496-1 §7.2.2.1) and the object types in it.
const (
	tagES        = 3
	tagDecoder   = 4
	tagSpecific  = 5
	objectAAC    = 0x40
	objectMP3    = 0x6b
	objectMP3Low = 0x69
)

// readESDS reads the body of an esds as audioEntry makes it.
func readESDS(b []byte) (demux.Codec, []byte, error) {
	if len(b) < 4 {
		return 0, nil, errEntry
	}
	es, _, ok := descriptor(b[4:], tagES)
	if !ok || len(es) < 3 {
		return 0, nil, errEntry
	}
	dec, _, ok := descriptor(es[3:], tagDecoder)
	if !ok || len(dec) < 13 {
		return 0, nil, errEntry
	}
	switch dec[0] {
	case objectMP3, objectMP3Low:
		return demux.MP3, nil, nil
	case objectAAC:
		if config, _, ok := descriptor(dec[13:], tagSpecific); ok && len(config) >= 2 {
			return demux.AAC, config, nil
		}
	}
	return 0, nil, errEntry
}

// descriptor cuts a descriptor with the wanted tag off b: its size is in groups of
// 7 bits, at most four.
func descriptor(b []byte, tag byte) (body, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	n := 0
	for i := 1; i <= 4 && i < len(b); i++ {
		n = n<<7 | int(b[i]&0x7f)
		if b[i]&0x80 == 0 {
			b = b[i+1:]
			if n > len(b) {
				return nil, nil, false
			}
			return b[:n:n], b[n:], true
		}
	}
	return nil, nil, false
}

// readOpus turns dOps back into OpusHead; see opusBox.
func readOpus(b []byte) ([]byte, error) {
	if len(b) < 11 || b[10] != 0 {
		return nil, errEntry
	}
	head := append([]byte("OpusHead"), 1, b[1])
	head = binary.LittleEndian.AppendUint16(head, binary.BigEndian.Uint16(b[2:]))
	head = binary.LittleEndian.AppendUint32(head, binary.BigEndian.Uint32(b[4:]))
	head = binary.LittleEndian.AppendUint16(head, binary.BigEndian.Uint16(b[8:]))
	return append(head, 0), nil
}

// readFLAC finds STREAMINFO in dfLa; see flacBox.
func readFLAC(b []byte) ([]byte, error) {
	if len(b) < 8+streamInfoSize || b[4]&0x7f != 0 {
		return nil, errEntry
	}
	return b[8 : 8+streamInfoSize], nil
}
