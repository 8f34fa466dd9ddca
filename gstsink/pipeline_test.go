// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/g711"
	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/internal/gst/guard"
	"github.com/xp2p/xp2p/session"
)

func TestMain(m *testing.M) {
	guard.Criticals()
	gst.Init(nil)
	if !Register(nil) {
		fmt.Fprintln(os.Stderr, "xp2psink cannot be registered")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestCriticalsAreFatal(t *testing.T) { guard.Check(t) }

// patience bounds a wait for something that must come; it is no measure of speed.
const patience = time.Minute

// pipeline is one that is stopped when the test ends.
type pipeline struct {
	*gst.Pipeline
	t    testing.TB
	sink *gst.Element
}

func launch(t testing.TB, format string, args ...any) *pipeline {
	t.Helper()
	p, err := gst.NewPipelineFromString(fmt.Sprintf(format, args...))
	if err != nil {
		t.Fatal(err)
	}
	sink, err := p.GetElementByName("sink")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.SetState(gst.StateNull) })
	return &pipeline{p, t, sink}
}

func (p *pipeline) set(s gst.State) {
	p.t.Helper()
	if err := p.SetState(s); err != nil {
		p.t.Fatal(err)
	}
}

// settled waits for the state that was set.
func (p *pipeline) settled(s gst.State) {
	p.t.Helper()
	p.set(s)
	if ret, now := p.GetState(s, gst.ClockTime(patience)); ret == gst.StateChangeFailure || now != s {
		p.t.Fatalf("%v instead of %v (%v)", now, s, ret)
	}
}

// wait gives the next message of one of the types.
func (p *pipeline) wait(types gst.MessageType) *gst.Message {
	p.t.Helper()
	m := p.GetPipelineBus().TimedPopFiltered(gst.ClockTime(patience), types)
	if m == nil {
		p.t.Fatal("the pipeline says nothing")
	}
	return m
}

// end waits for the end of the stream.
func (p *pipeline) end() {
	p.t.Helper()
	if m := p.wait(gst.MessageEOS | gst.MessageError); m.Type() == gst.MessageError {
		e := m.ParseError()
		p.t.Fatalf("%s\n%s", e.Error(), e.DebugString())
	}
}

// stats is a field of the property stats.
func (p *pipeline) stats(field string) any {
	p.t.Helper()
	v, err := p.sink.GetProperty("stats")
	if err != nil {
		p.t.Fatal(err)
	}
	got, err := v.(*gst.Structure).GetValue(field)
	if err != nil {
		return nil
	}
	return got
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// level is the amplitude of the part of 8 kHz sound that has a frequency.
func level(pcm []byte, hz float64) float64 {
	var re, im float64
	n := len(pcm) / 2
	for i := range n {
		v := float64(int16(uint16(pcm[2*i]) | uint16(pcm[2*i+1])<<8))
		s, c := math.Sincos(2 * math.Pi * hz * float64(i) / 8000)
		re, im = re+v*c, im+v*s
	}
	return 2 * math.Hypot(re, im) / float64(max(n, 1))
}

// tone is a source of a second of 440 Hz, at half of full amplitude.
func tone(rate, channels int) string {
	return fmt.Sprintf("audiotestsrc num-buffers=10 samplesperbuffer=%d freq=440 volume=0.5 ! audio/x-raw,format=S16LE,rate=%d,channels=%d", rate/10, rate, channels)
}

// Whatever sound a pipeline has, the camera hears it in the form that it takes.
func TestSamples(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		takes      session.AudioFormat
		law        g711.Law
	}{
		{"8 kHz", tone(8000, 1), alaw, g711.ALaw},
		{"8 kHz to mulaw", tone(8000, 1), mulaw, g711.MuLaw},
		{"16 kHz", tone(16000, 1), alaw, g711.ALaw},
		{"A-law to mulaw", tone(8000, 1) + " ! alawenc", mulaw, g711.MuLaw},
		{"mu-law to alaw", tone(8000, 1) + " ! mulawenc", alaw, g711.ALaw},
		{"a CD's", tone(44100, 2) + " ! audioconvert ! audioresample", alaw, g711.ALaw},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &camera{takes: tt.takes}
			c.use(t)
			p := launch(t, "%s ! xp2psink name=sink sync=false location=xp2p://T/cam?channel=2", tt.line)
			p.set(gst.StatePlaying)
			p.end()
			pcm := tt.law.Decode(nil, c.heard(0))
			if n := len(pcm) / 2; n < 7600 || n > 8400 {
				t.Errorf("a second became %d samples", n)
			}
			if l := level(pcm, 440); l < 14500 || l > 17500 {
				t.Errorf("the tone has a level of %.0f of 16384", l)
			}
			if !c.voices[0].finished() {
				t.Error("the end of the stream came before the camera had played it")
			}
			if c.asked[0].Channel != 2 {
				t.Errorf("asked for %+v", c.asked[0])
			}
			if p.stats("talks") != uint64(1) || p.stats("bytes") != uint64(len(pcm)/2) || p.stats("format") != tt.takes.String() || p.stats("path") != "direct" {
				t.Errorf("stats: talks %v, bytes %v, format %v, path %v", p.stats("talks"), p.stats("bytes"), p.stats("format"), p.stats("path"))
			}
			p.set(gst.StateNull)
		})
	}
}

// G.711 that the camera takes is not touched.
func TestG711IsIdentical(t *testing.T) {
	for law, takes := range map[string]session.AudioFormat{"alaw": alaw, "mulaw": mulaw} {
		c := &camera{takes: takes}
		c.use(t)
		file := filepath.Join(t.TempDir(), law)
		p := launch(t, "%s ! %senc ! tee name=t ! queue ! filesink location=%s t. ! queue ! xp2psink name=sink", tone(8000, 1), law, file)
		p.set(gst.StatePlaying)
		p.end()
		p.set(gst.StateNull)
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.heard(0); len(want) != 8000 || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes heard of %d", law, len(got), len(want))
		}
	}
}

// AAC passes as it is, its configuration first; ADTS by way of aacparse.
func TestAAC(t *testing.T) {
	for name, line := range map[string]string{
		"raw":  "avenc_aac ! aacparse",
		"ADTS": "avenc_aac ! aacparse ! audio/mpeg,stream-format=adts ! aacparse",
	} {
		t.Run(name, func(t *testing.T) {
			c := &camera{takes: aac}
			c.use(t)
			p := launch(t, "%s ! audioconvert ! %s ! tee name=t ! queue ! fakesink name=other t. ! queue ! xp2psink name=sink sync=false", tone(16000, 1), line)
			p.set(gst.StatePlaying)
			p.end()
			p.set(gst.StateNull)
			media, configs := c.units(0)
			if len(configs) != 1 || len(configs[0].Data) < 2 || configs[0].Data[0]>>3 != 2 {
				t.Fatalf("configurations: %+v", configs)
			}
			// A second is 15.6 frames; the encoder adds one or two.
			if len(media) < 15 || len(media) > 19 {
				t.Errorf("%d frames", len(media))
			}
			for i := 1; i < len(media); i++ {
				if d := media[i].DTS - media[i-1].DTS; media[i].Codec != demux.AAC || d < 60*time.Millisecond || d > 68*time.Millisecond {
					t.Errorf("frame %d of %v comes after %v", i, media[i].Codec, d)
				}
			}
		})
	}
}

// Sound that changes its form in mid-stream goes on in the same talk; what the camera has
// no use for is an error.
func TestRenegotiation(t *testing.T) {
	line := "concat name=c ! xp2psink name=sink sync=false  %s ! alawenc ! c.  %s ! mulawenc ! c.  %s ! c."
	c := &camera{takes: alaw}
	c.use(t)
	p := launch(t, line, tone(8000, 1), tone(8000, 1), tone(16000, 1))
	p.set(gst.StatePlaying)
	p.end()
	p.set(gst.StateNull)
	got := c.heard(0)
	if n := len(got); n != 3*8000 || c.talks() != 1 {
		t.Fatalf("%d samples in %d talks", n, c.talks())
	}
	for i := range 3 {
		if l := level(g711.ALaw.Decode(nil, got[8000*i:8000*i+8000]), 440); l < 14500 || l > 17500 {
			t.Errorf("second %d has a level of %.0f of 16384", i, l)
		}
	}

	c = &camera{takes: alaw}
	c.use(t)
	p = launch(t, "concat name=c ! xp2psink name=sink sync=false  %s ! c.  %s ! audioconvert ! avenc_aac ! aacparse ! c.", tone(8000, 1), tone(16000, 1))
	p.set(gst.StatePlaying)
	if e := p.wait(gst.MessageError | gst.MessageEOS).ParseError(); e == nil || !strings.Contains(e.Error(), "(code -2004)") {
		t.Errorf("AAC to a G.711 camera: %v", e)
	}
}

// A gap is said as silence.
func TestGap(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	p := launch(t, "audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! xp2psink name=sink sync=false")
	p.set(gst.StatePlaying)
	until(t, "talking", func() bool { return c.talks() == 1 && len(c.heard(0)) > 0 })
	if !p.sink.GetStaticPad("sink").SendEvent(gst.NewGapEvent(gst.ClockTime(0), gst.ClockTime(time.Second))) {
		t.Error("the gap was refused")
	}
	if !bytes.Contains(c.heard(0), bytes.Repeat([]byte{g711.EncodeA(0)}, 7900)) {
		t.Error("no second of silence")
	}
	p.set(gst.StateNull)
}

// Neither a state change nor preroll needs the network.
func TestPreroll(t *testing.T) {
	c := &camera{takes: alaw, dial: func(context.Context) error { return errors.New("no network") }}
	c.use(t)
	p := launch(t, "%s ! xp2psink name=sink", tone(8000, 1))
	p.settled(gst.StatePaused)
	if c.dialled() != 0 {
		t.Error("preroll has connected")
	}
	p.set(gst.StatePlaying)
	p.wait(gst.MessageError)
	if c.dialled() != 1 {
		t.Errorf("dialled %d times", c.dialled())
	}
}

func TestEmptyStream(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	p := launch(t, "fakesrc num-buffers=0 ! audio/x-alaw,rate=8000,channels=1 ! xp2psink name=sink")
	p.set(gst.StatePlaying)
	p.end()
	if c.dialled() != 0 {
		t.Error("connected with nothing to say")
	}
}

func TestErrors(t *testing.T) {
	refuse := func(status int, reason string) func(context.Context) error {
		return func(context.Context) error {
			return &session.Error{Op: "startVoiceService", Code: session.VoiceFailed, Err: &session.Refusal{Status: status, Reason: reason}}
		}
	}
	for _, tt := range []struct {
		name   string
		cam    *camera
		props  string
		text   []string
		code   int
		starts bool // the error comes after the state change
	}{
		{"busy", &camera{talk: refuse(405, "somebody else is talking")}, "", []string{"Somebody else is talking", "one talker", "(code -2601)"}, -2601, true},
		{"no right to talk", &camera{talk: refuse(403, "the xp2pInfo does not allow talking")}, "", []string{"right to talk", "(code -2601)"}, -2601, true},
		{"vanished", &camera{takes: alaw, write: func(*voice) error {
			return &session.Error{Op: "startVoiceService", Code: session.VoiceFailed, Err: errors.New("the line broke")}
		}}, "", []string{"The line broke", "(code -2601)"}, -2601, true},
		{"no rendezvous", &camera{dial: func(context.Context) error {
			return &session.Error{Op: "init", Code: session.ProbeFailed, Err: errors.New("unreachable")}
		}}, "", []string{"xp2p rendezvous", "(code -2202)"}, -2202, true},
		{"silent", &camera{dial: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, "timeout=1", []string{"not reached within 1ms", "(code -2601)"}, -2601, true},
		{"another sound", &camera{takes: aac}, "", []string{"The camera takes aac at 16000 Hz", "avenc_aac ! aacparse", "(code -2004)"}, -2004, true},
		{"bad location", &camera{}, "location=xp2p://T", []string{"without a device", "(code -2000)"}, -2000, false},
		{"a stream's location", &camera{}, "location=xp2p+https://192.0.2.1/live.flv", []string{"not an xp2p URI", "(code -2000)"}, -2000, false},
		{"bad channel", &camera{}, "location=xp2p://T/cam?channel=front", []string{"front", "(code -2000)"}, -2000, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cam.use(t)
			p := launch(t, "%s ! xp2psink name=sink %s", tone(8000, 1), tt.props)
			if err := p.SetState(gst.StatePlaying); (err == nil) != tt.starts {
				t.Errorf("state change: %v", err)
			}
			e := p.wait(gst.MessageError).ParseError()
			rest := strings.ToLower(e.Error())
			for _, want := range tt.text {
				_, after, ok := strings.Cut(rest, strings.ToLower(want))
				if !ok {
					t.Fatalf("error %q has no %q where it should", e.Error(), want)
				}
				rest = after
			}
			if strings.Contains(e.DebugString(), "XP2PAAAA") {
				t.Errorf("the debug text has the xp2pInfo in it: %s", e.DebugString())
			}
			if e.Structure() == nil {
				t.Fatal("no details")
			}
			if v, err := e.Structure().GetValue("code"); err != nil || v != tt.code {
				t.Errorf("details have code %v (%v), want %d", v, err, tt.code)
			}
		})
	}
}

func TestEvents(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	p := launch(t, "%s ! xp2psink name=sink sync=false", tone(8000, 1))
	p.set(gst.StatePlaying)
	got := map[string]map[string]any{}
	for {
		m := p.wait(gst.MessageElement | gst.MessageEOS | gst.MessageError)
		if m.Type() != gst.MessageElement {
			break
		}
		if s := m.GetStructure(); s.Name() == element.EventName {
			got[fmt.Sprint(s.Values()["event"], " ", s.Values()["subtype"])] = s.Values()
		}
	}
	for name, fields := range map[string]map[string]any{
		"notify connected": {"id": "T/cam-1", "path": "direct"},
		"notify parsed":    {"status": 200, "headers": `{"X-Xp2p-Audio":["alaw;rate=8000;channels=1"]}`},
	} {
		for field, want := range fields {
			if v := got[name][field]; v != want {
				t.Errorf("%s: field %s is %v, want %v", name, field, v, want)
			}
		}
	}
}

// Whatever the network is stuck in, a state change is not.
func TestStateChangesWhileStuck(t *testing.T) {
	stuck := make(chan struct{})
	for _, tt := range []struct {
		name string
		cam  *camera
		eos  bool
	}{
		{"connecting", &camera{dial: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, false},
		{"connecting, deaf", &camera{dial: func(context.Context) error { <-stuck; return errors.New("at last") }}, false},
		{"taking the line", &camera{talk: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, false},
		{"talking", &camera{takes: alaw, write: func(v *voice) error { <-v.done; return nil }}, false},
		{"at the end", &camera{takes: alaw, close: func(v *voice) { <-v.done }}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cam.use(t)
			source := "audiotestsrc ! audio/x-raw,rate=8000,channels=1,format=S16LE"
			if tt.eos {
				source = tone(8000, 1)
			}
			p := launch(t, "%s ! xp2psink name=sink timeout=0 sync=false", source)
			for range 20 {
				before := tt.cam.dialled()
				p.set(gst.StatePlaying)
				until(t, "connecting", func() bool { return tt.cam.dialled() > before })
				p.settled(gst.StatePaused)
				p.set(gst.StatePlaying)
				p.set(gst.StateNull)
			}
		})
	}
	close(stuck)
}

// A pause gives the line back, playing takes it anew; nothing is said twice or lost.
func TestPause(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	file := filepath.Join(t.TempDir(), "alaw")
	p := launch(t, "audiotestsrc num-buffers=100 samplesperbuffer=160 freq=440 ! audio/x-raw,rate=8000,channels=1 ! alawenc ! tee name=t ! queue ! filesink async=false location=%s t. ! queue max-size-buffers=1 ! xp2psink name=sink", file)
	for n := 1; n <= 3; n++ {
		p.set(gst.StatePlaying)
		until(t, "talking", func() bool { return c.talks() == n && len(c.heard(n-1)) > 0 })
		p.settled(gst.StatePaused)
		until(t, "the line was given back", func() bool { return c.voices[n-1].finished() })
	}
	p.set(gst.StatePlaying)
	p.end()
	p.set(gst.StateNull)
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for i := range c.talks() {
		got = append(got, c.heard(i)...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes heard of %d", len(got), len(want))
	}
	if c.dialled() != 1 {
		t.Errorf("%d links", c.dialled())
	}
}

// A flushing seek goes on in the same talk, whose time goes on too.
func TestSeek(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	p := launch(t, "audiotestsrc num-buffers=100 samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1,format=S16LE ! xp2psink name=sink")
	p.set(gst.StatePlaying)
	until(t, "talking", func() bool { return c.talks() == 1 && len(c.heard(0)) > 1600 })
	if !p.SeekSimple(0, gst.FormatTime, gst.SeekFlagFlush) {
		t.Fatal("seek refused")
	}
	p.end()
	p.set(gst.StateNull)
	media, _ := c.units(0)
	if c.talks() != 1 || len(media) < 10 {
		t.Errorf("%d talks, %d units", c.talks(), len(media))
	}
	for i := 1; i < len(media); i++ {
		if media[i].DTS <= media[i-1].DTS {
			t.Errorf("unit %d is at %v after %v", i, media[i].DTS, media[i-1].DTS)
		}
	}
}

func rss(t *testing.T) int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int
	fmt.Sscan(string(b), &size, &resident)
	return resident * os.Getpagesize()
}

// doesNotGrow does cycles that make what is allocated once, and then n more: they leave
// less than an object for four of them in our heap and, without the race detector, add
// less than 5 MiB to the process.
func doesNotGrow(t *testing.T, first, n int, cycle func()) {
	t.Helper()
	do := func(n int) (objects, resident int) {
		for range n {
			cycle()
		}
		for range 3 { // finalizers of what was dropped run, and must not crash
			debug.FreeOSMemory()
			time.Sleep(10 * time.Millisecond)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapObjects), rss(t)
	}
	objects, resident := do(first)
	objectsAfter, residentAfter := do(n)
	left, grown := objectsAfter-objects, residentAfter-resident
	t.Logf("%d cycles: %+d objects, %+d KiB", n, left, grown>>10)
	if left > n/4 {
		t.Errorf("%d cycles left %d objects", n, left)
	}
	if grown > 5<<20 && !raced {
		t.Errorf("%d cycles took %d KiB", n, grown>>10)
	}
}

func TestCycles(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	p := launch(t, "audiotestsrc samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1,format=S16LE ! xp2psink name=sink sync=false")
	doesNotGrow(t, 400, 1000, func() {
		p.set(gst.StatePlaying)
		until(t, "talking", func() bool { b, _ := p.stats("bytes").(uint64); return b > 0 })
		p.set(gst.StateNull)
		c.mu.Lock()
		c.voices, c.asked = nil, nil
		c.mu.Unlock()
	})
}

func TestProperties(t *testing.T) {
	e, err := gst.NewElement("xp2psink")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ before, set any }{
		"location":   {"", "xp2p://T/cam"},
		"rendezvous": {"", "nats://127.0.0.1:1"},
		"app":        {"", "/tmp/app.json"},
		"timeout":    {uint(10000), uint(0)},
		"sync":       {true, false},
	} {
		if got, err := e.GetProperty(name); err == nil && got != c.before {
			t.Errorf("%s is %#v before, want %#v", name, got, c.before)
		}
		if err := e.Set(name, c.set); err != nil {
			t.Errorf("set %s: %v", name, err)
		}
		if got, err := e.GetProperty(name); err != nil || got != c.set {
			t.Errorf("%s is %#v (%v), want %#v", name, got, err, c.set)
		}
	}
	if err := e.Set("xp2p-info", "XP2PAAAA%1"); err != nil {
		t.Error(err)
	}
}
