package input

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"

	"github.com/xp2p/xp2p/demux"
)

// rtspTrack is one of the camera's tracks that is carried.
type rtspTrack struct {
	media  *description.Media
	format format.Format
	kind   demux.Kind
	rtp    depacketizer
	ssrc   atomic.Uint32 // of the camera's packets; 0: none came yet
}

// depacketizer makes units of RTP packets. pts is the packet's presentation
// time in ticks of the format's clock, unwrapped. It calls emit for each unit;
// an error is the packet's, and the next may be good.
type depacketizer interface {
	packet(pkt *rtp.Packet, pts int64, emit func(*demux.Unit) error) error
}

// errTrack says that FLV cannot carry a track.
var errTrack = errors.New("not carried")

// chooseTracks takes the first video and the first audio format that FLV can
// carry from a camera's description.
func chooseTracks(desc *description.Session, log *slog.Logger) ([]*rtspTrack, error) {
	var tracks []*rtspTrack
	var offered []string
	have := make(map[demux.Kind]bool)
	for _, m := range desc.Medias {
		if m.IsBackChannel {
			continue
		}
		for _, f := range m.Formats {
			offered = append(offered, f.Codec())
			kind, d, err := newDepacketizer(f)
			if err != nil {
				log.Info("track is not carried", "codec", f.Codec(), "reason", err)
				continue
			}
			if have[kind] {
				continue
			}
			have[kind] = true
			tracks = append(tracks, &rtspTrack{media: m, format: f, kind: kind, rtp: d})
			break // a media is set up once
		}
	}
	if len(tracks) == 0 {
		return nil, fmt.Errorf("the camera offers no track that FLV can carry, but %s", strings.Join(offered, ", "))
	}
	return tracks, nil
}

func newDepacketizer(f format.Format) (demux.Kind, depacketizer, error) {
	var d depacketizer
	var err error
	switch f := f.(type) {
	case *format.H264:
		d, err = newRTPH264(f)
		return demux.Video, d, err
	case *format.H265:
		d, err = newRTPH265(f)
		return demux.Video, d, err
	case *format.MPEG4Audio:
		d, err = newRTPAAC(f)
	case *format.MPEG4AudioLATM:
		d, err = newRTPLATM(f)
	case *format.G711:
		d, err = newRTPG711(f)
	case *format.LPCM:
		d, err = newRTPLPCM(f)
	case *format.Opus:
		d = newRTPOpus(f)
	default:
		err = fmt.Errorf("%w: codec", errTrack)
	}
	return demux.Audio, d, err
}

// receive has the client hand the track's packets to the mux.
func (t *rtspTrack) receive(c *gortsplib.Client, m *rtspMux) {
	c.OnPacketRTP(t.media, t.format, func(pkt *rtp.Packet) {
		// The time is not known before the first key frame. What comes before it
		// is dropped for other reasons; what belongs to it is wanted.
		pts, _ := c.PacketPTS(t.media, pkt)
		t.ssrc.Store(pkt.SSRC)
		err := t.rtp.packet(pkt, pts, m.write)
		if err != nil && c.OnDecodeError != nil {
			c.OnDecodeError(err)
		}
	})
}
