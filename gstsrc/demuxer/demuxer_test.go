// SPDX-License-Identifier: LGPL-2.1-or-later

package demuxer

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/internal/gst/guard"
	"github.com/xp2p/xp2p/internal/testmedia"
)

func TestMain(m *testing.M) {
	guard.Criticals()
	gst.Init(nil)
	if !Register(nil) {
		fmt.Fprintln(os.Stderr, "xp2pdemux cannot be registered")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestCriticalsAreFatal(t *testing.T) { guard.Check(t) }

// patience bounds a wait for something that must come; it is no measure of speed.
const patience = time.Minute

const seconds = 3

// pipeline is one that is stopped when the test ends.
type pipeline struct {
	*gst.Pipeline
	t *testing.T
}

func launch(t *testing.T, format string, args ...any) *pipeline {
	t.Helper()
	p, err := gst.NewPipelineFromString(fmt.Sprintf(format, args...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.SetState(gst.StateNull) })
	return &pipeline{p, t}
}

// count counts the buffers that an element of the pipeline gets.
func (p *pipeline) count(element string) *atomic.Int64 {
	p.t.Helper()
	e, err := p.GetElementByName(element)
	if err != nil {
		p.t.Fatal(err)
	}
	n := new(atomic.Int64)
	e.GetStaticPad("sink").AddProbe(gst.PadProbeTypeBuffer, func(*gst.Pad, *gst.PadProbeInfo) gst.PadProbeReturn {
		n.Add(1)
		return gst.PadProbeOK
	})
	return n
}

// run plays the pipeline to its end and gives its error.
func (p *pipeline) run() error {
	p.t.Helper()
	if err := p.SetState(gst.StatePlaying); err != nil {
		p.t.Fatal(err)
	}
	m := p.GetPipelineBus().TimedPopFiltered(gst.ClockTime(patience), gst.MessageEOS|gst.MessageError)
	if m == nil {
		p.t.Fatal("the pipeline says nothing")
	}
	if m.Type() == gst.MessageError {
		e := m.ParseError()
		return fmt.Errorf("%s (%s)", e.Error(), e.DebugString())
	}
	return nil
}

// Each picture and each sound of a file is decoded, whatever the codec.
func TestDecodes(t *testing.T) {
	for kind, c := range map[testmedia.Kind]struct{ video, audio string }{
		testmedia.H264AAC:      {"h264parse ! avdec_h264", "aacparse ! avdec_aac"},
		testmedia.H264ALaw:     {"h264parse ! avdec_h264", "alawdec"},
		testmedia.H264MP3:      {"h264parse ! avdec_h264", "mpegaudioparse ! avdec_mp3"},
		testmedia.H265Legacy:   {"h265parse ! avdec_h265", "aacparse ! avdec_aac"},
		testmedia.H265Enhanced: {"h265parse ! avdec_h265", "aacparse ! avdec_aac"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			file := testmedia.FLV(t, kind, seconds, testmedia.Options{BFrames: 2})
			p := launch(t, "filesrc location=%s ! xp2pdemux name=d d. ! queue ! %s ! fakesink name=v d. ! queue ! %s ! fakesink name=a", file, c.video, c.audio)
			v, a := p.count("v"), p.count("a")
			if err := p.run(); err != nil {
				t.Fatal(err)
			}
			if v.Load() != int64(testmedia.Frames(seconds)) || a.Load() < seconds {
				t.Errorf("%d pictures, %d buffers of sound", v.Load(), a.Load())
			}
		})
	}
}

// The caps are as exact as those of GStreamer's own demuxer, and more so.
func TestCaps(t *testing.T) {
	for kind, want := range map[testmedia.Kind][]string{
		testmedia.H264AAC:      {"video_0 video/x-h264 width=320 height=180 framerate=25/1 stream-format=avc alignment=au profile=constrained-baseline level=1.2 codec_data", "audio_0 audio/mpeg mpegversion=4 stream-format=raw framed=true rate=44100 channels=1 profile=lc base-profile=lc level=2 codec_data"},
		testmedia.H265Enhanced: {"video_0 video/x-h265 width=320 height=180 framerate=25/1 stream-format=hvc1 alignment=au profile=main tier=main level=2 codec_data"},
		testmedia.H264ALaw:     {"audio_0 audio/x-alaw rate=8000 channels=1"},
		testmedia.H264MP3:      {"audio_0 audio/mpeg mpegversion=1 layer=3 rate=44100 channels=1"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			p := launch(t, "filesrc location=%s ! xp2pdemux name=d d. ! queue ! fakesink d. ! queue ! fakesink",
				testmedia.FLV(t, kind, seconds, testmedia.Options{}))
			if err := p.SetState(gst.StatePaused); err != nil {
				t.Fatal(err)
			}
			if m := p.GetPipelineBus().TimedPopFiltered(gst.ClockTime(patience), gst.MessageAsyncDone|gst.MessageError); m == nil || m.Type() == gst.MessageError {
				t.Fatalf("no preroll: %v", m)
			}
			d, err := p.GetElementByName("d")
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range want {
				f := strings.Fields(w)
				pad := d.GetStaticPad(f[0])
				if pad == nil {
					t.Errorf("no pad %s", f[0])
					continue
				}
				caps := pad.GetCurrentCaps().String()
				for _, field := range f[1:] {
					name, value, has := strings.Cut(field, "=")
					ok := strings.Contains(caps, field)
					if has {
						ok = false
						for _, c := range strings.Split(caps, ", ") {
							n, v, _ := strings.Cut(c, "=(")
							_, v, _ = strings.Cut(v, ")")
							ok = ok || n == name && strings.Trim(v, `"`) == value
						}
					}
					if !ok {
						t.Errorf("%s: %s is not in %s", f[0], field, caps)
					}
				}
			}
		})
	}
}

// The players that find their elements by themselves take this one.
func TestAutoplugged(t *testing.T) {
	for _, kind := range []testmedia.Kind{testmedia.H264AAC, testmedia.H265Enhanced, testmedia.H264ALaw, testmedia.H264, testmedia.AAC} {
		file := testmedia.FLV(t, kind, seconds, testmedia.Options{})
		sound, picture := kind != testmedia.H264, kind != testmedia.AAC
		for _, line := range []string{
			"playbin",
			"playbin3",
			"uridecodebin3 uri=file://%s name=u",
			"filesrc location=%s ! decodebin name=u",
			"filesrc location=%s ! decodebin3 name=u",
		} {
			if strings.Contains(line, "name=u") {
				if picture {
					line += " u. ! queue ! videoconvert ! fakesink"
				}
				if sound {
					line += " u. ! queue ! audioconvert ! fakesink"
				}
			}
			t.Run(fmt.Sprint(kind, " ", strings.Fields(line)[0]), func(t *testing.T) {
				var p *pipeline
				if strings.HasPrefix(line, "playbin") {
					p = player(t, strings.Fields(line)[0], file)
				} else {
					p = launch(t, line, file)
				}
				if err := p.run(); err != nil {
					t.Fatal(err)
				}
				found := false
				elements, err := p.GetElementsRecursive()
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range elements {
					f := e.GetFactory() // a player's inner parts have none
					found = found || f != nil && f.GetName() == "xp2pdemux"
				}
				if !found {
					t.Error("another demuxer was chosen")
				}
			})
		}
	}
}

// player is a playbin or playbin3 of a file.
func player(t *testing.T, name, file string) *pipeline {
	t.Helper()
	p, err := gst.NewPipeline("")
	if err != nil {
		t.Fatal(err)
	}
	e, err := gst.NewElementWithProperties(name, map[string]any{"uri": "file://" + file})
	if err != nil {
		t.Fatal(err)
	}
	for _, sink := range []string{"video-sink", "audio-sink"} {
		s, err := gst.NewElement("fakesink")
		if err != nil {
			t.Fatal(err)
		}
		e.Set(sink, s)
	}
	p.Add(e)
	t.Cleanup(func() { p.SetState(gst.StateNull) })
	return &pipeline{p, t}
}

// What cannot be demuxed is an error of the stream, not a hang.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	whole, err := os.ReadFile(testmedia.FLV(t, testmedia.H264AAC, seconds, testmedia.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	noise := slices.Repeat([]byte("no FLV at all "), 1000)
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"noise":         {noise, "neither pictures nor sound"},
		"header only":   {whole[:13], "neither pictures nor sound"},
		"truncated":     {whole[:len(whole)/2], ""},
		"damaged":       {slices.Insert(slices.Clone(whole), len(whole)/2, noise...), ""},
		"16 MB claimed": {append(slices.Clone(whole[:13]), append([]byte{9, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0}, noise...)...), "neither pictures nor sound"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			p := launch(t, "filesrc location=\"%s\" ! xp2pdemux name=d d. ! queue ! fakesink d. ! queue ! fakesink", file)
			err := p.run()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A stream whose downstream is not there goes on as far as anything is linked.
func TestPartlyLinked(t *testing.T) {
	p := launch(t, "filesrc location=%s ! xp2pdemux name=d d.audio_0 ! queue ! fakesink name=a", testmedia.FLV(t, testmedia.H264AAC, seconds, testmedia.Options{}))
	a := p.count("a")
	if err := p.run(); err != nil || a.Load() < 100 {
		t.Errorf("%v, %d", err, a.Load())
	}
	p = launch(t, "filesrc location=%s ! xp2pdemux", testmedia.FLV(t, testmedia.H264AAC, seconds, testmedia.Options{}))
	if err := p.run(); err == nil || !strings.Contains(err.Error(), "not-linked") {
		t.Errorf("nothing is linked: %v", err)
	}
}

// A new configuration in mid-stream is new caps, and no picture is broken by it.
func TestChange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "change.flv")
	small := testmedia.FLV(t, testmedia.H264, seconds, testmedia.Options{GOP: 25})
	large := testmedia.FLV(t, testmedia.H264, seconds, testmedia.Options{GOP: 25, Width: 640, Height: 360})
	var b []byte
	for i, name := range []string{small, large} {
		c, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			c = c[13:] // its times begin at 0 again: the demuxer sees a new clock
		}
		b = append(b, c...)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, "filesrc location=%s ! xp2pdemux ! h264parse ! avdec_h264 ! fakesink name=v sync=false", file)
	v := p.count("v")
	e, err := p.GetElementByName("v")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	if v.Load() != int64(2*testmedia.Frames(seconds)) {
		t.Errorf("%d pictures", v.Load())
	}
	if caps := e.GetStaticPad("sink").GetCurrentCaps().String(); !strings.Contains(caps, "width=(int)640") {
		t.Errorf("the last picture is %s", caps)
	}
}

// Made, played and gone, again and again: the process does not grow.
func TestCycles(t *testing.T) {
	file := testmedia.FLV(t, testmedia.H264AAC, seconds, testmedia.Options{})
	cycle := func(n int) {
		for range n {
			p, err := gst.NewPipelineFromString(fmt.Sprintf("filesrc location=%s ! xp2pdemux name=d d. ! queue ! fakesink d. ! queue ! fakesink", file))
			if err != nil {
				t.Fatal(err)
			}
			q := &pipeline{p, t}
			if err := q.run(); err != nil {
				t.Fatal(err)
			}
			p.SetState(gst.StateNull)
		}
		debug.FreeOSMemory()
	}
	cycle(50)
	before := rss(t)
	cycle(200)
	if grown := rss(t) - before; grown > 5<<20 {
		t.Errorf("200 pipelines leave %d KiB", grown>>10)
	}
}

func rss(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(b))[1])
	return pages * os.Getpagesize()
}

// BenchmarkDemux plays a file as fast as it goes, beside GStreamer's demuxer. The
// metric is CPU time of the process, all its threads.
func BenchmarkDemux(b *testing.B) {
	file := testmedia.FLV(b, testmedia.H264AAC, 10, testmedia.Options{Width: 1280, Height: 720, Kbits: 1936})
	for _, name := range []string{"xp2pdemux", "flvdemux"} {
		b.Run(name, func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				p, err := gst.NewPipelineFromString(fmt.Sprintf("filesrc location=%s blocksize=65536 ! %s name=d d. ! queue ! fakesink sync=false d. ! queue ! fakesink sync=false", file, name))
				if err != nil {
					b.Fatal(err)
				}
				p.SetState(gst.StatePlaying)
				if m := p.GetPipelineBus().TimedPopFiltered(gst.ClockTime(patience), gst.MessageEOS|gst.MessageError); m == nil || m.Type() != gst.MessageEOS {
					b.Fatal("it does not play")
				}
				p.SetState(gst.StateNull)
			}
			b.ReportMetric(float64(cpu(b)-before)/1e6/float64(b.N), "cpu-ms/op")
		})
	}
}

// cpu is what the process has taken so far, all its threads.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
