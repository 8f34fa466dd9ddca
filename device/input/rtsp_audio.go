package input

import (
	"fmt"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtplpcm"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/g711"
	"github.com/pion/rtp"

	"github.com/xp2p/xp2p/demux"
)

// g711Rate is the only rate in Hz that FLV has for G.711.
const g711Rate = 8000

// rtpG711 makes a unit of every packet of A-law or mu-law (RFC 3551 §4.5.14).
type rtpG711 struct {
	codec    demux.Codec
	channels int
}

func newRTPG711(f *format.G711) (*rtpG711, error) {
	if f.SampleRate != g711Rate || f.ChannelCount > 2 {
		return nil, fmt.Errorf("%w: G.711 at %d Hz with %d channels", errTrack, f.SampleRate, f.ChannelCount)
	}
	g := &rtpG711{codec: demux.ALaw, channels: f.ChannelCount}
	if f.MULaw {
		g.codec = demux.MuLaw
	}
	return g, nil
}

func (g *rtpG711) packet(pkt *rtp.Packet, pts int64, emit func(*demux.Unit) error) error {
	if len(pkt.Payload) == 0 {
		return nil
	}
	return emit(&demux.Unit{
		Kind: demux.Audio, Codec: g.codec, Key: true, DTS: ticks(pts, g711Rate),
		Rate: g711Rate, Channels: g.channels, Data: pkt.Payload,
	})
}

// rtpLPCM makes units of L16 (RFC 3551 §4.5.11): A-law at 8 kHz, where FLV has
// no PCM, and little-endian PCM at the rates that FLV has.
type rtpLPCM struct {
	decoder  *rtplpcm.Decoder
	rate     int
	channels int
	swapped  []byte // reused
}

func newRTPLPCM(f *format.LPCM) (*rtpLPCM, error) {
	switch f.SampleRate {
	case g711Rate, 11025, 22050, 44100:
	default:
		return nil, fmt.Errorf("%w: PCM at %d Hz", errTrack, f.SampleRate)
	}
	if f.BitDepth != 16 || f.ChannelCount < 1 || f.ChannelCount > 2 {
		return nil, fmt.Errorf("%w: PCM of %d bits with %d channels", errTrack, f.BitDepth, f.ChannelCount)
	}
	d, err := f.CreateDecoder()
	if err != nil {
		return nil, err
	}
	return &rtpLPCM{decoder: d, rate: f.SampleRate, channels: f.ChannelCount}, nil
}

func (l *rtpLPCM) packet(pkt *rtp.Packet, pts int64, emit func(*demux.Unit) error) error {
	samples, err := l.decoder.Decode(pkt)
	if err != nil || len(samples) == 0 {
		return err
	}
	u := demux.Unit{
		Kind: demux.Audio, Codec: demux.PCM, Key: true, DTS: ticks(pts, l.rate),
		Rate: l.rate, Channels: l.channels,
	}
	if l.rate == g711Rate {
		u.Codec = demux.ALaw
		if u.Data, err = g711.Alaw(samples).Marshal(); err != nil {
			return err
		}
		return emit(&u)
	}
	l.swapped = append(l.swapped[:0], samples...)
	for i := 0; i+1 < len(l.swapped); i += 2 {
		l.swapped[i], l.swapped[i+1] = l.swapped[i+1], l.swapped[i]
	}
	u.Data = l.swapped
	return emit(&u)
}

// opusRate is the RTP clock of Opus in Hz, whatever its sampling rate is (RFC 7587 §4.1).
const opusRate = 48000

// rtpOpus makes a unit of every packet of Opus.
type rtpOpus struct {
	channels int
	started  bool
}

func newRTPOpus(f *format.Opus) *rtpOpus { return &rtpOpus{channels: max(1, f.ChannelCount)} }

func (o *rtpOpus) packet(pkt *rtp.Packet, pts int64, emit func(*demux.Unit) error) error {
	if len(pkt.Payload) == 0 {
		return nil
	}
	u := demux.Unit{Kind: demux.Audio, Codec: demux.Opus, DTS: ticks(pts, opusRate)}
	if !o.started {
		config := u
		config.Config, config.Data = true, opusHead(o.channels)
		if err := emit(&config); err != nil {
			return err
		}
		o.started = true
	}
	u.Key, u.Data = true, pkt.Payload
	return emit(&u)
}

// opusHead is the identification header of a stream (RFC 7845 §5.1). RTP says
// nothing about samples to skip or gain.
func opusHead(channels int) []byte {
	const version, mapping = 1, 0
	return append([]byte("OpusHead"),
		version, byte(channels),
		0, 0, // pre-skip
		opusRate&0xff, opusRate>>8&0xff, opusRate>>16, 0,
		0, 0, // gain
		mapping)
}
