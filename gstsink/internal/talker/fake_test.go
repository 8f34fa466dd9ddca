// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/talk"
	"github.com/xp2p/xp2p/session"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	alaw  = talk.Format{Codec: demux.ALaw, Rate: 8000, Channels: 1}
	mulaw = talk.Format{Codec: demux.MuLaw, Rate: 8000, Channels: 1}
	pcm8  = talk.Format{Codec: demux.PCM, Rate: 8000, Channels: 1}
	pcm16 = talk.Format{Codec: demux.PCM, Rate: 16000, Channels: 1}
	aac   = talk.Format{Codec: demux.AAC, Rate: 16000, Channels: 1}
)

// camera is one without a network. Its functions are set before it is used; nil ones
// succeed.
type camera struct {
	takes talk.Format
	dial  func(context.Context) error
	talk  func(context.Context, session.VoiceRequest) error
	write func(*voice) error
	close func(*voice) error

	mu      sync.Mutex
	asked   []session.VoiceRequest
	voices  []*voice
	links   int
	events  func(session.Event)
	overlap bool // two voices were there at once
}

func (c *camera) Dial(ctx context.Context, events func(session.Event)) (Link, error) {
	if c.dial != nil {
		if err := c.dial(ctx); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links++
	c.events = events
	return (*cameraLink)(c), nil
}

type cameraLink camera

func (l *cameraLink) Path() string { return "direct" }

func (l *cameraLink) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.links--
	return nil
}

func (l *cameraLink) Talk(ctx context.Context, r session.VoiceRequest) (Voice, error) {
	if l.talk != nil {
		if err := l.talk(ctx, r); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.voices); n > 0 && !l.voices[n-1].over() {
		l.overlap = true
	}
	v := &voice{c: (*camera)(l), done: make(chan struct{})}
	l.asked = append(l.asked, r)
	l.voices = append(l.voices, v)
	return v, nil
}

// voice keeps what is said.
type voice struct {
	c    *camera
	once sync.Once
	done chan struct{}

	mu      sync.Mutex
	units   []demux.Unit
	closed  bool
	aborted bool
}

func (v *voice) Format() session.AudioFormat { return session.AudioFormat(v.c.takes) }
func (v *voice) Done() <-chan struct{}       { return v.done }

func (v *voice) over() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

// hangUp is the camera's end of the talk.
func (v *voice) hangUp() { v.once.Do(func() { close(v.done) }) }

func (v *voice) WriteUnit(u *demux.Unit) error {
	if v.c.write != nil {
		if err := v.c.write(v); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over() {
		if v.aborted || v.closed {
			return net.ErrClosed
		}
		return &session.Error{Op: "startVoiceService", Code: session.VoiceFailed, Err: errors.New("the camera does not listen any more")}
	}
	k := *u
	k.Data = bytes.Clone(u.Data)
	v.units = append(v.units, k)
	return nil
}

func (v *voice) Close() error {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	var err error
	if v.c.close != nil {
		err = v.c.close(v)
	}
	v.hangUp()
	return err
}

func (v *voice) Abort() {
	v.mu.Lock()
	v.aborted = true
	v.mu.Unlock()
	v.hangUp()
}

// heard is the sound of the talk with that number.
func (c *camera) heard(n int) (all []byte) {
	for _, u := range c.unitsOf(n) {
		if !u.Config {
			all = append(all, u.Data...)
		}
	}
	return all
}

func (c *camera) unitsOf(n int) []demux.Unit {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.voices[n]
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.units
}

// left fails the test if something of the talker is still there.
func (c *camera) left(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.links != 0 {
		t.Errorf("%d links left open", c.links)
	}
	for i, v := range c.voices {
		if !v.over() {
			t.Errorf("talk %d was not ended", i)
		}
	}
	if c.overlap {
		t.Error("two talks at once")
	}
}
