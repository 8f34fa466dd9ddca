// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/xp2p/xp2p/demux"
)

// maxConfig bounds a decoder configuration. Real ones have 30 to 300 bytes.
const maxConfig = 64 << 10

// sampleEntry makes the track's only sample entry (ISO/IEC 14496-12 §8.5.2).
func sampleEntry(t *Track) (mp4.Box, error) {
	if len(t.Config) > maxConfig {
		return nil, fmt.Errorf("decoder configuration of %d bytes", len(t.Config))
	}
	if t.Video() {
		return videoEntry(t)
	}
	if t.Rate <= 0 || t.Channels <= 0 || t.Channels > 255 {
		return nil, fmt.Errorf("%d Hz, %d channels cannot be stored", t.Rate, t.Channels)
	}
	switch t.Codec {
	case demux.AAC:
		if len(t.Config) < 2 {
			return nil, errors.New("AudioSpecificConfig is missing")
		}
		return audioEntry("mp4a", t, mp4.CreateEsdsBox(t.Config)), nil
	case demux.MP3:
		return audioEntry("mp4a", t, mp3ESDS(t.Rate)), nil
	case demux.ALaw:
		return audioEntry("alaw", t, nil), nil
	case demux.MuLaw:
		return audioEntry("ulaw", t, nil), nil
	case demux.PCM:
		return audioEntry("sowt", t, nil), nil // QuickTime's name for 16-bit little-endian
	case demux.Opus:
		dops, err := opusBox(t.Config)
		if err != nil {
			return nil, err
		}
		return audioEntry("Opus", t, dops), nil
	case demux.FLAC:
		if len(t.Config) != streamInfoSize {
			return nil, fmt.Errorf("STREAMINFO of %d bytes", len(t.Config))
		}
		return audioEntry("fLaC", t, flacBox(t.Config)), nil
	}
	return nil, errors.New("codec cannot be stored in MP4")
}

// videoEntry copies the decoder record into avcC or hvcC (ISO/IEC 14496-15
// §5.3.4.1 and §8.4.1). Samples carry 4-byte lengths (demux.Codec), so the
// record says so whatever the camera wrote.
func videoEntry(t *Track) (mp4.Box, error) {
	name, child, lengthByte := "avc1", "avcC", 4
	if t.Codec == demux.H265 {
		name, child, lengthByte = "hvc1", "hvcC", 21
	}
	if len(t.Config) <= lengthByte+1 {
		return nil, fmt.Errorf("decoder record of %d bytes is too short", len(t.Config))
	}
	if t.Width <= 0 || t.Height <= 0 || t.Width > 0xffff || t.Height > 0xffff {
		return nil, fmt.Errorf("picture of %dx%d cannot be stored", t.Width, t.Height)
	}
	record := append([]byte(nil), t.Config...)
	record[lengthByte] |= 3
	box := mp4.CreateUnknownBox(child, uint64(8+len(record)), record)
	entry := mp4.CreateVisualSampleEntryBox(name, uint16(t.Width), uint16(t.Height), box)
	entry.CompressorName = ""
	return entry, nil
}

func audioEntry(name string, t *Track, child mp4.Box) mp4.Box {
	rate := t.Rate
	if rate > 0xffff {
		rate = 0 // 16.16 has no room for it; the codec's configuration and the timescale say it
	}
	return mp4.CreateAudioSampleEntryBox(name, uint16(t.Channels), 16, uint16(rate), child)
}

// mp3ESDS describes MPEG audio: object type 0x6B is MPEG-1's, 0x69 that of the
// half rates of MPEG-2 (ISO/IEC 14496-1 §7.2.6.6).
func mp3ESDS(rate int) mp4.Box {
	e := mp4.CreateEsdsBox(nil)
	e.DecConfigDescriptor.DecSpecificInfo = nil
	e.DecConfigDescriptor.ObjectType = 0x6b
	if rate < 32000 {
		e.DecConfigDescriptor.ObjectType = 0x69
	}
	return e
}

const streamInfoSize = 34

// flacBox makes dfLa (Encapsulation of FLAC in ISOBMFF §3.3.2), whose only metadata block is
// STREAMINFO.
func flacBox(info []byte) mp4.Box {
	return &mp4.DfLaBox{MetadataBlocks: []mp4.FLACMetadataBlock{{LastMetadataBlockFlag: true, Length: streamInfoSize, BlockData: info}}}
}

// opusBox turns OpusHead (RFC 7845 §5.1, little endian) into dOps (Opus in
// ISOBMFF §4.3.2, big endian). Only the one- and two-channel family 0 exists in FLV.
func opusBox(head []byte) (mp4.Box, error) {
	if len(head) < 19 || string(head[:8]) != "OpusHead" || head[18] != 0 {
		return nil, errors.New("OpusHead is missing or of a channel mapping that is not stored")
	}
	return &mp4.DopsBox{
		OutputChannelCount: head[9],
		PreSkip:            binary.LittleEndian.Uint16(head[10:]),
		InputSampleRate:    binary.LittleEndian.Uint32(head[12:]),
		OutputGain:         int16(binary.LittleEndian.Uint16(head[16:])),
	}, nil
}
