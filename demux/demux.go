// SPDX-License-Identifier: LGPL-2.1-or-later

// Package demux holds the vocabulary of elementary streams that every other
// part of xp2p speaks: kinds, codecs and access units. The container itself is
// in demux/flv, the parameter sets of H.264 and H.265 in demux/h26x.
//
// demux imports nothing else of xp2p.
package demux

import "time"

// Kind says which of the tracks of a stream a unit belongs to.
type Kind uint8

const (
	Video Kind = iota + 1
	Audio
	// Data is script data (onMetaData and the like); it has no track.
	Data
)

func (k Kind) String() string {
	switch k {
	case Video:
		return "video"
	case Audio:
		return "audio"
	case Data:
		return "data"
	}
	return "unknown"
}

// Codec names the coding of a unit's bytes. The zero value is a codec that this
// program does not know: such units are reported, never fatal.
type Codec uint8

const (
	CodecUnknown Codec = iota
	H264               // Data: NAL units, each behind a 4-byte length (ISO/IEC 14496-15 §5.3.2); config: AVCDecoderConfigurationRecord
	H265               // Data: as H264 (ISO/IEC 14496-15 §8.3.2); config: HEVCDecoderConfigurationRecord
	AAC                // Data: one raw access unit, no ADTS; config: AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1)
	MP3                // Data: one MPEG audio frame
	ALaw               // Data: G.711 A-law bytes
	MuLaw              // Data: G.711 mu-law bytes
	PCM                // Data: signed 16-bit little-endian samples
	Opus               // Data: one Opus packet; config: OpusHead (RFC 7845 §5.1)
	FLAC               // Data: one FLAC frame; config: STREAMINFO (RFC 9639 §8.2). For browsers, in place of G.711: no stream is read that has it
)

var codecNames = [...]string{"unknown", "h264", "h265", "aac", "mp3", "alaw", "mulaw", "pcm", "opus", "flac"}

func (c Codec) String() string {
	if int(c) < len(codecNames) {
		return codecNames[c]
	}
	return codecNames[0]
}

// Unit is one access unit (a coded picture, an audio frame), a decoder
// configuration or a piece of script data.
type Unit struct {
	Kind  Kind
	Codec Codec
	// Config: Data is the decoder's configuration, not media.
	Config bool
	// Key: decoding can start here. Set on every audio frame.
	Key bool
	// EndOfSequence: the sender says that its coded sequence ends; Data is empty.
	EndOfSequence bool
	// DTS is the decoding time, unwrapped: it does not jump where the container's counter wraps.
	DTS time.Duration
	// CTS is the presentation time less DTS; it may be negative.
	CTS time.Duration
	// Rate and Channels of audio as the container states them, 0 where it does not
	// (AAC and Opus state theirs in the config).
	Rate     int
	Channels int
	// Data is the coded bytes in the form that the codec's comment gives.
	// Its owner is whoever produced the unit; see there how long it may be kept.
	Data []byte
}

// PTS is the presentation time.
func (u *Unit) PTS() time.Duration { return u.DTS + u.CTS }
