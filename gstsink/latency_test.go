// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

import (
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
)

// A call is as late as its slower branch, and its queues hold what the shorter holds; a
// branch that is not live asks for nothing.
func TestLatency(t *testing.T) {
	const (
		ms       = gst.ClockTime(time.Millisecond)
		deadline = 20 * ms // of processing, which GstBaseSink adds
		none     = gst.ClockTimeNone
	)
	type latency struct {
		live     bool
		min, max gst.ClockTime
	}
	for _, tt := range []struct {
		name, props  string
		sound, video latency
		want         latency
	}{
		{"the pictures are slower", "", latency{true, 20 * ms, none}, latency{true, 100 * ms, none}, latency{true, 100*ms + deadline, none}},
		{"the sound is slower", "", latency{true, 200 * ms, none}, latency{true, 100 * ms, none}, latency{true, 200*ms + deadline, none}},
		{"the pictures hold less", "", latency{true, 20 * ms, 900 * ms}, latency{true, 20 * ms, 500 * ms}, latency{true, 20*ms + deadline, 500 * ms}},
		{"the sound holds less", "", latency{true, 20 * ms, 300 * ms}, latency{true, 20 * ms, none}, latency{true, 20*ms + deadline, 300 * ms}},
		{"live pictures alone", "", latency{false, 0, none}, latency{true, 100 * ms, 500 * ms}, latency{true, 100*ms + deadline, 500 * ms}},
		{"live sound alone", "", latency{true, 20 * ms, 300 * ms}, latency{false, 70 * ms, 0}, latency{true, 20*ms + deadline, 300 * ms}},
		{"nothing is live", "", latency{false, 0, none}, latency{false, 0, none}, latency{true, 0, none}}, // as GstBaseSink says it
		{"nothing waits for the clock", "sync=false", latency{true, 20 * ms, none}, latency{true, 100 * ms, none}, latency{false, 0, none}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &camera{takes: alaw}
			c.use(t)
			p := launch(t, "xp2psink name=sink %s %s ! sink. %s ! sink.video", tt.props, liveSound, liveVideo)
			told := make(chan string, 64) // many more than there are latency events
			for name, says := range map[string]latency{"sink": tt.sound, "video": tt.video} {
				src := p.sink.GetStaticPad(name).GetPeer()
				src.AddProbe(gst.PadProbeTypeQueryUpstream|gst.PadProbeTypePull, func(_ *gst.Pad, info *gst.PadProbeInfo) gst.PadProbeReturn {
					if q := info.GetQuery(); q.Type() == gst.QueryLatency {
						q.SetLatency(says.live, says.min, says.max)
					}
					return gst.PadProbeOK
				})
				src.AddProbe(gst.PadProbeTypeEventUpstream, func(_ *gst.Pad, info *gst.PadProbeInfo) gst.PadProbeReturn {
					if info.GetEvent().Type() == gst.EventTypeLatency {
						told <- name
					}
					return gst.PadProbeOK
				})
			}
			p.set(gst.StatePlaying)
			until(t, "talking", func() bool { return c.talks() == 1 })
			q := gst.NewLatencyQuery()
			if !p.sink.Query(q) {
				t.Fatal("no answer")
			}
			got := latency{}
			got.live, got.min, got.max = q.ParseLatency()
			if !tt.want.live { // the rest means nothing
				got.min, got.max = tt.want.min, tt.want.max
			}
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			for len(told) > 0 {
				<-told
			}
			p.sink.SendEvent(gst.NewLatencyEvent(50 * ms))
			heard := map[string]bool{}
			for len(told) > 0 {
				heard[<-told] = true
			}
			if !heard["sink"] || !heard["video"] {
				t.Errorf("the latency was told to %v", heard)
			}
			p.set(gst.StateNull)
		})
	}
}
