package input

import (
	"bufio"
	"bytes"
	"log/slog"
	"os/exec"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/h26x"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// gstServer runs GStreamer's RTSP server with a launch line and returns its URL.
func gstServer(t *testing.T, launch string) string {
	t.Helper()
	const install = "apt-get install -y python3-gi gir1.2-gst-rtsp-server-1.0"
	// The system's interpreter: it is the one that Debian's python3-gi is for.
	cmd := exec.Command("/usr/bin/python3", "testdata/rtsp-server.py", launch)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: %s", err, install)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("the RTSP server did not start: %s\n%s", install, said.String())
	}
	return "rtsp://127.0.0.1:" + strings.TrimSpace(port) + "/"
}

// A server that is not of our library's making, playing what ffmpeg coded.
func TestRTSPFromGStreamer(t *testing.T) {
	needGst(t)
	movie := func(kind testmedia.Kind, o testmedia.Options) string {
		return "filesrc location=" + testmedia.MP4(t, kind, 4, o) + " ! qtdemux name=d "
	}
	const (
		h264 = "d.video_0 ! queue ! h264parse ! rtph264pay name=pay0 pt=96 "
		h265 = "d.video_0 ! queue ! h265parse ! rtph265pay name=pay0 pt=96 config-interval=-1 "
		aac  = "d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 "
		latm = "audiotestsrc is-live=true ! audio/x-raw,rate=16000,channels=1 ! voaacenc ! aacparse ! rtpmp4apay name=pay1 pt=97 "
		alaw = "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8 "
	)
	for _, c := range []struct {
		name         string
		launch       string
		video, audio demux.Codec
	}{
		{"h264, aac", movie(testmedia.H264AAC, testmedia.Options{}) + h264 + aac, demux.H264, demux.AAC},
		{"h264 with B-frames, latm", movie(testmedia.H264AAC, testmedia.Options{BFrames: 2}) + h264 + latm, demux.H264, demux.AAC},
		{"h265, aac", movie(testmedia.H265Legacy, testmedia.Options{}) + h265 + aac, demux.H265, demux.AAC},
		{"h264, a-law", movie(testmedia.H264AAC, testmedia.Options{}) + h264 + alaw, demux.H264, demux.ALaw},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, gstServer(t, c.launch), Options{Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))})
			m := watch(t, s, 40, 20)
			if m.videoCodec != c.video || m.audioCodec != c.audio {
				t.Errorf("codecs %v and %v", m.videoCodec, m.audioCodec)
			}
			v, err := h26x.Info(c.video, m.configs[c.video])
			if err != nil || v.Width != 320 || v.Height != 180 {
				t.Errorf("%+v, %v", v, err)
			}
			if c.audio == demux.AAC && len(m.configs[demux.AAC]) == 0 {
				t.Error("no AudioSpecificConfig")
			}
		})
	}
}
