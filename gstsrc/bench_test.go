// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// BenchmarkSource compares the CPU that xp2psrc needs, fed from memory, with
// filesrc's for the same bytes. The unit to compare is cpu-ns/MB.
func BenchmarkSource(b *testing.B) {
	stream, file := stream64(b)
	for _, size := range []int{4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("xp2psrc/%dKiB", size>>10), func(b *testing.B) {
			(&camera{stream: func(context.Context, int) (io.ReadCloser, error) {
				p := play(stream, io.EOF)
				p.piece = size
				return p, nil
			}}).use(b)
			play64(b, len(stream), "xp2psrc ! fakesink")
		})
		b.Run(fmt.Sprintf("filesrc/%dKiB", size>>10), func(b *testing.B) {
			play64(b, len(stream), fmt.Sprintf("filesrc location=%s blocksize=%d ! fakesink", file, size))
		})
	}
}

// stream64 is 64 MiB of FLV, also in a file.
func stream64(b *testing.B) (stream []byte, file string) {
	stream = flv.AppendHeader(nil, true, false)
	picture := make([]byte, 8000)
	copy(picture, []byte{0x27, 1, 0, 0, 0, 0, 0, byte((len(picture) - 9) >> 8), byte(len(picture) - 9)})
	for ms := uint32(0); len(stream) < 64<<20; ms += 40 {
		stream = flv.AppendTag(stream, flv.TagVideo, ms, picture)
	}
	file = filepath.Join(b.TempDir(), "stream.flv")
	if err := os.WriteFile(file, stream, 0o600); err != nil {
		b.Fatal(err)
	}
	return stream, file
}

// BenchmarkSourceBeside plays both by turns, so that both meet the same machine, and
// gives the ratio of their CPU time.
func BenchmarkSourceBeside(b *testing.B) {
	stream, file := stream64(b)
	for _, size := range []int{4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			(&camera{stream: func(context.Context, int) (io.ReadCloser, error) {
				p := play(stream, io.EOF)
				p.piece = size
				return p, nil
			}}).use(b)
			var ours, theirs time.Duration
			for b.Loop() {
				ours += once64(b, "xp2psrc ! fakesink")
				theirs += once64(b, fmt.Sprintf("filesrc location=%s blocksize=%d ! fakesink", file, size))
			}
			b.ReportMetric(float64(ours)/float64(theirs), "x-filesrc")
		})
	}
}

// play64 plays a pipeline to its end b.N times.
func play64(b *testing.B, size int, line string) {
	b.SetBytes(int64(size))
	var used time.Duration
	for b.Loop() {
		used += once64(b, line)
	}
	b.ReportMetric(float64(used)/float64(b.N)/(float64(size)/1e6), "cpu-ns/MB")
}

// once64 plays a pipeline to its end and gives the CPU time of that.
func once64(b *testing.B, line string) time.Duration {
	begin := cpu()
	p, err := gst.NewPipelineFromString(line)
	if err != nil {
		b.Fatal(err)
	}
	if err := p.SetState(gst.StatePlaying); err != nil {
		b.Fatal(err)
	}
	m := p.GetPipelineBus().TimedPopFiltered(gst.ClockTime(patience), gst.MessageEOS|gst.MessageError)
	if m == nil || m.Type() != gst.MessageEOS {
		b.Fatalf("%s: %v", line, m)
	}
	p.SetState(gst.StateNull)
	return cpu() - begin
}

// cpu is what this process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStateChange is NULL to PLAYING, the first buffer, and back to NULL.
func BenchmarkStateChange(b *testing.B) {
	file, err := os.ReadFile(testmedia.FLV(b, testmedia.H264, 2, testmedia.Options{}))
	if err != nil {
		b.Fatal(err)
	}
	(&camera{stream: once(file, nil)}).use(b)
	p, err := gst.NewPipelineFromString("xp2psrc name=src ! fakesink name=sink signal-handoffs=true")
	if err != nil {
		b.Fatal(err)
	}
	defer p.SetState(gst.StateNull)
	sink, err := p.GetElementByName("sink")
	if err != nil {
		b.Fatal(err)
	}
	first := make(chan struct{}, 1)
	sink.Connect("handoff", func(*gst.Element, *gst.Buffer, *gst.Pad) {
		select {
		case first <- struct{}{}:
		default:
		}
	})
	var down time.Duration
	for b.Loop() {
		p.SetState(gst.StatePlaying)
		<-first
		begin := time.Now()
		p.SetState(gst.StateNull)
		down += time.Since(begin)
		select {
		case <-first:
		default:
		}
	}
	b.ReportMetric(float64(down.Nanoseconds())/float64(b.N), "ns-to-NULL")
}
