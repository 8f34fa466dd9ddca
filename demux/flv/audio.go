package flv

import "github.com/xp2p/xp2p/demux"

// Formats in the high half of the first byte of an audio body. 13 for Opus is
// not in the specification.
const (
	audioPCMNative = 0 // byte order of the machine that wrote it: nobody can tell
	audioMP3       = 2
	audioPCM       = 3 // little-endian
	audioALaw      = 7
	audioMuLaw     = 8
	audioEx        = 9 // the low half is a packet type, a FourCC follows
	audioAAC       = 10
	audioOpus      = 13
	audioMP3At8k   = 14
)

// The low half: rate 2, 16 bit 1, stereo 1.
const (
	audio16Bit  = 0x02
	audioStereo = 0x01
)

// audioRates are the rates in Hz that the two rate bits can say.
var audioRates = [4]int{5512, 11025, 22050, 44100}

const (
	g711Rate = 8000
	opusRate = 48000
)

// audio decodes the body p of an audio tag into u, whose Kind and DTS are set.
func audio(p []byte, u *demux.Unit) error {
	if len(p) < 2 {
		return ErrShortBody
	}
	format, flags := p[0]>>4, p[0]&0x0f
	if format == audioEx {
		return exAudio(flags, p, u)
	}
	if format == audioAAC {
		return aac(p[1], p[2:], u)
	}
	u.Key = true
	u.Rate = audioRates[flags>>2]
	u.Channels = 1 + int(flags&audioStereo)
	u.Data = p[1:]
	switch format {
	case audioMP3:
		u.Codec = demux.MP3
	case audioMP3At8k:
		u.Codec, u.Rate = demux.MP3, g711Rate
	case audioALaw:
		u.Codec, u.Rate = demux.ALaw, g711Rate
	case audioMuLaw:
		u.Codec, u.Rate = demux.MuLaw, g711Rate
	case audioOpus:
		u.Codec, u.Rate = demux.Opus, opusRate
	case audioPCM:
		if flags&audio16Bit == 0 {
			return nil // unsigned 8-bit samples: no codec of ours
		}
		u.Codec = demux.PCM
		if len(u.Data)%(2*u.Channels) != 0 {
			return ErrSampleSize
		}
	}
	return nil
}

func aac(typ byte, data []byte, u *demux.Unit) error {
	u.Codec, u.Data = demux.AAC, data
	switch typ {
	case packetConfig:
		if len(data) < 2 {
			return ErrShortBody
		}
		u.Config = true
	case packetFrames:
		if len(data) == 0 {
			return ErrShortBody
		}
		u.Key = true
	default:
		return ErrPacketType
	}
	return nil
}

// exAudio decodes an enhanced body; see exVideo for what it does not know.
func exAudio(typ byte, p []byte, u *demux.Unit) error {
	if len(p) < exHeaderSize {
		return ErrShortBody
	}
	data := p[exHeaderSize:]
	u.Data = data
	switch string(p[1:exHeaderSize]) {
	case "Opus":
		u.Codec = demux.Opus
	case "mp4a":
		u.Codec = demux.AAC
	case ".mp3":
		u.Codec = demux.MP3
	default:
		return nil
	}
	switch typ {
	case packetConfig:
		u.Config = true
	case packetFrames:
		u.Key = true
	case packetEnd:
		u.EndOfSequence, u.Data = true, nil
		return nil
	default:
		u.Codec = demux.CodecUnknown
		return nil
	}
	if len(data) == 0 {
		return ErrShortBody
	}
	return nil
}
