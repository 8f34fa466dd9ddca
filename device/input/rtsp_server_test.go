package input

import (
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/h26x"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// timedPacket is a packet of the camera's media with that index.
type timedPacket struct {
	media int
	pkt   *rtp.Packet
}

// rtspCamera is an RTSP server that plays its packets to the first viewer and
// then falls silent.
type rtspCamera struct {
	addr     string
	password string // of "admin"; "": anyone may look
	server   *gortsplib.Server
	stream   *gortsplib.ServerStream
	packets  []timedPacket
	feedback chan rtcp.Packet // what viewers send, as far as it has room; nil: not wanted
	once     sync.Once
	done     chan struct{}
	wg       sync.WaitGroup
}

func startCamera(t *testing.T, c *rtspCamera, medias ...*description.Media) {
	t.Helper()
	c.done = make(chan struct{})
	c.server = &gortsplib.Server{
		Handler:        c,
		RTSPAddress:    "127.0.0.1:0",
		WriteQueueSize: 1 << 14,
		Listen: func(network, address string) (net.Listener, error) {
			l, err := net.Listen(network, address)
			if err == nil {
				c.addr = l.Addr().String()
			}
			return l, err
		},
	}
	if err := c.server.Start(); err != nil {
		t.Fatal(err)
	}
	c.stream = &gortsplib.ServerStream{Server: c.server, Desc: &description.Session{Medias: medias}}
	if err := c.stream.Initialize(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(c.done)
		c.stream.Close()
		c.server.Close()
		c.wg.Wait()
	})
}

func (c *rtspCamera) answer(conn *gortsplib.ServerConn, req *base.Request) (*base.Response, *gortsplib.ServerStream, error) {
	if c.password != "" && !conn.VerifyCredentials(req, "admin", c.password) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	if req.URL.Path == "/none" {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c *rtspCamera) OnDescribe(x *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return c.answer(x.Conn, x.Request)
}

func (c *rtspCamera) OnSetup(x *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if x.Transport.Protocol != gortsplib.ProtocolTCP {
		return &base.Response{StatusCode: base.StatusUnsupportedTransport}, nil, nil
	}
	return c.answer(x.Conn, x.Request)
}

func (c *rtspCamera) OnPlay(x *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	if c.feedback != nil {
		x.Session.OnPacketRTCPAny(func(_ *description.Media, p rtcp.Packet) {
			select {
			case c.feedback <- p:
			default:
			}
		})
	}
	c.once.Do(func() { c.wg.Go(c.play) })
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func (c *rtspCamera) play() {
	for _, p := range c.packets {
		select {
		case <-c.done:
			return
		case <-time.After(100 * time.Microsecond):
		}
		if c.stream.WritePacketRTP(c.stream.Desc.Medias[p.media], p.pkt) != nil {
			return
		}
	}
}

// add packs a unit's packets behind those there are.
func (c *rtspCamera) add(t *testing.T, media int, rtpTime int64, pkts []*rtp.Packet, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pkts {
		p.Timestamp += uint32(rtpTime)
		c.packets = append(c.packets, timedPacket{media, p})
	}
}

// movie is a camera of pictures and AAC, with what it will play.
func movie(t *testing.T, kind testmedia.Kind, o testmedia.Options, inBand bool) (*rtspCamera, []*description.Media, []demux.Unit) {
	t.Helper()
	units, err := testmedia.Units(testmedia.MP4(t, kind, 2, o))
	if err != nil {
		t.Fatal(err)
	}
	configOf := func(k demux.Kind) []byte {
		return units[slices.IndexFunc(units, func(u demux.Unit) bool { return u.Kind == k && u.Config })].Data
	}
	video, encode, sets := videoFormat(t, kind, configOf(demux.Video), inBand)
	var asc mpeg4audio.AudioSpecificConfig
	if err := asc.Unmarshal(configOf(demux.Audio)); err != nil {
		t.Fatal(err)
	}
	audio := &format.MPEG4Audio{PayloadTyp: 97, Config: &asc, SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3}
	audioEnc, err := audio.CreateEncoder()
	if err != nil {
		t.Fatal(err)
	}
	c := new(rtspCamera)
	for _, u := range units {
		switch {
		case u.Config:
		case u.Kind == demux.Video:
			nals := slices.Collect(h26x.NALs(u.Data))
			if inBand && u.Key {
				nals = slices.Concat(sets, nals)
			}
			pkts, err := encode(nals)
			c.add(t, 0, int64(u.PTS()*videoClock/time.Second), pkts, err)
		default:
			pkts, err := audioEnc.Encode([][]byte{u.Data})
			c.add(t, 1, int64(u.DTS*time.Duration(asc.SampleRate)/time.Second), pkts, err)
		}
	}
	return c, []*description.Media{
		{Type: description.MediaTypeVideo, Formats: []format.Format{video}},
		{Type: description.MediaTypeAudio, Formats: []format.Format{audio}},
	}, units
}

// videoFormat describes video of that configuration, which the SDP has unless
// inBand is set, and says how to pack it.
func videoFormat(t *testing.T, kind testmedia.Kind, config []byte, inBand bool) (format.Format, func([][]byte) ([]*rtp.Packet, error), [][]byte) {
	t.Helper()
	if kind == testmedia.H265Legacy {
		c, err := h26x.ParseHVCC(config)
		if err != nil {
			t.Fatal(err)
		}
		f := &format.H265{PayloadTyp: 96}
		if !inBand {
			f.VPS, f.SPS, f.PPS = c.VPS[0], c.SPS[0], c.PPS[0]
		}
		e, err := f.CreateEncoder()
		if err != nil {
			t.Fatal(err)
		}
		return f, e.Encode, [][]byte{c.VPS[0], c.SPS[0], c.PPS[0]}
	}
	c, err := h26x.ParseAVCC(config)
	if err != nil {
		t.Fatal(err)
	}
	f := &format.H264{PayloadTyp: 96, PacketizationMode: 1}
	if !inBand {
		f.SPS, f.PPS = c.SPS[0], c.PPS[0]
	}
	e, err := f.CreateEncoder()
	if err != nil {
		t.Fatal(err)
	}
	return f, e.Encode, [][]byte{c.SPS[0], c.PPS[0]}
}
