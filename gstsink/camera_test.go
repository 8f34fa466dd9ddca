// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/gstsink/internal/talker"
	"github.com/xp2p/xp2p/internal/gst/target"
	"github.com/xp2p/xp2p/session"
)

var (
	alaw  = session.AudioFormat{Codec: demux.ALaw, Rate: 8000, Channels: 1}
	mulaw = session.AudioFormat{Codec: demux.MuLaw, Rate: 8000, Channels: 1}
	aac   = session.AudioFormat{Codec: demux.AAC, Rate: 16000, Channels: 1}
)

// camera is one in this process, in the place of one behind a network. Nil functions
// succeed.
type camera struct {
	takes session.AudioFormat
	dial  func(context.Context) error
	talk  func(context.Context) error
	write func(*voice) error
	close func(*voice)

	mu     sync.Mutex
	asked  []session.VoiceRequest
	dials  int
	open   int // links
	voices []*voice
}

// use makes the elements of this test reach c.
func (c *camera) use(t testing.TB) {
	t.Helper()
	t.Setenv(target.EnvApp, "app.json")
	t.Setenv(target.EnvRendezvous, "nats://127.0.0.1:1")
	t.Setenv(target.EnvXP2PInfo, "XP2PAAAA%1.0.0")
	before := newDialer
	newDialer = func(target.Target, *slog.Logger) talker.Dialer { return c }
	t.Cleanup(func() {
		newDialer = before
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open != 0 {
			t.Errorf("%d links left open", c.open)
		}
	})
}

func (c *camera) Dial(ctx context.Context, events func(session.Event)) (talker.Link, error) {
	c.mu.Lock()
	c.dials++
	c.mu.Unlock()
	if c.dial != nil {
		if err := c.dial(ctx); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	c.open++
	c.mu.Unlock()
	events(session.Event{Service: "T/cam-1", Kind: session.Notify, Subtype: session.Connected,
		Detail: session.PathDetail{Path: "direct", Local: "host 127.0.0.1:1", Remote: "host 127.0.0.1:2"}})
	return &cameraLink{c, events}, nil
}

func (c *camera) dialled() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dials
}

func (c *camera) talks() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.voices)
}

// units are what was said in the talk with that number, configurations apart.
func (c *camera) units(n int) (media, configs []demux.Unit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.voices[n]
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, u := range v.units {
		if u.Config {
			configs = append(configs, u)
		} else {
			media = append(media, u)
		}
	}
	return media, configs
}

// heard is the sound of that talk.
func (c *camera) heard(n int) (all []byte) {
	media, _ := c.units(n)
	for _, u := range media {
		all = append(all, u.Data...)
	}
	return all
}

type cameraLink struct {
	c      *camera
	events func(session.Event)
}

func (l *cameraLink) Path() string { return "direct" }

func (l *cameraLink) Close() error {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.c.open--
	return nil
}

func (l *cameraLink) Talk(ctx context.Context, r session.VoiceRequest) (talker.Voice, error) {
	if l.c.talk != nil {
		if err := l.c.talk(ctx); err != nil {
			return nil, err
		}
	}
	l.events(session.Event{Service: "T/cam-1", Kind: session.Notify, Subtype: session.Parsed,
		Detail: session.ParsedDetail{Status: 200, Headers: http.Header{"X-Xp2p-Audio": {l.c.takes.String()}}}})
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	v := &voice{c: l.c, done: make(chan struct{})}
	l.c.voices = append(l.c.voices, v)
	l.c.asked = append(l.c.asked, r)
	return v, nil
}

// voice keeps what is said.
type voice struct {
	c    *camera
	once sync.Once
	done chan struct{}

	mu     sync.Mutex
	units  []demux.Unit
	closed bool
}

func (v *voice) Format() session.AudioFormat { return v.c.takes }
func (v *voice) Done() <-chan struct{}       { return v.done }
func (v *voice) Abort()                      { v.once.Do(func() { close(v.done) }) }

func (v *voice) WriteUnit(u *demux.Unit) error {
	if v.c.write != nil {
		if err := v.c.write(v); err != nil {
			return err
		}
	}
	select {
	case <-v.done:
		return net.ErrClosed
	default:
	}
	k := *u
	k.Data = bytes.Clone(u.Data)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.units = append(v.units, k)
	return nil
}

func (v *voice) Close() error {
	if v.c.close != nil {
		v.c.close(v)
	}
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.Abort()
	return nil
}

func (v *voice) finished() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.closed
}
