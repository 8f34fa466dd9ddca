// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

import (
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
)

// BenchmarkTalk is the CPU of a second of talk in 20 ms buffers, as a microphone gives
// them, beside the same pipeline with a fakesink. The unit to compare is cpu-ns/s.
func BenchmarkTalk(b *testing.B) {
	const seconds = 60
	for _, bm := range []struct{ name, line string }{
		{"alaw", "audio/x-raw,rate=8000,channels=1 ! alawenc ! xp2psink name=sink sync=false"},
		{"alaw-fakesink", "audio/x-raw,rate=8000,channels=1 ! alawenc ! fakesink name=sink"},
		{"S16LE-8kHz", "audio/x-raw,format=S16LE,rate=8000,channels=1 ! xp2psink name=sink sync=false"},
		{"S16LE-8kHz-fakesink", "audio/x-raw,format=S16LE,rate=8000,channels=1 ! fakesink name=sink"},
		{"S16LE-16kHz", "audio/x-raw,format=S16LE,rate=16000,channels=1 ! xp2psink name=sink sync=false"},
		{"S16LE-16kHz-fakesink", "audio/x-raw,format=S16LE,rate=16000,channels=1 ! fakesink name=sink"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			c := &camera{takes: alaw}
			c.use(b)
			samples := 160
			if strings.Contains(bm.name, "16kHz") {
				samples = 320
			}
			p := launch(b, "audiotestsrc num-buffers=%d samplesperbuffer=%d ! %s", seconds*50, samples, bm.line)
			begin := cpu()
			for b.Loop() {
				p.set(gst.StatePlaying)
				p.end()
				p.set(gst.StateNull)
			}
			b.ReportMetric(float64(cpu()-begin)/float64(b.N)/seconds, "cpu-ns/s")
		})
	}
}

// cpu is what this process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStop is PLAYING to NULL while the network hangs.
func BenchmarkStop(b *testing.B) {
	c := &camera{takes: alaw, write: func(v *voice) error { <-v.done; return nil }}
	c.use(b)
	p := launch(b, "audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! xp2psink name=sink sync=false")
	var worst, all time.Duration
	for b.Loop() {
		n := c.talks()
		p.set(gst.StatePlaying)
		until(b, "talking", func() bool { return c.talks() > n })
		begin := time.Now()
		p.set(gst.StateNull)
		d := time.Since(begin)
		worst, all = max(worst, d), all+d
	}
	b.ReportMetric(float64(all.Nanoseconds())/float64(b.N), "ns-to-NULL")
	b.ReportMetric(float64(worst.Nanoseconds()), "ns-worst")
}

// BenchmarkFreshPipelines measures what a new pipeline for each talk leaves in the process,
// with this sink and with fakesink in its place: docs/design/0013, "Memory". Say
// -benchtime=1000x, and MALLOC_ARENA_MAX=1 to have the allocator's arenas out of it.
func BenchmarkFreshPipelines(b *testing.B) {
	const (
		sound   = "audiotestsrc num-buffers=20 samplesperbuffer=160 ! audio/x-raw,format=S16LE,rate=8000,channels=1"
		encoder = "videotestsrc num-buffers=10 ! video/x-raw,width=64,height=48,framerate=25/1 ! x264enc tune=zerolatency speed-preset=ultrafast ! h264parse"
	)
	for _, bm := range []struct{ name, line string }{
		{"sound/fakesink", sound + " ! fakesink"},
		{"sound/xp2psink", sound + " ! xp2psink sync=false"},
		{"x264enc/fakesink", encoder + " ! fakesink"},
		{"x264enc/xp2psink", "xp2psink name=sink sync=false " + sound + " ! sink. " + encoder + " ! sink.video"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			c := &camera{takes: alaw}
			c.use(b)
			do := func(n int) int {
				for range n {
					p, err := gst.NewPipelineFromString(bm.line)
					if err != nil {
						b.Fatal(err)
					}
					p.SetState(gst.StatePlaying)
					m := p.GetPipelineBus().TimedPopFiltered(gst.ClockTime(patience), gst.MessageEOS|gst.MessageError)
					if m == nil || m.Type() == gst.MessageError {
						b.Fatal("the pipeline has not come to its end")
					}
					p.SetState(gst.StateNull)
					c.mu.Lock()
					c.voices, c.asked = nil, nil
					c.mu.Unlock()
				}
				for range 3 { // what go-gst keeps goes with its finalizers
					debug.FreeOSMemory()
					time.Sleep(10 * time.Millisecond)
				}
				return rss(b)
			}
			first := do(50)
			b.ResetTimer()
			grown := do(b.N) - first
			b.ReportMetric(float64(grown)/(1<<10), "KiB-grown")
		})
	}
}
