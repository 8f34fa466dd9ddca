// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg1audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
	"github.com/xp2p/xp2p/demux"
)

// Bounds of what an audio track may claim.
const (
	maxRate     = 192000
	maxChannels = 8
)

// AudioTrack describes the audio that u belongs to: u is a configuration (AAC,
// Opus) or the first frame of a codec that has none. The configuration is copied.
// An error means that audio of this kind cannot be recorded.
func AudioTrack(u *demux.Unit) (Track, error) {
	t := Track{Codec: u.Codec, Rate: u.Rate, Channels: max(u.Channels, 1)}
	switch u.Codec {
	case demux.AAC:
		var asc mpeg4audio.AudioSpecificConfig
		if err := asc.Unmarshal(u.Data); err != nil {
			return t, fmt.Errorf("AudioSpecificConfig: %w", err)
		}
		t.Rate, t.Channels = asc.SampleRate, max(asc.ChannelCount, 1)
		t.Config = append([]byte(nil), u.Data...)
	case demux.Opus:
		if _, err := opusBox(u.Data); err != nil {
			return t, err
		}
		t.Rate, t.Channels = 48000, int(u.Data[9])
		t.Config = append([]byte(nil), u.Data...)
	case demux.MP3:
		var h mpeg1audio.FrameHeader
		if err := h.Unmarshal(u.Data); err != nil {
			return t, fmt.Errorf("MPEG audio header: %w", err)
		}
		t.Rate, t.Channels = h.SampleRate, 2
		if h.ChannelMode == mpeg1audio.ChannelModeMono {
			t.Channels = 1
		}
	case demux.ALaw, demux.MuLaw:
		if t.Rate == 0 {
			t.Rate = 8000 // RFC 3551 §4.5.14; FLV says nothing else
		}
	case demux.PCM:
	default:
		return t, errors.New("codec is not recorded")
	}
	if t.Rate <= 0 || t.Rate > maxRate || t.Channels <= 0 || t.Channels > maxChannels {
		return t, fmt.Errorf("%d Hz, %d channels is out of bounds", t.Rate, t.Channels)
	}
	return t, nil
}

// FrameSamples is the length of one frame of the track in its timescale; 0 for a
// frame that cannot be measured.
func (t *Track) FrameSamples(frame []byte) uint32 {
	switch t.Codec {
	case demux.AAC:
		if len(t.Config) > 1 && t.Config[1]&4 != 0 && t.Config[0]>>3 < 5 { // frameLengthFlag of GASpecificConfig
			return 960
		}
		return 1024
	case demux.MP3:
		if t.Rate < 32000 {
			return 576 // MPEG-2 layer III
		}
		return 1152
	case demux.ALaw, demux.MuLaw:
		return uint32(len(frame) / t.Channels)
	case demux.PCM:
		return uint32(len(frame) / (2 * t.Channels))
	case demux.Opus:
		return uint32(opus.PacketDuration2(frame))
	}
	return 0
}
