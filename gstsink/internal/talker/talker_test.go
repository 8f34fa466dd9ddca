// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"bytes"
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/g711"
	"github.com/xp2p/xp2p/internal/talk"
	"github.com/xp2p/xp2p/session"
)

// tone is a sine of an amplitude of 10000 as 16-bit samples.
func tone(hz float64, rate, samples int) []byte {
	b := make([]byte, 2*samples)
	for i := range samples {
		v := int16(10000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
		b[2*i], b[2*i+1] = byte(v), byte(uint16(v)>>8)
	}
	return b
}

// say gives a talker b in buffers of so many bytes that last as long as step.
func say(t *testing.T, k *Talker, b []byte, size int, step time.Duration) {
	t.Helper()
	for at := time.Duration(0); len(b) > 0; at += step {
		n := min(size, len(b))
		k.Take(b[:n], at, true)
		if err := k.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
}

func TestFormats(t *testing.T) {
	mono := tone(1000, 8000, 8000)
	a, u := g711.ALaw.Encode(nil, mono), g711.MuLaw.Encode(nil, mono)
	for _, tt := range []struct {
		name       string
		has, takes talk.Format
		in, want   []byte
		size       int
	}{
		{"alaw as it is", alaw, alaw, a, a, 1024},
		{"mulaw as it is", mulaw, mulaw, u, u, 1024},
		{"samples to alaw", pcm8, alaw, mono, a, 2048},
		{"samples to mulaw", pcm8, mulaw, mono, u, 2048},
		{"alaw to mulaw", alaw, mulaw, a, g711.MuLaw.Encode(nil, g711.ALaw.Decode(nil, a)), 1024},
		{"small buffers", alaw, alaw, a, a, 80},
		{"one large buffer", alaw, alaw, a, a, len(a)},
		{"an odd size", alaw, alaw, a, a, 333},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &camera{takes: tt.takes}
			k := New(c, Options{Request: session.VoiceRequest{Channel: 3}})
			k.Change(Format{Format: tt.has})
			bytesPerSample := len(tt.in) / 8000
			say(t, k, tt.in, tt.size, time.Duration(tt.size/bytesPerSample)*time.Second/8000)
			if err := k.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := c.heard(0); !bytes.Equal(got, tt.want) {
				t.Errorf("%d bytes heard of %d", len(got), len(tt.want))
			}
			var next time.Duration
			units := c.unitsOf(0)
			for i, u := range units {
				if u.DTS != next || u.Codec != tt.takes.Codec || len(u.Data) > int(maxFrame) || len(u.Data) < int(minFrame) && i < len(units)-1 {
					t.Fatalf("unit %d: %v at %v, %d bytes; want it at %v", i, u.Codec, u.DTS, len(u.Data), next)
				}
				next += lasts(len(u.Data))
			}
			if s := k.Stats(); s.Bytes != 8000 || s.Talks != 1 || s.Path != "direct" || s.Format != session.AudioFormat(tt.takes).String() {
				t.Errorf("stats %+v", s)
			}
			if !c.voices[0].closed || c.voices[0].aborted || c.asked[0].Channel != 3 {
				t.Errorf("closed %v, aborted %v, asked %+v", c.voices[0].closed, c.voices[0].aborted, c.asked[0])
			}
			k.Close()
			c.left(t)
		})
	}
}

func TestAAC(t *testing.T) {
	c := &camera{takes: aac}
	k := New(c, Options{})
	config := []byte{0x14, 0x08}
	k.Change(Format{aac, config})
	at := 5 * time.Second // running time need not begin at 0
	for range 3 {
		k.Take([]byte{1, 2, 3}, at, true)
		if err := k.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		at += 64 * time.Millisecond
	}
	if err := k.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	frame := func(at time.Duration) demux.Unit {
		return demux.Unit{Kind: demux.Audio, Codec: demux.AAC, Key: true, DTS: at, Data: []byte{1, 2, 3}}
	}
	want := []demux.Unit{{Kind: demux.Audio, Codec: demux.AAC, Config: true, Data: config},
		frame(0), frame(64 * time.Millisecond), frame(128 * time.Millisecond)}
	if d := cmp.Diff(want, c.unitsOf(0)); d != "" {
		t.Error(d)
	}
	k.Close()
	c.left(t)
}

// level is the amplitude of the part of sound that has a frequency, from the 200th sample on.
func level(pcm []byte, hz float64, rate int) float64 {
	var re, im float64
	n := 0
	for i := 200; i < len(pcm)/2; i++ {
		v := float64(int16(uint16(pcm[2*i]) | uint16(pcm[2*i+1])<<8))
		s, c := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		re, im, n = re+v*c, im+v*s, n+1
	}
	return 2 * math.Hypot(re, im) / float64(n)
}

// What 8 kHz can hold passes; what would fold back into it does not.
func TestHalve(t *testing.T) {
	for _, tt := range []struct{ hz, folded, least, most float64 }{
		{300, 300, 9880, 10120}, {1000, 1000, 9880, 10120}, {3400, 3400, 9800, 10120},
		{4700, 3300, 0, 12}, {6000, 2000, 0, 12}, {7500, 500, 0, 12},
	} {
		in := tone(tt.hz, 16000, 16000)
		whole := newHalver()
		got := append(bytes.Clone(whole.convert(in)), whole.rest()...)
		if len(got) != len(in)/2 {
			t.Errorf("%v Hz: %d samples of %d", tt.hz, len(got)/2, len(in)/4)
		}
		if l := level(got, tt.folded, 8000); l < tt.least || l > tt.most {
			t.Errorf("%v Hz has a level of %.1f, want %v to %v", tt.hz, l, tt.least, tt.most)
		}
		pieces, out := newHalver(), []byte(nil)
		for b := in; len(b) > 0; b = b[min(len(b), 94):] {
			out = append(out, pieces.convert(b[:min(len(b), 94)])...)
		}
		if out = append(out, pieces.rest()...); !bytes.Equal(out, got) {
			t.Errorf("%v Hz: cut in pieces it sounds differently", tt.hz)
		}
	}
	loud := newHalver()
	square := make([]byte, 4000)
	for i := range 2000 {
		v := int16(math.MaxInt16)
		if i/40%2 == 1 {
			v = math.MinInt16
		}
		square[2*i], square[2*i+1] = byte(v), byte(uint16(v)>>8)
	}
	for i, b := 0, loud.convert(square); i < len(b)/2-20; i++ {
		if v := int(int16(uint16(b[2*i]) | uint16(b[2*i+1])<<8)); i > 30 && (i-10)%20 == 5 && v < 20000 && v > -20000 {
			t.Errorf("sample %d overflowed to %d", i, v)
		}
	}
}

func TestHalvedTalk(t *testing.T) {
	c := &camera{takes: alaw}
	k := New(c, Options{})
	k.Change(Format{Format: pcm16})
	say(t, k, tone(1000, 16000, 16000), 640, 20*time.Millisecond)
	if err := k.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := c.heard(0)
	if len(got) != 8000 {
		t.Errorf("a second became %d samples", len(got))
	}
	if l := level(g711.ALaw.Decode(nil, got), 1000, 8000); l < 9800 || l > 10200 {
		t.Errorf("the tone has a level of %.0f", l)
	}
	k.Close()
	c.left(t)
}

// No network is asked for anything until there is something to say.
func TestNothingToSay(t *testing.T) {
	c := &camera{takes: alaw, dial: func(context.Context) error { return errors.New("dialled") }}
	k := New(c, Options{})
	k.Change(Format{Format: alaw})
	k.Silence(0, time.Second)
	if err := k.Send(t.Context()); err != nil {
		t.Error(err)
	}
	k.HangUp()
	if err := k.Finish(t.Context()); err != nil {
		t.Error(err)
	}
	k.Close()
	if err := k.Send(t.Context()); err == nil {
		t.Error("a closed talker talks")
	}
}

func TestRefusals(t *testing.T) {
	busy := &session.Error{Op: "startVoiceService", Code: session.VoiceFailed, Err: &session.Refusal{Status: 405, Reason: "somebody else is talking"}}
	for _, tt := range []struct {
		name  string
		cam   *camera
		has   talk.Format
		phase Phase
		code  session.Code
	}{
		{"unreachable", &camera{dial: func(context.Context) error { return &session.Error{Code: session.ProbeFailed} }}, alaw, Opening, session.ProbeFailed},
		{"busy", &camera{talk: func(context.Context, session.VoiceRequest) error { return busy }}, alaw, Opening, session.VoiceFailed},
		{"raw sound for an AAC camera", &camera{takes: aac}, pcm8, Opening, session.NotSupported},
		{"AAC for an alaw camera", &camera{takes: alaw}, aac, Opening, session.NotSupported},
		{"a camera of samples", &camera{takes: talk.Format{Codec: demux.PCM, Rate: 22050, Channels: 1}}, pcm8, Opening, session.NotSupported},
		{"two channels", &camera{takes: talk.Format{Codec: demux.ALaw, Rate: 8000, Channels: 2}}, alaw, Opening, session.NotSupported},
		{"no format", &camera{takes: alaw}, talk.Format{}, Opening, 0},
		{"the camera hangs up", &camera{takes: alaw, write: func(v *voice) error { v.hangUp(); return nil }}, alaw, Talking, session.VoiceFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := New(tt.cam, Options{Timeout: time.Minute})
			k.Change(Format{Format: tt.has})
			k.Take(make([]byte, 1600), 0, true)
			err := k.Send(t.Context())
			var e *Error
			if !errors.As(err, &e) || e.Phase != tt.phase {
				t.Fatalf("error %v, want one of phase %v", err, tt.phase)
			}
			if code, _ := session.CodeOf(err); code != tt.code {
				t.Errorf("code %d, want %d (%v)", code, tt.code, err)
			}
			k.Take(make([]byte, 1600), 0, true)
			if again := k.Send(t.Context()); again != err {
				t.Errorf("and then %v", again)
			}
			if again := k.Finish(t.Context()); again != err {
				t.Errorf("and at the end %v", again)
			}
			k.Close()
			tt.cam.left(t)
		})
	}
}

// A pause gives the line back and keeps the link; nothing that was taken is lost.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &camera{takes: alaw, close: func(*voice) error { time.Sleep(3 * time.Second); return nil }}
		dials := 0
		c.dial = func(context.Context) error { dials++; return nil }
		k := New(c, Options{})
		k.Change(Format{Format: alaw})
		in := g711.ALaw.Encode(nil, tone(500, 8000, 3200))
		k.Take(in[:1650], 0, true)
		if err := k.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		k.HangUp()
		if time.Since(begin) != 0 {
			t.Error("hanging up waits for the camera")
		}
		time.Sleep(time.Second)
		k.Take(in[1650:], time.Minute, true)
		if err := k.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("the line was taken after %v, not when the camera had played the talk before", d)
		}
		if err := k.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := append(c.heard(0), c.heard(1)...); !bytes.Equal(got, in) {
			t.Errorf("%d bytes heard of %d", len(got), len(in))
		}
		if u := c.unitsOf(1); u[0].DTS != 0 {
			t.Errorf("the second talk begins at %v", u[0].DTS)
		}
		if dials != 1 {
			t.Errorf("%d links", dials)
		}
		k.Close()
		c.left(t)
	})
}

// Whatever Send or Finish waits for, the end of its context ends the wait at once, and
// what was not said is said later.
func TestInterrupted(t *testing.T) {
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, tt := range []struct {
		name string
		set  func(c *camera, stuck func() bool)
	}{
		{"connecting", func(c *camera, stuck func() bool) {
			c.dial = func(ctx context.Context) error {
				if stuck() {
					return wait(ctx)
				}
				return nil
			}
		}},
		{"taking the line", func(c *camera, stuck func() bool) {
			c.talk = func(ctx context.Context, _ session.VoiceRequest) error {
				if stuck() {
					return wait(ctx)
				}
				return nil
			}
		}},
		{"a camera that is behind", func(c *camera, stuck func() bool) {
			c.write = func(v *voice) error {
				if stuck() {
					<-v.done
				}
				return nil
			}
		}},
		{"deaf to its context", func(c *camera, stuck func() bool) {
			c.dial = func(context.Context) error {
				if stuck() {
					time.Sleep(time.Hour)
				}
				return nil
			}
		}},
		{"at the end", func(c *camera, stuck func() bool) {
			c.close = func(v *voice) error {
				if stuck() {
					time.Sleep(5 * time.Second)
				}
				return nil
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var once atomic.Bool
				c := &camera{takes: alaw}
				tt.set(c, func() bool { return !once.Swap(true) })
				k := New(c, Options{})
				k.Change(Format{Format: alaw})
				in := g711.ALaw.Encode(nil, tone(500, 8000, 1000))
				k.Take(in, 0, true)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				defer cancel()
				begin := time.Now()
				err := k.Send(ctx)
				if err == nil {
					err = k.Finish(ctx)
				}
				if err != context.DeadlineExceeded || time.Since(begin) != 10*time.Millisecond {
					t.Errorf("%v after %v", err, time.Since(begin))
				}
				k.HangUp()
				if err := k.Finish(t.Context()); err != nil {
					t.Error(err)
				}
				var all []byte
				for i := range c.voices {
					all = append(all, c.heard(i)...)
				}
				if !bytes.Equal(all, in) {
					t.Errorf("%d bytes heard of %d", len(all), len(in))
				}
				k.Close()
				time.Sleep(2 * time.Hour)
				c.left(t)
			})
		})
	}
}

func TestTimeouts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cam   *camera
		phase Phase
	}{
		{"connecting", &camera{dial: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, Opening},
		{"the line", &camera{talk: func(ctx context.Context, _ session.VoiceRequest) error { <-ctx.Done(); return ctx.Err() }}, Opening},
		{"talking", &camera{takes: alaw, write: func(v *voice) error { <-v.done; return nil }}, Talking},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := New(tt.cam, Options{Timeout: 3 * time.Second})
				k.Change(Format{Format: alaw})
				k.Take(make([]byte, 800), 0, true)
				begin := time.Now()
				err := k.Send(t.Context())
				var e *Error
				var late *TimeoutError
				if !errors.As(err, &e) || e.Phase != tt.phase || !errors.As(err, &late) || time.Since(begin) != 3*time.Second {
					t.Errorf("%v after %v", err, time.Since(begin))
				}
				k.Close()
				tt.cam.left(t)
			})
		})
	}
}

// A network that hangs does not hold Close up.
func TestCloseHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &camera{takes: alaw, close: func(v *voice) error { <-v.done; time.Sleep(time.Hour); return nil }}
		k := New(c, Options{Events: func(session.Event) { t.Error("an event after Close") }})
		k.Change(Format{Format: alaw})
		k.Take(make([]byte, 800), 0, true)
		if err := k.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.HangUp()
		begin := time.Now()
		k.Close()
		if d := time.Since(begin); d > closeGrace {
			t.Errorf("took %v", d)
		}
		c.events(session.Event{})
		time.Sleep(2 * time.Hour)
		c.left(t)
	})
}

// A line that the camera gave away while nothing was said is taken anew.
func TestLapse(t *testing.T) {
	for _, quiet := range []time.Duration{time.Second, 6 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := &camera{takes: alaw}
			k := New(c, Options{})
			k.Change(Format{Format: alaw})
			send := func() error {
				k.Take(make([]byte, 800), 0, false)
				return k.Send(t.Context())
			}
			if err := send(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(quiet)
			c.voices[0].hangUp()
			err := send()
			if again := quiet > lapse; (err == nil) != again || len(c.voices) == 2 != again {
				t.Errorf("after %v: %v, %d talks", quiet, err, len(c.voices))
			}
			k.Close()
			c.left(t)
		})
	}
}

// A gap is filled with silence while the line is ours, so that it stays ours.
func TestSilence(t *testing.T) {
	for _, tt := range []struct {
		has  talk.Format
		want byte
	}{{alaw, 0xd5}, {mulaw, 0xff}, {pcm8, 0xd5}, {pcm16, 0xd5}} {
		takes := alaw
		if tt.has == mulaw {
			takes = mulaw
		}
		c := &camera{takes: takes}
		k := New(c, Options{})
		k.Change(Format{Format: tt.has})
		sample := tt.has.Rate / 8000
		if tt.has.Codec == demux.PCM {
			sample *= 2
		}
		k.Take(make([]byte, 800*sample), 0, true)
		if err := k.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.Silence(100*time.Millisecond, time.Second)
		if err := k.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.Silence(1100*time.Millisecond, 1000*time.Hour)
		if err := k.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := c.heard(0)
		if len(got) != 800+8000+int(maxSilence/time.Second)*8000 || bytes.Count(got[900:], []byte{tt.want}) != len(got)-900 {
			t.Errorf("%v: %d bytes, %x", tt.has, len(got), got[900:910])
		}
		k.Close()
		c.left(t)
	}
}

func TestTimeline(t *testing.T) {
	const ms = time.Millisecond
	var l timeline
	for i, tt := range []struct {
		at, length, want time.Duration
		unknown          bool
	}{
		{at: 5000 * ms, length: 20 * ms, want: 0},
		{at: 5020 * ms, length: 20 * ms, want: 20 * ms},
		{at: 5041 * ms, length: 20 * ms, want: 40 * ms}, // a clock that drifts
		{unknown: true, length: 20 * ms, want: 60 * ms},
		{at: 7080 * ms, length: 20 * ms, want: 2080 * ms}, // two seconds are missing
		{at: 0, length: 20 * ms, want: 2100 * ms},         // a flushing seek
		{at: 20 * ms, length: 20 * ms, want: 2120 * ms},
	} {
		if got := l.place(tt.at, !tt.unknown, tt.length); got != tt.want {
			t.Errorf("piece %d is at %v, want %v", i, got, tt.want)
		}
	}
}

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want session.VoiceRequest
		err  bool
	}{
		{"", session.VoiceRequest{}, false},
		{DefaultParams, session.VoiceRequest{}, false},
		{"action=live&channel=2&quality=high", session.VoiceRequest{Channel: 2}, false},
		{"requester=me&channel=1&user_args=a%20b&_crypto=off", session.VoiceRequest{Channel: 1, Params: "requester=me&user_args=a%20b&_crypto=off"}, false},
		{"channel=-1", session.VoiceRequest{}, true},
		{"channel=front", session.VoiceRequest{}, true},
		{"channel=99999999999999999999", session.VoiceRequest{}, true},
	} {
		got, err := ParseRequest(tt.in)
		if tt.err {
			if code, _ := session.CodeOf(err); code != session.BadArgument {
				t.Errorf("%q: %v", tt.in, err)
			}
		} else if err != nil || got != tt.want {
			t.Errorf("%q: %+v, %v", tt.in, got, err)
		}
	}
}

func FuzzSound(f *testing.F) {
	f.Add([]byte("a buffer and another"), 3, int64(0), uint8(0))
	f.Add(tone(440, 16000, 400), 100, int64(time.Second), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, size int, at int64, kind uint8) {
		formats := []talk.Format{alaw, mulaw, pcm8, pcm16}
		has := formats[int(kind)%len(formats)]
		c := &camera{takes: alaw}
		k := New(c, Options{})
		k.Change(Format{Format: has})
		size = max(size%len(append(in, 0)), 1)
		for b := in; len(b) > 0; b = b[min(size, len(b)):] {
			k.Take(b[:min(size, len(b))], time.Duration(at), at >= 0)
			if err := k.Send(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := k.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.Close()
		if len(c.voices) > 0 {
			var last time.Duration
			for _, u := range c.unitsOf(0) {
				if u.DTS < last || len(u.Data) > int(maxFrame) {
					t.Fatalf("unit at %v behind %v, %d bytes", u.DTS, last, len(u.Data))
				}
				last = u.DTS
			}
		}
	})
}
