// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/gstsrc/demuxer"
	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/internal/gst/guard"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/session"
)

func TestMain(m *testing.M) {
	guard.Criticals()
	gst.Init(nil)
	if !Register(nil) || !demuxer.Register(nil) {
		fmt.Fprintln(os.Stderr, "the elements cannot be registered")
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
	t   *testing.T
	src *gst.Element
}

func launch(t *testing.T, format string, args ...any) *pipeline {
	t.Helper()
	p, err := gst.NewPipelineFromString(fmt.Sprintf(format, args...))
	if err != nil {
		t.Fatal(err)
	}
	src, err := p.GetElementByName("src")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.SetState(gst.StateNull) })
	return &pipeline{p, t, src}
}

func (p *pipeline) set(s gst.State) {
	p.t.Helper()
	if err := p.SetState(s); err != nil {
		p.t.Fatal(err)
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
	v, err := p.src.GetProperty("stats")
	if err != nil {
		p.t.Fatal(err)
	}
	got, err := v.(*gst.Structure).GetValue(field)
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

// media is a camera's file and how many of its tags carry media.
func media(t *testing.T, kind testmedia.Kind) (file []byte) {
	t.Helper()
	file, err := os.ReadFile(testmedia.FLV(t, kind, 2, testmedia.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func once(b []byte, err error) func(context.Context, int) (io.ReadCloser, error) {
	return func(context.Context, int) (io.ReadCloser, error) { return play(slices.Clone(b), err), nil }
}

// What goes in comes out, byte for byte where the stream begins at 0.
func TestBytes(t *testing.T) {
	in := media(t, testmedia.H264AAC)
	out := filepath.Join(t.TempDir(), "out.flv")
	(&camera{stream: func(context.Context, int) (io.ReadCloser, error) {
		p := play(slices.Clone(in), io.EOF)
		p.piece = 1000
		return p, nil
	}}).use(t)
	p := launch(t, "xp2psrc name=src location=xp2p://T/cam ! filesink location=%s", out)
	p.set(gst.StatePlaying)
	p.end()
	if n := p.stats("bytes").(uint64); n == 0 || n > uint64(len(in)) {
		t.Errorf("stats say %d bytes of %d", n, len(in))
	}
	if c := p.stats("connections").(uint64); c != 1 {
		t.Errorf("stats say %d connections", c)
	}
	if path := p.stats("path"); path != "direct" {
		t.Errorf("stats say path %v", path)
	}
	p.set(gst.StateNull)
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := units(t, in)
	if g := units(t, got); !slices.Equal(g, want) {
		t.Errorf("%d units came out of %d", len(g), len(want))
	}
}

// units is a line for each media tag of a stream.
func units(t *testing.T, stream []byte) (lines []string) {
	t.Helper()
	r := flv.NewReader(bytes.NewReader(stream), flv.Options{})
	var tag flv.Tag
	var u demux.Unit
	for {
		err := r.Next(&tag, &u)
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		if !u.EndOfSequence && u.Kind != demux.Data {
			lines = append(lines, fmt.Sprint(u.Kind, u.Config, u.Key, u.DTS, u.CTS, len(u.Data)))
		}
	}
}

func TestDecode(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.yuv")
	(&camera{stream: once(media(t, testmedia.H264AAC), io.EOF)}).use(t)
	p := launch(t, "xp2psrc name=src ! flvdemux name=d  d.video ! queue ! h264parse ! avdec_h264 ! video/x-raw,format=I420 ! filesink location=%s  d.audio ! queue ! aacparse ! fakesink", out)
	p.set(gst.StatePlaying)
	p.end()
	p.set(gst.StateNull)
	st, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	const picture = 320 * 180 * 3 / 2
	if got, want := st.Size()/picture, int64(testmedia.Frames(2)); got != want || st.Size()%picture != 0 {
		t.Errorf("%d pictures decoded, want %d", got, want)
	}
}

// A sink that keeps time must get every picture in time, however late the camera
// connected and whatever its clock says.
func TestPlaysInTime(t *testing.T) {
	in := media(t, testmedia.H264)
	(&camera{
		dial: func(context.Context) error { time.Sleep(time.Second); return nil },
		stream: func(_ context.Context, n int) (io.ReadCloser, error) {
			if n == 0 {
				return play(slices.Clone(in[:len(in)/2]), errors.New("broken")), nil
			}
			return play(slices.Clone(in), io.EOF), nil
		},
	}).use(t)
	// max-lateness makes the sink drop, and say so, what comes too late.
	p := launch(t, "xp2psrc name=src retry-delay=3000 ! flvdemux ! h264parse ! fakesink sync=true qos=true max-lateness=100000000")
	p.set(gst.StatePlaying)
	for {
		m := p.wait(gst.MessageEOS | gst.MessageError | gst.MessageQoS)
		switch m.Type() {
		case gst.MessageError:
			t.Fatal(m.ParseError())
		case gst.MessageQoS:
			t.Errorf("dropped: %+v", m.ParseQoS())
		case gst.MessageEOS:
			if c := p.stats("connections").(uint64); c != 2 {
				t.Errorf("%d connections, want 2", c)
			}
			return
		}
	}
}

func TestEvents(t *testing.T) {
	(&camera{stream: func(_ context.Context, n int) (io.ReadCloser, error) {
		if n == 0 {
			return play(nil, &session.Error{Op: "startP2PStream", Code: session.StreamFailed}), nil
		}
		return play(media(t, testmedia.H264), io.EOF), nil
	}}).use(t)
	p := launch(t, "xp2psrc name=src retry-delay=1 ! fakesink")
	p.set(gst.StatePlaying)
	got := map[string]map[string]any{}
	for {
		m := p.wait(gst.MessageElement | gst.MessageEOS | gst.MessageError)
		if m.Type() != gst.MessageElement {
			break
		}
		if s := m.GetStructure(); s.Name() == element.EventName {
			v := s.Values()
			got[fmt.Sprint(v["event"], " ", v["subtype"])] = v
		}
	}
	for name, fields := range map[string]map[string]any{
		"notify connected":    {"id": "T/cam-1", "path": "direct", "local": "host 127.0.0.1:1", "remote": "host 127.0.0.1:2"},
		"notify parsed":       {"status": 200, "headers": `{"Content-Type":["video/x-flv"]}`},
		"notify reconnecting": {"attempt": 1, "delay-ms": 1, "code": -2402},
	} {
		for field, want := range fields {
			if v := got[name][field]; v != want {
				t.Errorf("%s: field %s is %v, want %v", name, field, v, want)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	refused := &session.Error{Op: "startP2PService", Code: session.BadXP2PInfo, Err: grant.ErrForm}
	for _, c := range []struct {
		name   string
		cam    *camera
		props  string
		text   string
		code   int
		starts bool // the error comes after the state change
	}{
		{"refused", &camera{dial: func(context.Context) error { return refused }}, "", "(code -2001)", -2001, true},
		{"broken", &camera{stream: once(nil, &session.Error{Code: session.StreamFailed, Err: errors.New("the link broke")})},
			"reconnect=false", "The link broke.", -2402, true},
		{"silent", &camera{stream: once(nil, nil)}, "reconnect=false timeout=1", "(code -2402)", -2402, true},
		{"bad location", &camera{}, "location=xp2p://T", "(code -2000)", -2000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cam.use(t)
			p := launch(t, "xp2psrc name=src %s ! fakesink", c.props)
			if err := p.SetState(gst.StatePlaying); (err == nil) != c.starts {
				t.Errorf("state change: %v", err)
			}
			e := p.wait(gst.MessageError).ParseError()
			if !strings.Contains(e.Error(), c.text) {
				t.Errorf("error %q, want one with %q", e.Error(), c.text)
			}
			if strings.Contains(e.DebugString(), "XP2PAAAA") {
				t.Errorf("the debug text has the xp2pInfo in it: %s", e.DebugString())
			}
			if c.code == 0 {
				return
			}
			if e.Structure() == nil {
				t.Fatal("no details")
			}
			if v, err := e.Structure().GetValue("code"); err != nil || v != c.code {
				t.Errorf("details have code %v (%v), want %d", v, err, c.code)
			}
		})
	}
}

func TestUnsetPropertiesFail(t *testing.T) {
	for _, v := range []string{"XP2P_INFO", "XP2P_RENDEZVOUS", "XP2P_APP"} {
		t.Setenv(v, "")
	}
	p := launch(t, "xp2psrc name=src location=xp2p://T/cam ! fakesink")
	if err := p.SetState(gst.StatePlaying); err == nil {
		t.Error("the state change succeeded")
	}
	if e := p.wait(gst.MessageError).ParseError(); !strings.Contains(e.Error(), "set the property xp2p-info") {
		t.Errorf("error %q", e.Error())
	}
}

// Whatever the network is stuck in, a state change is not.
func TestStateChangesWhileStuck(t *testing.T) {
	stuck := make(chan struct{})
	for _, c := range []struct {
		name string
		cam  *camera
	}{
		{"connecting", &camera{dial: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}},
		{"connecting, deaf", &camera{dial: func(context.Context) error { <-stuck; return errors.New("at last") }}},
		{"waiting for bytes", &camera{stream: once(nil, nil)}},
		{"waiting to try again", &camera{dial: func(context.Context) error { return errors.New("no network") }}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cam.use(t)
			p := launch(t, "xp2psrc name=src retries=-1 retry-delay=3600000 timeout=0 ! fakesink")
			for range 20 {
				p.set(gst.StatePlaying)
				p.set(gst.StatePaused)
				p.set(gst.StatePlaying)
				for c.cam.dialled() == 0 {
					time.Sleep(time.Millisecond)
				}
				p.set(gst.StateNull)
			}
		})
	}
	close(stuck)
}

func (c *camera) dialled() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dials
}

func TestCycles(t *testing.T) {
	(&camera{stream: once(media(t, testmedia.H264), nil)}).use(t)
	p := launch(t, "xp2psrc name=src ! fakesink name=sink")
	for range 100 {
		p.set(gst.StatePlaying)
		for p.stats("bytes") == nil || p.stats("bytes").(uint64) == 0 {
			time.Sleep(time.Millisecond)
		}
		p.set(gst.StateNull)
	}
	debug.FreeOSMemory() // finalizers of what was dropped run, and must not crash
}

// A pause gives the stream up and keeps the link.
func TestPause(t *testing.T) {
	c := camera{stream: once(media(t, testmedia.H264), nil)}
	c.use(t)
	p := launch(t, "xp2psrc name=src params=action=live&channel=7 ! fakesink")
	for n := 1; n <= 5; n++ {
		p.set(gst.StatePlaying)
		for len(c.asked()) < n {
			time.Sleep(time.Millisecond)
		}
		p.set(gst.StatePaused)
		if s, _ := p.GetState(gst.StatePaused, gst.ClockTime(patience)); s == gst.StateChangeFailure {
			t.Fatal("pause failed")
		}
	}
	p.set(gst.StateNull)
	if c.dialled() != 1 {
		t.Errorf("%d links, want 1", c.dialled())
	}
	if a := c.asked()[0]; a != "action=live&channel=7" {
		t.Errorf("asked for %q", a)
	}
}

func TestURIHandler(t *testing.T) {
	e, err := gst.NewElement("xp2psrc")
	if err != nil {
		t.Fatal(err)
	}
	h := e.URIHandler()
	if got := h.GetURI(); got != "" {
		t.Errorf("unset URI is %q", got)
	}
	if p := h.GetProtocols(); len(p) != 3 || p[0] != "xp2p" || p[1] != "xp2p+http" || p[2] != "xp2p+https" {
		t.Errorf("protocols %v", p)
	}
	const uri = "xp2p://T/cam?quality=super"
	if ok, err := h.SetURI(uri); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if got := h.GetURI(); got != uri {
		t.Errorf("URI is %q", got)
	}
	if v, _ := e.GetProperty("location"); v != uri {
		t.Errorf("location is %v", v)
	}
	if ok, err := h.SetURI("xp2p://T"); ok || err == nil || !strings.Contains(err.Error(), "without a device") {
		t.Errorf("a bad URI: %v, %v", ok, err)
	}
}

func TestProperties(t *testing.T) {
	e, err := gst.NewElement("xp2psrc")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ before, set any }{
		"location":    {"", "xp2p://T/cam"},
		"rendezvous":  {"", "nats://127.0.0.1:1"},
		"app":         {"", "/tmp/app.json"},
		"params":      {"action=live&channel=0&quality=high", "action=live&channel=1"},
		"reconnect":   {true, false},
		"retries":     {5, -1},
		"retry-delay": {uint(500), uint(1)},
		"timeout":     {uint(10000), uint(0)},
		"latency":     {uint(200), uint(40)},
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

func TestQueries(t *testing.T) {
	(&camera{stream: once(media(t, testmedia.H264), nil)}).use(t)
	p := launch(t, "xp2psrc name=src latency=300 ! fakesink")
	p.set(gst.StatePlaying)
	q := gst.NewLatencyQuery()
	if !p.src.Query(q) {
		t.Fatal("no latency")
	}
	if live, least, most := q.ParseLatency(); !live || least != gst.ClockTime(300*time.Millisecond) || most != gst.ClockTimeNone {
		t.Errorf("latency: live %v, %v to %v", live, least, most)
	}
}

// The players find the element by the URI and decode by themselves.
func TestPlaybin(t *testing.T) {
	for _, x := range []struct {
		player string
		kind   testmedia.Kind
	}{
		{"playbin", testmedia.H264AAC}, {"playbin", testmedia.H264ALaw}, {"playbin3", testmedia.H264AAC},
	} {
		player, kind := x.player, x.kind
		t.Run(fmt.Sprint(player, " ", kind), func(t *testing.T) {
			c := camera{stream: once(media(t, kind), io.EOF)}
			c.use(t)
			e, err := gst.NewElement(player)
			if err != nil {
				t.Fatal(err)
			}
			p, err := gst.NewPipeline("")
			if err != nil {
				t.Fatal(err)
			}
			p.Add(e)
			e.Set("uri", "xp2p://T/cam?quality=super")
			for _, sink := range []string{"video-sink", "audio-sink"} {
				s, err := gst.NewElementWithProperties("fakesink", map[string]any{"sync": true})
				if err != nil {
					t.Fatal(err)
				}
				e.Set(sink, s)
			}
			defer p.SetState(gst.StateNull)
			pl := &pipeline{p, t, nil}
			pl.set(gst.StatePlaying)
			pl.end()
			if a := c.asked(); len(a) != 1 || a[0] != "quality=super&action=live&channel=0" {
				t.Errorf("asked for %q", a)
			}
		})
	}
}
