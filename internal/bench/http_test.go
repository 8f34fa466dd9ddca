// SPDX-License-Identifier: LGPL-2.1-or-later

package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/device/input"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// BenchmarkHTTPRecording is what recording http-flv streams costs per camera, with
// a sync per part, beside ffmpeg and GStreamer, neither of which syncs.
func BenchmarkHTTPRecording(b *testing.B) {
	for _, cameras := range []int{20, 50} {
		b.Run(strconv.Itoa(cameras), func(b *testing.B) { benchHTTPRecording(b, cameras) })
	}
}

func benchHTTPRecording(b *testing.B, cameras int) {
	file := testmedia.FLV(b, testmedia.H264AAC, 10, stream2M)
	dir := b.TempDir()
	origin := startRole(b, "http-origin", dir, file)
	origin.wait(b, "ready")
	url := readFile(b, filepath.Join(dir, "origin"))
	bin := buildProgram(b)
	for b.Loop() {
		nvr := measureNVR(b, bin, dir, url, cameras)
		ffmpeg := measureFFmpeg(b, url, cameras)
		gst := measureSplitmuxsink(b, url, cameras)
		n := float64(cameras)
		b.ReportMetric(100*nvr.cpu/n, "nvr-%core/stream")
		b.ReportMetric(100*ffmpeg.cpu/n, "ffmpeg-%core/stream")
		b.ReportMetric(100*gst.cpu/n, "splitmuxsink-%core/stream")
		b.ReportMetric(nvr.cpu/ffmpeg.cpu, "nvr/ffmpeg")
		b.ReportMetric(nvr.cpu/gst.cpu, "nvr/splitmuxsink")
		b.ReportMetric(float64(nvr.rss)/n/(1<<20), "nvr-MiB/stream")
		b.ReportMetric(float64(ffmpeg.rss)/n/(1<<20), "ffmpeg-MiB/stream")
		b.ReportMetric(float64(gst.rss)/n/(1<<20), "splitmuxsink-MiB/stream")
	}
	origin.stop(b)
}

// Independent cameras do not send their key pictures at once: they begin at one of phases
// moments of the interval between two of them, phaseStep from that of the camera before.
const (
	keyInterval = 2 * time.Second
	phases      = 50
	phaseStep   = 21
)

// httpOrigin gives every request the looped file in real time.
func httpOrigin(dir, file string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	src, err := input.Parse("flv:"+file, input.Options{})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		camera, _ := strconv.Atoi(r.URL.RawQuery)
		time.Sleep(keyInterval * time.Duration(camera*phaseStep%phases) / phases)
		rc, err := src.Open(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer rc.Close()
		w.Header().Set("Content-Type", "video/x-flv")
		flush := http.NewResponseController(w).Flush
		buf := make([]byte, 64<<10)
		for {
			n, err := rc.Read(buf)
			if err != nil {
				return
			}
			if _, err := w.Write(buf[:n]); err != nil || flush() != nil {
				return
			}
		}
	})}
	go s.Serve(l)
	defer s.Close()
	if err := os.WriteFile(filepath.Join(dir, "origin"), []byte("http://"+l.Addr().String()+"/live.flv"), 0o600); err != nil {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	return nil
}

func measureNVR(b *testing.B, bin, dir, url string, cameras int) usage {
	b.Helper()
	var config strings.Builder
	fmt.Fprintf(&config, "control: %s\nstorage:\n  - dir: %s\ncameras:\n", filepath.Join(dir, "c.sock"), b.TempDir())
	for i := range cameras {
		fmt.Fprintf(&config, "  - name: cam%d\n    url: %s?%d\n", i, url, i)
	}
	file := filepath.Join(dir, "nvr.yaml")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	p := startProcess(b, bin, "nvr", "--config", file)
	p.wait(b, "nvr ready")
	use := p.measure(b)
	p.stop(b)
	return use
}

// measureFFmpeg runs one ffmpeg per stream, as one does, and adds them up.
func measureFFmpeg(b *testing.B, url string, cameras int) usage {
	b.Helper()
	requires(b, "ffmpeg", "ffmpeg")
	dir := b.TempDir()
	var all []*process
	for i := range cameras {
		all = append(all, startProcess(b, "ffmpeg", "-nostdin", "-v", "error", "-i", url+"?"+strconv.Itoa(i), "-c", "copy", "-f", "segment",
			"-segment_time", "60", "-segment_format", "mp4", "-segment_format_options", "movflags=+frag_keyframe+empty_moov+default_base_moof",
			filepath.Join(dir, fmt.Sprintf("cam%d-%%d.mp4", i))))
	}
	use := measureAll(b, all)
	for _, p := range all {
		p.stop(b)
	}
	wrote(b, dir)
	return use
}

// measureSplitmuxsink runs one GStreamer process with a branch per stream.
func measureSplitmuxsink(b *testing.B, url string, cameras int) usage {
	b.Helper()
	requires(b, "gst-launch-1.0", "gstreamer1.0-tools gstreamer1.0-plugins-good")
	dir := b.TempDir()
	args := []string{"-q"}
	for i := range cameras {
		args = append(args, strings.Fields(fmt.Sprintf("souphttpsrc is-live=true location=%s?%d ! flvdemux name=d%d "+
			"d%d.video ! queue ! h264parse ! s%d.video d%d.audio ! queue ! aacparse ! s%d.audio_0 "+
			"splitmuxsink name=s%d max-size-time=60000000000 location=%s", url, i, i, i, i, i, i, i, filepath.Join(dir, fmt.Sprintf("cam%d-%%d.mp4", i))))...)
	}
	p := startProcess(b, "gst-launch-1.0", args...)
	use := p.measure(b)
	p.stop(b)
	wrote(b, dir)
	return use
}

func requires(b *testing.B, program, deb string) {
	b.Helper()
	if _, err := exec.LookPath(program); err != nil {
		b.Fatalf("%s is not installed: apt-get install -y %s", program, deb)
	}
}

// wrote fails the measurement of a program that recorded less than half of what it
// was sent.
func wrote(b *testing.B, dir string) {
	b.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "cam*.mp4"))
	total := int64(0)
	for _, f := range files {
		if st, err := os.Stat(f); err == nil {
			total += st.Size()
		}
	}
	if least := int64(streams * window.Seconds() * 2e6 / 8 / 2); len(files) < streams || total < least {
		b.Fatalf("%d files with %d bytes were written, at least %d are a recording", len(files), total, least)
	}
}
