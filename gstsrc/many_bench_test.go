// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"context"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/device/input"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// BenchmarkFifty is what 50 cameras of 2 Mbit/s in one process cost, each `xp2psrc !
// xp2pdemux ! fakesink`, fed in real time from files; and what that feeding alone costs,
// which is in it.
func BenchmarkFifty(b *testing.B) {
	const streams, settle, window = 50, 3 * time.Second, 8 * time.Second
	src, err := input.Parse("flv:"+testmedia.FLV(b, testmedia.H264AAC, 10, testmedia.Options{Width: 1280, Height: 720, Kbits: 1936}), input.Options{})
	if err != nil {
		b.Fatal(err)
	}
	measure := func(b *testing.B) {
		time.Sleep(settle)
		before, began := cpu(), time.Now()
		time.Sleep(window)
		b.ReportMetric(100*float64(cpu()-before)/float64(time.Since(began))/streams, "%core/stream")
		b.ReportMetric(float64(residentBytes(b))/streams/(1<<20), "MiB/stream")
	}
	b.Run("feeding", func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for range streams {
			rc, err := src.Open(ctx)
			if err != nil {
				b.Fatal(err)
			}
			defer rc.Close()
			go io.Copy(io.Discard, rc)
		}
		for range b.N {
			measure(b)
		}
	})
	b.Run("pipelines", func(b *testing.B) {
		(&camera{stream: func(ctx context.Context, _ int) (io.ReadCloser, error) { return src.Open(context.WithoutCancel(ctx)) }}).use(b)
		for range streams {
			p, err := gst.NewPipelineFromString("xp2psrc ! xp2pdemux name=d d. ! queue ! fakesink d. ! queue ! fakesink")
			if err != nil {
				b.Fatal(err)
			}
			p.SetState(gst.StatePlaying)
			defer p.SetState(gst.StateNull)
		}
		for range b.N {
			measure(b)
		}
	})
}

func residentBytes(b *testing.B) int64 {
	b.Helper()
	s, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(s))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// BenchmarkStopWhileStuck is PLAYING to NULL while the network hangs: in the way to the
// camera, and in the middle of its stream.
func BenchmarkStopWhileStuck(b *testing.B) {
	stuck := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	file, err := os.ReadFile(testmedia.FLV(b, testmedia.H264, 2, testmedia.Options{}))
	if err != nil {
		b.Fatal(err)
	}
	for name, c := range map[string]*camera{
		"connecting": {dial: stuck},
		"streaming":  {stream: once(file[:len(file)/2], nil)}, // and then silence
	} {
		b.Run(name, func(b *testing.B) {
			c.use(b)
			var took []time.Duration
			for b.Loop() {
				p, err := gst.NewPipelineFromString("xp2psrc ! fakesink")
				if err != nil {
					b.Fatal(err)
				}
				p.SetState(gst.StatePlaying)
				time.Sleep(20 * time.Millisecond)
				began := time.Now()
				p.SetState(gst.StateNull)
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000 }
			b.ReportMetric(at(0.5), "p50-ms")
			b.ReportMetric(at(0.99), "p99-ms")
		})
	}
}
