// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/session"
)

// listening is the camera's side of talkback.
type listening struct {
	heard chan []byte   // one whole body each
	stop  chan struct{} // close: do not listen any more
	query chan string
}

func newListening() *listening {
	return &listening{heard: make(chan []byte, 4), stop: make(chan struct{}), query: make(chan string, 4)}
}

func (h *listening) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.query <- r.Method + " " + r.URL.RequestURI()
	w.Header().Set("X-Xp2p-Audio", "alaw;rate=8000;channels=1")
	w.WriteHeader(http.StatusOK)
	http.NewResponseController(w).Flush()
	all := make(chan []byte, 1)
	go func() { b, _ := io.ReadAll(r.Body); all <- b }()
	select {
	case b := <-all:
		h.heard <- b
	case <-h.stop:
		r.Body.Close()
		<-all
	}
}

func alaw(at time.Duration) *demux.Unit {
	return &demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Rate: 8000, Channels: 1, DTS: at, Data: bytes.Repeat([]byte{0xd5}, 160)}
}

func TestVoice(t *testing.T) {
	cam := newListening()
	s := newScripted(t, cam).service(session.StreamInfo{})
	for round, way := range []string{"units", "bytes"} {
		v, err := s.StartVoice(t.Context(), session.VoiceRequest{Channel: 2, Params: "requester=me"})
		if err != nil {
			t.Fatal(err)
		}
		if q := <-cam.query; q != "POST /voice?channel=2&requester=me" {
			t.Errorf("request %s", q)
		}
		if f := v.Format(); f != (session.AudioFormat{Codec: demux.ALaw, Rate: 8000, Channels: 1}) {
			t.Errorf("the camera takes %v", f)
		}
		_, err = s.StartVoice(t.Context(), session.VoiceRequest{})
		wantCode(t, err, session.AlreadyStarted)
		var want []byte
		if way == "units" {
			want = flv.AppendHeader(nil, false, true)
			for i := range 50 {
				u := alaw(time.Duration(i) * 20 * time.Millisecond)
				want, _ = flv.AppendUnit(want, u, flv.WriteOptions{})
				if err := v.WriteUnit(u); err != nil {
					t.Fatal(err)
				}
			}
			if err := v.WriteUnit(&demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Rate: 44100, Data: []byte{1}}); !errors.Is(err, flv.ErrRate) {
				t.Errorf("a unit that FLV cannot carry: %v", err)
			}
		} else {
			want = bytes.Repeat([]byte("any FLV at all"), 10000)
			if _, err := v.Write(want); err != nil {
				t.Fatal(err)
			}
		}
		if err := v.Close(); err != nil {
			t.Errorf("round %d: close: %v", round, err)
		}
		if got := <-cam.heard; !bytes.Equal(got, want) {
			t.Errorf("round %d: the camera heard %d bytes of %d", round, len(got), len(want))
		}
		if err := v.Close(); err != nil {
			t.Errorf("closed again: %v", err)
		}
		if _, err := v.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
		if err := v.WriteUnit(alaw(0)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
		v.Abort()
	}
	if err := s.StopVoice(); err != nil {
		t.Errorf("stop without a voice: %v", err)
	}
}

func TestVoiceIsCutOff(t *testing.T) {
	talk := func(v *session.Voice) error {
		for i := 0; ; i++ {
			if err := v.WriteUnit(alaw(time.Duration(i) * 20 * time.Millisecond)); err != nil {
				return err
			}
		}
	}
	for _, tt := range []struct {
		name string
		cut  func(*scripted, *listening, *session.Service, *session.Voice)
		want func(error) bool
	}{
		{"the camera stops to listen", func(_ *scripted, h *listening, _ *session.Service, _ *session.Voice) { close(h.stop) },
			func(err error) bool { return strings.Contains(err.Error(), "does not listen") }},
		{"the link goes", func(c *scripted, _ *listening, _ *session.Service, _ *session.Voice) { c.HangUp() },
			func(err error) bool {
				c, _ := session.CodeOf(err)
				return c == session.VoiceFailed && !errors.Is(err, net.ErrClosed)
			}},
		{"abort", func(_ *scripted, _ *listening, _ *session.Service, v *session.Voice) { v.Abort() },
			func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		{"the service closes", func(_ *scripted, _ *listening, s *session.Service, _ *session.Voice) { s.Close() },
			func(err error) bool { return errors.Is(err, net.ErrClosed) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newListening()
			c := newScripted(t, h)
			s := c.service(session.StreamInfo{})
			v, err := s.StartVoice(t.Context(), session.VoiceRequest{})
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- talk(v) }()
			<-h.query
			tt.cut(c, h, s, v)
			if err := <-ended; !tt.want(err) {
				t.Errorf("the talker was told: %v", err)
			}
			<-v.Done()
			v.Close()
		})
	}
}

func TestVoiceRefused(t *testing.T) {
	answer := func(status int, audio string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Xp2p-Audio", audio)
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"status":"%d","error":"because %d"}`, status, status)
		})
	}
	c := newScripted(t, answer(405, ""))
	s := c.service(session.StreamInfo{})
	for _, tt := range []struct {
		status int
		audio  string
		req    session.VoiceRequest
		want   session.Code
		text   string
	}{
		{405, "", session.VoiceRequest{}, session.VoiceFailed, "because 405"},
		{403, "", session.VoiceRequest{}, session.VoiceFailed, "because 403"},
		{404, "", session.VoiceRequest{Channel: 99}, session.VoiceFailed, "because 404"},
		{406, "", session.VoiceRequest{}, session.NotSupported, "because 406"},
		{409, "", session.VoiceRequest{}, session.AlreadyStarted, "because 409"},
		{200, "", session.VoiceRequest{}, session.VoiceFailed, "X-Xp2p-Audio"},
		{200, "smell", session.VoiceRequest{}, session.VoiceFailed, "smell"},
		{200, "alaw", session.VoiceRequest{Channel: -1}, session.BadArgument, "channel -1"},
		{200, "alaw", session.VoiceRequest{Params: "%zz"}, session.BadArgument, "%zz"},
	} {
		c.Handle(answer(tt.status, tt.audio))
		_, err := s.StartVoice(t.Context(), tt.req)
		wantCode(t, err, tt.want)
		if err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%d %q: %v", tt.status, tt.audio, err)
		}
		var no *session.Refusal
		if errors.As(err, &no) != (tt.status != 200) || no != nil && no.Status != tt.status {
			t.Errorf("%d: the status that can be read is %+v", tt.status, no)
		}
	}
	c.Handle(newListening())
	v, err := s.StartVoice(t.Context(), session.VoiceRequest{})
	if err != nil {
		t.Fatalf("afterwards: %v", err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

var audioFormats = []struct {
	in   string
	want session.AudioFormat // zero: refused
}{
	{"alaw;rate=8000;channels=1", session.AudioFormat{Codec: demux.ALaw, Rate: 8000, Channels: 1}},
	{"mulaw", session.AudioFormat{Codec: demux.MuLaw, Rate: 8000, Channels: 1}},
	{"AAC; Rate=44100; channels=2; profile=lc", session.AudioFormat{Codec: demux.AAC, Rate: 44100, Channels: 2}},
	{"pcm;rate=16000", session.AudioFormat{Codec: demux.PCM, Rate: 16000, Channels: 1}},
	{"", session.AudioFormat{}},
	{"opus", session.AudioFormat{}},
	{"alaw;rate=0", session.AudioFormat{}},
	{"alaw;rate=fast", session.AudioFormat{}},
	{"alaw;rate=99999999999999999999", session.AudioFormat{}},
	{"alaw;channels=9", session.AudioFormat{}},
	{"alaw;" + strings.Repeat("x", 200), session.AudioFormat{}},
}

func TestParseAudioFormat(t *testing.T) {
	for _, tt := range audioFormats {
		got, err := session.ParseAudioFormat(tt.in)
		if got != tt.want || (err == nil) != (tt.want != session.AudioFormat{}) {
			t.Errorf("%.40q: %v, %v", tt.in, got, err)
		}
	}
}

func FuzzParseAudioFormat(f *testing.F) {
	for _, tt := range audioFormats {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := session.ParseAudioFormat(in)
		if err != nil {
			return
		}
		if again, err := session.ParseAudioFormat(got.String()); err != nil || again != got {
			t.Errorf("%q: %v, and again %v, %v", in, got, again, err)
		}
	})
}
