package input

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtp"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// Every picture and sound arrives whole, with the presentation times it had.
func TestRTSP(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   testmedia.Kind
		o      testmedia.Options
		inBand bool
	}{
		{"h264", testmedia.H264AAC, testmedia.Options{GOP: 25}, false},
		{"h264, parameter sets in the stream", testmedia.H264AAC, testmedia.Options{GOP: 25}, true},
		{"h264, B-frames", testmedia.H264AAC, testmedia.Options{GOP: 25, BFrames: 2}, false},
		{"h265", testmedia.H265Legacy, testmedia.Options{GOP: 25}, false},
		{"h265, B-frames, parameter sets in the stream", testmedia.H265Legacy, testmedia.Options{GOP: 25, BFrames: 2}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cam, medias, want := movie(t, c.kind, c.o, c.inBand)
			startCamera(t, cam, medias...)
			s := open(t, "rtsp://"+cam.addr+"/ch1", Options{})
			r := flv.NewReader(s, flv.Options{Strict: true})

			var tag flv.Tag
			var got demux.Unit
			var last, shift time.Duration
			began := false
			for _, u := range want {
				if u.Kind != demux.Video || u.Config {
					continue
				}
				for {
					if err := r.Next(&tag, &got); err != nil {
						t.Fatal(err)
					}
					if got.Kind == demux.Video && !got.Config {
						break
					}
				}
				if !began {
					began, shift = true, got.PTS()-u.PTS()
				}
				if !bytes.Equal(got.Data, u.Data) || got.Key != u.Key {
					t.Errorf("picture at %v: %d bytes, key %v; want %d bytes, key %v",
						u.PTS(), len(got.Data), got.Key, len(u.Data), u.Key)
				}
				if d := got.PTS() - u.PTS() - shift; d < -time.Millisecond || d > time.Millisecond {
					t.Errorf("picture at %v is shown %v late", u.PTS(), d)
				}
				if got.DTS < last || got.CTS < 0 {
					t.Errorf("picture at %v: DTS %v after %v, CTS %v", u.PTS(), got.DTS, last, got.CTS)
				}
				last = got.DTS
			}
		})
	}
}

func TestRTSPAudio(t *testing.T) {
	aac := &mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 16000, ChannelCount: 1}
	latm := &mpeg4audio.StreamMuxConfig{Programs: []*mpeg4audio.StreamMuxConfigProgram{{
		Layers: []*mpeg4audio.StreamMuxConfigLayer{{AudioSpecificConfig: aac, LatmBufferFullness: 255}},
	}}}
	element, err := mpeg4audio.AudioMuxElement{StreamMuxConfig: latm, Payloads: [][][][]byte{{{{1, 2, 3, 4}}}}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	samples := []byte{0x01, 0x00, 0x02, 0x00}
	for _, c := range []struct {
		name    string
		format  format.Format
		payload []byte
		want    demux.Unit
		config  string
	}{
		{"a-law", &format.G711{PayloadTyp: 8, SampleRate: 8000, ChannelCount: 1}, []byte{1, 2, 3},
			demux.Unit{Codec: demux.ALaw, Rate: 8000, Channels: 1, Data: []byte{1, 2, 3}}, ""},
		{"mu-law", &format.G711{PayloadTyp: 0, MULaw: true, SampleRate: 8000, ChannelCount: 1}, []byte{1, 2, 3},
			demux.Unit{Codec: demux.MuLaw, Rate: 8000, Channels: 1, Data: []byte{1, 2, 3}}, ""},
		{"lpcm", &format.LPCM{PayloadTyp: 96, BitDepth: 16, SampleRate: 44100, ChannelCount: 2}, samples,
			demux.Unit{Codec: demux.PCM, Rate: 44100, Channels: 2, Data: []byte{0, 1, 0, 2}}, ""},
		{"lpcm at 8 kHz", &format.LPCM{PayloadTyp: 96, BitDepth: 16, SampleRate: 8000, ChannelCount: 1}, make([]byte, 4),
			demux.Unit{Codec: demux.ALaw, Rate: 8000, Channels: 1, Data: []byte{0xd5, 0xd5}}, ""},
		{"opus", &format.Opus{PayloadTyp: 96, ChannelCount: 2}, []byte{0xfc, 1, 2},
			demux.Unit{Codec: demux.Opus, Data: []byte{0xfc, 1, 2}}, "OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00"},
		{"aac, latm", &format.MPEG4AudioLATM{PayloadTyp: 96, ProfileLevelID: 1, StreamMuxConfig: latm}, element,
			demux.Unit{Codec: demux.AAC, Data: []byte{1, 2, 3, 4}}, "\x14\x08"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cam := new(rtspCamera)
			for i := range 3 {
				cam.add(t, 0, int64(i*160), []*rtp.Packet{{
					Header:  rtp.Header{Version: 2, Marker: true, PayloadType: c.format.PayloadType(), SequenceNumber: uint16(i), SSRC: 1},
					Payload: c.payload,
				}}, nil)
			}
			startCamera(t, cam, &description.Media{Type: description.MediaTypeAudio, Formats: []format.Format{c.format}})
			r := flv.NewReader(open(t, "rtsp://"+cam.addr+"/", Options{}), flv.Options{Strict: true})
			var tag flv.Tag
			var u demux.Unit
			if c.config != "" {
				if err := r.Next(&tag, &u); err != nil {
					t.Fatal(err)
				}
				if !u.Config || string(u.Data) != c.config {
					t.Errorf("configuration %+v, want % x", u, c.config)
				}
			}
			if err := r.Next(&tag, &u); err != nil {
				t.Fatal(err)
			}
			if u.Codec != c.want.Codec || u.Rate != c.want.Rate || u.Channels != c.want.Channels || !bytes.Equal(u.Data, c.want.Data) {
				t.Errorf("got %+v, want %+v", u, c.want)
			}
		})
	}
}

func TestRTSPErrors(t *testing.T) {
	cam, medias, _ := movie(t, testmedia.H264AAC, testmedia.Options{}, false)
	cam.password = "secret"
	startCamera(t, cam, medias...)
	for url, says := range map[string]string{
		"rtsp://" + cam.addr + "/ch1":                     "401",
		"rtsp://admin:topsecret@" + cam.addr + "/ch1":     "401",
		"rtsp://admin:secret@" + cam.addr + "/none?a=key": "404",
	} {
		err := refuse(t, url, Options{})
		if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", url, err, says)
		}
	}
	s := open(t, "rtsp://admin:secret@"+cam.addr+"/ch1", Options{})
	watch(t, s, 20, 20)

	other := new(rtspCamera)
	startCamera(t, other, &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.VP8{PayloadTyp: 96}}})
	if err := refuse(t, "rtsp://"+other.addr+"/", Options{}); !strings.Contains(err.Error(), "VP8") {
		t.Errorf("a camera of VP8: %v", err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	url := "rtsp://" + l.Addr().String() + "/mute"
	if err := refuse(t, url, Options{IdleTimeout: soon}); !strings.Contains(err.Error(), "timed out") {
		t.Errorf("a mute server: %v", err)
	}
	in, err := Parse(url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if _, err := in.Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a deadline: %v", err)
	}
}

func TestRTSPEnds(t *testing.T) {
	cam, medias, _ := movie(t, testmedia.H264AAC, testmedia.Options{}, false)
	startCamera(t, cam, medias...)
	s := open(t, "rtsp://"+cam.addr+"/", Options{})
	watch(t, s, 5, 5)
	closeWakes(t, s)

	cam, medias, _ = movie(t, testmedia.H264AAC, testmedia.Options{}, false)
	startCamera(t, cam, medias...)
	s = open(t, "rtsp://"+cam.addr+"/", Options{})
	watch(t, s, 5, 5)
	cam.server.Close()
	if _, err := io.Copy(io.Discard, s); errors.Is(err, net.ErrClosed) {
		t.Errorf("the server went away: %v", err)
	}
}

// What a hostile camera may put into its access units harms nobody.
func FuzzRTPVideo(f *testing.F) {
	f.Add([]byte{0x67, 0x64, 0, 0x1e}, []byte{0x68, 1}, []byte{0x65, 0x88}, []byte{0x41, 0x9a})
	f.Add([]byte{0x42, 1, 1}, []byte{0x44, 1}, []byte{0x26, 1}, []byte{2, 1})
	f.Fuzz(func(t *testing.T, a, b, c, d []byte) {
		h264, err := newRTPH264(&format.H264{PayloadTyp: 96, PacketizationMode: 1})
		if err != nil {
			t.Fatal(err)
		}
		h265, err := newRTPH265(&format.H265{PayloadTyp: 96})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []*rtpVideo{h264, h265} {
			var out []byte
			emit := func(u *demux.Unit) error {
				var err error
				out, err = flv.AppendUnit(out, u, flv.WriteOptions{})
				return err
			}
			for i, au := range [][][]byte{{a, b, c}, {d}, {a, b, c}, {c, d}} {
				v.accessUnit(au, int64(i)*3600, emit)
			}
		}
	})
}
