// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"bytes"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// A thousand times from NULL to PLAYING and back, a process stays as large as it was
// after the first ones.
func TestCyclesDoNotGrow(t *testing.T) {
	(&camera{stream: once(media(t, testmedia.H264), nil)}).use(t)
	p := launch(t, "xp2psrc name=src ! xp2pdemux ! fakesink async=false")
	cycles := func(n int) {
		for range n {
			p.set(gst.StatePlaying)
			await(t, "bytes", func() bool { b, _ := p.stats("bytes").(uint64); return b > 0 })
			p.set(gst.StateNull)
			// The bus keeps every message until somebody takes it.
			for bus := p.GetPipelineBus(); bus.Pop() != nil; {
			}
		}
		debug.FreeOSMemory()
	}
	cycles(200)
	before := residentKiB(t)
	cycles(1000)
	grown := residentKiB(t) - before
	t.Logf("1000 cycles: %+d KiB on %d KiB", grown, before)
	if grown >= 5<<10 {
		t.Errorf("1000 cycles made the process grow by %d KiB", grown)
	}
}

// residentKiB is the memory of this process that is its own.
func residentKiB(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("RssAnon:")); ok {
			n, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no RssAnon in /proc/self/status")
	return 0
}

// alive is a line of the leaks tracer: an object that is left at the end. The line
// that describes the format of such lines has no address.
var alive = regexp.MustCompile(`object-alive, type-name=\(string\)\S+, address=\(gpointer\)0x.*`)

// GStreamer's own tracer finds no object left, of ours or of others.
func TestLeaks(t *testing.T) {
	r := startRecorded(t, testmedia.H264AAC)
	env := r.env("GST_TRACERS=leaks", "GST_DEBUG=GST_TRACER:7", "GST_DEBUG_NO_COLOR=1")
	for name, line := range map[string]string{
		"live":     "xp2psrc num-buffers=100 location=" + r.uri() + " ! xp2pdemux name=d d.video_0 ! queue ! h264parse ! fakesink d.audio_0 ! queue ! fakesink",
		"playback": "xp2psrc location=" + r.uri() + "?action=playback&start_time=" + strconv.FormatInt(r.start, 10) + "&end_time=" + strconv.FormatInt(r.end, 10) + " ! xp2pdemux ! fakesink",
		"refused":  "xp2psrc reconnect=false location=" + r.uri() + "?action=live&channel=99 ! xp2pdemux ! fakesink",
		"unset":    "xp2psrc location=xp2p://T ! fakesink",
	} {
		t.Run(name, func(t *testing.T) {
			out, ok := run(t, env, "gst-launch-1.0", append([]string{"--no-fault"}, strings.Fields(line)...)...)
			if wanted := name == "live" || name == "playback"; ok != wanted {
				t.Fatal(out[max(0, len(out)-3000):])
			}
			if !strings.Contains(out, "object-alive") {
				t.Fatal("the tracer did not run")
			}
			if left := alive.FindAllString(out, -1); len(left) > 0 {
				t.Errorf("left:\n%s", strings.Join(left, "\n"))
			}
		})
	}
}
