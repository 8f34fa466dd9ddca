// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"io"
	"testing"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// player is a player of a URI into sinks that take all as it comes.
func player(t *testing.T, factory, uri string) *pipeline {
	t.Helper()
	e, err := gst.NewElement(factory)
	if err != nil {
		t.Fatal(err)
	}
	p, err := gst.NewPipeline("")
	if err != nil {
		t.Fatal(err)
	}
	p.Add(e)
	e.Set("uri", uri)
	for _, sink := range []string{"video-sink", "audio-sink"} {
		s, err := gst.NewElementWithProperties("fakesink", map[string]any{"sync": false})
		if err != nil {
			t.Fatal(err)
		}
		e.Set(sink, s)
	}
	t.Cleanup(func() { p.SetState(gst.StateNull) })
	return &pipeline{p, t, nil}
}

// buffered is the percentages up to the end of the stream. It pauses while a buffer
// fills, as players do.
func (p *pipeline) buffered(live bool) (percent []int) {
	p.t.Helper()
	playing := live
	if live { // it does not preroll
		p.set(gst.StatePlaying)
	} else {
		p.set(gst.StatePaused)
	}
	for {
		switch m := p.wait(gst.MessageBuffering | gst.MessageAsyncDone | gst.MessageEOS | gst.MessageError); m.Type() {
		case gst.MessageBuffering:
			n := m.ParseBuffering()
			percent = append(percent, n)
			if n == 100 {
				p.set(gst.StatePlaying)
			} else if playing {
				p.set(gst.StatePaused)
			}
		case gst.MessageAsyncDone:
			playing = true
			if len(percent) == 0 {
				p.set(gst.StatePlaying)
			}
		case gst.MessageError:
			e := m.ParseError()
			p.t.Fatalf("%s\n%s", e.Error(), e.DebugString())
		default:
			return percent
		}
	}
}

// Players buffer a download. A camera paces what it plays, and live is live.
func TestBuffering(t *testing.T) {
	for _, factory := range []string{"playbin", "playbin3"} {
		for _, tt := range []struct {
			name string
			uri  string
			cam  *camera
			want bool
		}{
			{"download", "xp2p://T/cam?action=download&file_name=a.flv", &camera{stream: once(media(t, testmedia.H264), io.EOF)}, true},
			{"playback", playbackURI, recording(t), false},
			{"live", "xp2p://T/cam", &camera{stream: once(media(t, testmedia.H264), io.EOF)}, false},
		} {
			t.Run(factory+" "+tt.name, func(t *testing.T) {
				tt.cam.use(t)
				p := player(t, factory, tt.uri)
				percent := p.buffered(tt.name == "live")
				full := len(percent) > 0 && percent[len(percent)-1] == 100
				if full != tt.want || len(percent) > 0 != tt.want {
					t.Errorf("buffering %v", percent)
				}
			})
		}
	}
}

// Who wants a playback to be buffered puts a queue there that does it.
func TestBufferingQueue(t *testing.T) {
	recording(t).use(t)
	p := launch(t, "xp2psrc name=src location=%s ! queue2 use-buffering=true max-size-time=0 max-size-bytes=65536 max-size-buffers=0 ! xp2pdemux ! fakesink sync=false", playbackURI)
	percent := p.buffered(false)
	if len(percent) == 0 || percent[len(percent)-1] != 100 {
		t.Errorf("buffering %v", percent)
	}
}

// A stream of two tracks that comes all at once ends in playbin3, every time. While it was
// announced as limited in bandwidth, decodebin3 of GStreamer 1.22 now and then lost the
// end on a machine under load.
func TestPlaybin3Ends(t *testing.T) {
	file := media(t, testmedia.H264AAC)
	for range 50 {
		c := &camera{stream: once(file, io.EOF)}
		c.use(t)
		p := player(t, "playbin3", "xp2p://T/cam")
		p.set(gst.StatePlaying)
		p.end()
		p.set(gst.StateNull)
	}
}
