// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/demux"
)

// pictures is a source of so many pictures of a width, 25 a second, a key picture each
// second.
func pictures(n, width int) string {
	return fmt.Sprintf("videotestsrc num-buffers=%d ! video/x-raw,width=%d,height=48,framerate=25/1 ! "+
		"x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! h264parse", n, width)
}

// call is a pipeline of so much sound and the pictures of a line.
func call(t *testing.T, seconds int, video, props string) *pipeline {
	t.Helper()
	return launch(t, "xp2psink name=sink %s audiotestsrc num-buffers=%d samplesperbuffer=160 ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! sink. %s ! sink.video",
		props, 50*seconds, video)
}

// showed is what of a talk were pictures; the times of all its tags must be in order, and
// the first picture a key picture behind its configuration.
func (c *camera) showed(t *testing.T, n int) (count, configs, keys int) {
	t.Helper()
	c.mu.Lock()
	v := c.voices[n]
	c.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	var last time.Duration
	for i, u := range v.units {
		if u.DTS < last {
			t.Errorf("tag %d is at %v, behind one at %v", i, u.DTS, last)
		}
		last = u.DTS
		switch {
		case u.Kind != demux.Video:
		case u.Config:
			configs++
		default:
			if count == 0 && (!u.Key || configs == 0) {
				t.Errorf("the first picture: key %v behind %d configurations", u.Key, configs)
			}
			count++
			if u.Key {
				keys++
			}
		}
	}
	return count, configs, keys
}

func TestVideoCall(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sound   int // seconds
		video   string
		props   string
		want    int
		configs int
	}{
		{"a file", 2, pictures(50, 64), "", 50, 1},
		{"as fast as it goes", 2, pictures(50, 64), "sync=false", 50, 1},
		{"sound ends first", 1, pictures(50, 64), "", 50, 1},
		{"pictures end first", 2, pictures(25, 64), "", 25, 1},
		{"more than the lane holds", 4, pictures(100, 64), "", 100, 1},
		{"another size in mid-call", 2, "concat name=c " + pictures(25, 64) + " ! c. " + pictures(25, 128) + " ! c. c.", "", 50, 2},
		{"B pictures", 2, "videotestsrc num-buffers=50 ! video/x-raw,width=64,height=48,framerate=25/1 ! x264enc bframes=2 rc-lookahead=4 sync-lookahead=0 ! h264parse", "", 50, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &camera{takes: alaw}
			c.use(t)
			p := call(t, tt.sound, tt.video, tt.props)
			p.set(gst.StatePlaying)
			p.end()
			if n := p.stats("pictures"); n != uint64(tt.want) {
				t.Errorf("stats: %v pictures", n)
			}
			p.set(gst.StateNull)
			if n, configs, keys := c.showed(t, 0); n != tt.want || configs != tt.configs || keys == 0 {
				t.Errorf("%d pictures of %d, %d configurations, %d key pictures", n, tt.want, configs, keys)
			}
			if n := len(c.heardSound(0)); n != tt.sound*8000 {
				t.Errorf("%d bytes of sound of %d s", n, tt.sound)
			}
			if !c.asked[0].Video || c.talks() != 1 {
				t.Errorf("%d talks, the first with pictures: %v", c.talks(), c.asked[0].Video)
			}
		})
	}
}

// heardSound is the sound of a talk that has pictures too.
func (c *camera) heardSound(n int) (all []byte) {
	media, _ := c.units(n)
	for _, u := range media {
		if u.Kind == demux.Audio {
			all = append(all, u.Data...)
		}
	}
	return all
}

const (
	liveSound = "audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,format=S16LE,rate=8000,channels=1"
	liveVideo = "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=25/1 ! " +
		"x264enc name=enc tune=zerolatency speed-preset=ultrafast key-int-max=1000 ! h264parse"
)

// After a pause there is a new talk. The encoder is asked for the key picture it needs.
func TestVideoCallPause(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	p := launch(t, "xp2psink name=sink sync=false %s ! sink. %s ! sink.video", liveSound, liveVideo)
	for n := range 3 {
		p.set(gst.StatePlaying)
		until(t, "pictures", func() bool {
			if c.talks() <= n {
				return false
			}
			count, _, _ := c.showed(t, n)
			return count > 10
		})
		p.settled(gst.StatePaused)
	}
	p.set(gst.StateNull)
}

// The pad can come, and go again, while a talk goes on.
func TestVideoPadComesAndGoes(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	p := launch(t, "xp2psink name=sink sync=false %s ! sink. %s ! identity name=end ! fakesink sync=false", liveSound, liveVideo)
	end, err := p.GetElementByName("end")
	if err != nil {
		t.Fatal(err)
	}
	p.set(gst.StatePlaying)
	until(t, "talking", func() bool { return c.talks() == 1 && len(c.heardSound(0)) > 1600 })
	src := end.GetStaticPad("src")
	src.Unlink(src.GetPeer())
	pad := p.sink.GetRequestPad("video")
	if pad == nil {
		t.Fatal("no pad")
	}
	if ret := src.Link(pad); ret != gst.PadLinkOK {
		t.Fatalf("link: %v", ret)
	}
	until(t, "pictures", func() bool { n, _, _ := c.showed(t, 0); return n > 10 })
	heard := len(c.heardSound(0))
	src.Unlink(pad)
	p.sink.ReleaseRequestPad(pad)
	until(t, "the sound goes on", func() bool { return len(c.heardSound(0)) > heard+8000 })
	if p.sink.GetStaticPad("video") != nil {
		t.Error("the pad is still there")
	}
	if c.talks() != 1 {
		t.Errorf("%d talks", c.talks())
	}
	p.set(gst.StateNull)
}

// A flush in the pictures' branch alone does not touch the sound.
func TestVideoFlush(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	p := launch(t, "xp2psink name=sink sync=false %s ! sink. %s ! sink.video", liveSound, strings.Replace(liveVideo, "key-int-max=1000", "key-int-max=5", 1))
	p.set(gst.StatePlaying)
	shown := func(more int) func() bool {
		return func() bool {
			if c.talks() == 0 {
				return false
			}
			n, _, _ := c.showed(t, 0)
			return n > more
		}
	}
	until(t, "pictures", shown(5))
	pad := p.sink.GetStaticPad("video")
	src := pad.GetPeer()
	segment := src.GetStickyEvent(gst.EventTypeSegment, 0)
	if segment == nil || !src.PushEvent(gst.NewFlushStartEvent()) || !src.PushEvent(gst.NewFlushStopEvent(false)) || !src.PushEvent(segment) {
		t.Error("the flush was refused")
	}
	before, _, _ := c.showed(t, 0)
	until(t, "pictures go on", shown(before+10))
	heard := len(c.heardSound(0))
	until(t, "the sound goes on", func() bool { return len(c.heardSound(0)) > heard+4000 })
	p.set(gst.StateNull)
	if c.talks() != 1 {
		t.Errorf("%d talks", c.talks())
	}
}

func TestVideoErrors(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	p := launch(t, "xp2psink name=sink %s ! sink.video", pictures(50, 64))
	if err := p.SetState(gst.StatePlaying); err == nil {
		t.Error("pictures without sound were begun")
	}
	if e := p.wait(gst.MessageError).ParseError(); !strings.Contains(e.Error(), "needs both") {
		t.Errorf("pictures without sound: %v", e)
	}
	if _, err := gst.NewPipelineFromString("videotestsrc ! x264enc ! video/x-h264,stream-format=byte-stream ! xp2psink.video"); err == nil {
		t.Error("a byte stream was linked")
	}
	p = call(t, 2, pictures(50, 64)+" ! capssetter replace=true caps=video/x-h264,stream-format=avc,alignment=au", "")
	p.set(gst.StatePlaying)
	if e := p.wait(gst.MessageError).ParseError(); !strings.Contains(e.Error(), "h264parse") {
		t.Errorf("without configuration: %v", e)
	}
}

// Neither a camera that does not take the line, nor one that takes no more, holds a state
// change up.
func TestVideoStateChangesWhileStuck(t *testing.T) {
	for name, cam := range map[string]*camera{
		"taking the line": {takes: alaw, talk: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		"talking":         {takes: alaw, write: func(v *voice) error { <-v.done; return nil }},
		"at the end":      {takes: alaw, close: func(v *voice) { <-v.done }},
	} {
		t.Run(name, func(t *testing.T) {
			cam.use(t)
			p := call(t, 1, pictures(25, 64), "timeout=0 sync=false")
			for range 10 {
				before := cam.dialled()
				p.set(gst.StatePlaying)
				until(t, "connecting", func() bool { return cam.dialled() > before })
				p.settled(gst.StatePaused)
				p.set(gst.StatePlaying)
				p.set(gst.StateNull)
			}
		})
	}
}

func TestVideoCycles(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	p := launch(t, "xp2psink name=sink sync=false %s ! sink. %s ! sink.video", liveSound, liveVideo)
	// The encoder's threads spread over the allocator's arenas at first.
	doesNotGrow(t, 400, 250, func() {
		p.set(gst.StatePlaying)
		until(t, "pictures", func() bool { n, _ := p.stats("pictures").(uint64); return n > 0 })
		p.set(gst.StateNull)
		c.mu.Lock()
		c.voices, c.asked = nil, nil
		c.mu.Unlock()
	})
}
