// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/session"
)

// fakeVoice is a camera's speaker.
type fakeVoice struct {
	heard  bytes.Buffer
	done   chan struct{}
	err    error
	closed int
}

func (f *fakeVoice) Format() session.AudioFormat {
	return session.AudioFormat{Codec: demux.ALaw, Rate: 8000, Channels: 1}
}
func (f *fakeVoice) WriteUnit(u *demux.Unit) error { f.heard.Write(u.Data); return nil }
func (f *fakeVoice) Done() <-chan struct{}         { return f.done }
func (f *fakeVoice) Err() error                    { return f.err }
func (f *fakeVoice) Close() error                  { f.closed++; return nil }

func talkTo(t *testing.T, v *fakeVoice) *NVR {
	peers := &fakePeers{voice: v, file: media(t)}
	n := open(t, Options{Peers: func(context.Context) (Peers, error) { return peers, nil }}, CameraConfig{Name: "gate", Info: "XP2Px%1.0.0"})
	until(t, "the camera is live", func() bool { return status(t, n, "gate").State == StateLive })
	return n
}

func TestTalk(t *testing.T) {
	v := &fakeVoice{done: make(chan struct{})}
	n := talkTo(t, v)
	sound := make([]byte, 2*1600) // 0.2 s
	r, err := n.Talk(t.Context(), TalkRequest{Camera: "gate", Input: io.NopCloser(bytes.NewReader(sound)), Format: "s16le"})
	if err != nil || v.heard.Len() != 1600 || r.Bytes != 1600 || v.closed != 1 {
		t.Errorf("%+v %v, heard %d, closed %d times", r, err, v.heard.Len(), v.closed)
	}
	for name, r := range map[string]TalkRequest{
		"rate":    {Camera: "gate", Format: "s16le", Rate: 44100},
		"format":  {Camera: "gate", Format: "opus"},
		"unknown": {Camera: "gate"},
	} {
		r.Input = io.NopCloser(bytes.NewReader(sound))
		if _, err := n.Talk(t.Context(), r); !isCode(err, session.BadArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := n.Talk(t.Context(), TalkRequest{Camera: "nobody", Input: io.NopCloser(bytes.NewReader(sound))}); !isCode(err, session.NoService) {
		t.Errorf("an unknown camera: %v", err)
	}
}

// Input that says nothing hinders no end.
func TestTalkEnds(t *testing.T) {
	v := &fakeVoice{done: make(chan struct{}), err: errors.New("the camera hung up")}
	n := talkTo(t, v)
	request := func() (TalkRequest, io.Closer) {
		in, out := io.Pipe()
		return TalkRequest{Camera: "gate", Input: in, Format: "alaw"}, out
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r, _ := request()
	if _, err := n.Talk(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("its context ended: %v", err)
	}
	r, _ = request()
	close(v.done)
	if _, err := n.Talk(t.Context(), r); !errors.Is(err, v.err) {
		t.Errorf("the camera ended it: %v", err)
	}
}

func TestTalkToWhatHasNoSpeaker(t *testing.T) {
	n := open(t, Options{}, CameraConfig{Name: "gate", URL: (&fakeCamera{hold: true, file: media(t)}).serve(t)})
	if _, err := n.Talk(t.Context(), TalkRequest{Camera: "gate", Input: io.NopCloser(&bytes.Buffer{})}); !isCode(err, session.NotSupported) {
		t.Errorf("got %v", err)
	}
}
