package flv

import (
	"fmt"

	"github.com/xp2p/xp2p/demux"
)

// appendAudioHead appends what comes before u.Data in the body of an audio tag.
func appendAudioHead(dst []byte, u *demux.Unit) ([]byte, error) {
	if len(u.Data) == 0 && !u.EndOfSequence {
		return dst, fmt.Errorf("flv: write %v: %w", u.Codec, ErrShortBody)
	}
	flags := byte(audio16Bit)
	if u.Channels == 2 {
		flags |= audioStereo
	}
	switch u.Codec {
	case demux.AAC:
		if u.EndOfSequence {
			return append(dst, audioEx<<4|packetEnd, 'm', 'p', '4', 'a'), nil
		}
		typ := byte(packetFrames)
		if u.Config {
			typ = packetConfig
		}
		// Whatever the stream is, AAC says 44.1 kHz, 16 bit, stereo (annex E.4.2.1).
		return append(dst, audioAAC<<4|0x0f, typ), nil
	case demux.Opus:
		typ := byte(packetFrames)
		if u.Config {
			typ = packetConfig
		} else if u.EndOfSequence {
			typ = packetEnd
		}
		return append(dst, audioEx<<4|typ, 'O', 'p', 'u', 's'), nil
	}
	if u.Config || u.EndOfSequence {
		return dst, fmt.Errorf("%w: %v has neither a configuration nor an end", ErrCodec, u.Codec)
	}
	switch u.Codec {
	case demux.ALaw:
		return appendG711Head(dst, audioALaw<<4|flags, u)
	case demux.MuLaw:
		return appendG711Head(dst, audioMuLaw<<4|flags, u)
	case demux.MP3:
		if u.Rate == g711Rate {
			return append(dst, audioMP3At8k<<4|flags), nil
		}
		rate, ok := rateBits(u.Rate)
		if !ok {
			rate = 3 // an MP3 frame states its rate itself
		}
		return append(dst, audioMP3<<4|rate<<2|flags), nil
	case demux.PCM:
		rate, ok := rateBits(u.Rate)
		if !ok {
			return dst, fmt.Errorf("%w: pcm at %d Hz", ErrRate, u.Rate)
		}
		return append(dst, audioPCM<<4|rate<<2|flags), nil
	}
	return dst, fmt.Errorf("%w: audio %v", ErrCodec, u.Codec)
}

// appendG711Head leaves the rate bits 0: G.711 in FLV is 8 kHz (annex E.4.2.1).
func appendG711Head(dst []byte, first byte, u *demux.Unit) ([]byte, error) {
	if u.Rate != 0 && u.Rate != g711Rate {
		return dst, fmt.Errorf("%w: %v at %d Hz", ErrRate, u.Codec, u.Rate)
	}
	return append(dst, first), nil
}

func rateBits(hz int) (byte, bool) {
	for i, r := range audioRates {
		if r == hz {
			return byte(i), true
		}
	}
	return 0, false
}
