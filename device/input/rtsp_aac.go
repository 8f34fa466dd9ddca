package input

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpfragmented"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpmpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtp"

	"github.com/xp2p/xp2p/demux"
)

// aac emits AAC access units and, before the first and where it changes, their
// AudioSpecificConfig.
type aac struct {
	clock  int // Hz of the RTP timestamps
	config []byte
}

// emit emits the access units of one packet, of which the first is at pts.
func (a *aac) emit(config *mpeg4audio.AudioSpecificConfig, units [][]byte, pts int64, emit func(*demux.Unit) error) error {
	asc, err := config.Marshal()
	if err != nil {
		return err
	}
	if !bytes.Equal(asc, a.config) {
		err := emit(&demux.Unit{Kind: demux.Audio, Codec: demux.AAC, Config: true, DTS: ticks(pts, a.clock), Data: asc})
		if err != nil {
			return err
		}
		a.config = asc
	}
	step := int64(mpeg4audio.SamplesPerAccessUnit)
	if config.SampleRate > 0 {
		step = step * int64(a.clock) / int64(config.SampleRate)
	}
	for _, data := range units {
		if len(data) == 0 {
			continue
		}
		if err := emit(&demux.Unit{Kind: demux.Audio, Codec: demux.AAC, Key: true, DTS: ticks(pts, a.clock), Data: data}); err != nil {
			return err
		}
		pts += step
	}
	return nil
}

// rtpAAC is AAC in the packets of RFC 3640 ("MPEG4-GENERIC").
type rtpAAC struct {
	aac
	decoder *rtpmpeg4audio.Decoder
	asc     *mpeg4audio.AudioSpecificConfig
}

func newRTPAAC(f *format.MPEG4Audio) (*rtpAAC, error) {
	if f.Config == nil || f.ClockRate() <= 0 {
		return nil, fmt.Errorf("%w: AAC without its configuration", errTrack)
	}
	d, err := f.CreateDecoder()
	if err != nil {
		return nil, err
	}
	return &rtpAAC{aac: aac{clock: f.ClockRate()}, decoder: d, asc: f.Config}, nil
}

func (a *rtpAAC) packet(pkt *rtp.Packet, pts int64, emit func(*demux.Unit) error) error {
	units, err := a.decoder.Decode(pkt)
	if errors.Is(err, rtpmpeg4audio.ErrMorePacketsNeeded) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.emit(a.asc, units, pts, emit)
}

// rtpLATM is AAC in the packets of RFC 6416 ("MP4A-LATM"). The configuration is
// in the SDP or in the stream.
type rtpLATM struct {
	aac
	decoder *rtpfragmented.Decoder
	element mpeg4audio.AudioMuxElement
}

func newRTPLATM(f *format.MPEG4AudioLATM) (*rtpLATM, error) {
	if f.ClockRate() <= 0 || !f.CPresent && f.StreamMuxConfig == nil {
		return nil, fmt.Errorf("%w: AAC without its configuration", errTrack)
	}
	if f.StreamMuxConfig != nil && !frameLengths(f.StreamMuxConfig) {
		// Also what the library makes of a configuration that announces SBR
		// in the backward compatible way.
		return nil, fmt.Errorf("%w: LATM without frame lengths", errTrack)
	}
	d, err := f.CreateDecoder()
	if err != nil {
		return nil, err
	}
	return &rtpLATM{
		aac: aac{clock: f.ClockRate()}, decoder: d,
		element: mpeg4audio.AudioMuxElement{MuxConfigPresent: f.CPresent, StreamMuxConfig: f.StreamMuxConfig},
	}, nil
}

// frameLengths says whether all frames state their lengths (frameLengthType 0,
// ISO/IEC 14496-3 §1.7.3.2.3), without which they cannot be told apart.
func frameLengths(c *mpeg4audio.StreamMuxConfig) bool {
	for _, p := range c.Programs {
		for _, l := range p.Layers {
			if l.FrameLengthType != 0 {
				return false
			}
		}
	}
	return true
}

func (l *rtpLATM) packet(pkt *rtp.Packet, pts int64, emit func(*demux.Unit) error) error {
	data, err := l.decoder.Decode(pkt)
	if errors.Is(err, rtpfragmented.ErrMorePacketsNeeded) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := l.element.Unmarshal(data); err != nil {
		return err
	}
	programs := l.element.StreamMuxConfig.Programs
	if len(programs) == 0 || len(programs[0].Layers) == 0 || programs[0].Layers[0].AudioSpecificConfig == nil {
		return errors.New("LATM without an audio configuration")
	}
	// The first layer of the first program is the sound; others refine it.
	var units [][]byte
	for _, frame := range l.element.Payloads {
		if len(frame) > 0 && len(frame[0]) > 0 {
			units = append(units, frame[0][0])
		}
	}
	return l.emit(programs[0].Layers[0].AudioSpecificConfig, units, pts, emit)
}
