// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// originSeconds is how long an origin's file plays: longer than a test watches.
const originSeconds = 60

// serve runs an http server that answers every request with play, and gives a
// URL of it.
func serve(t *testing.T, play func(w http.ResponseWriter, flush func() error)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "video/x-flv")
		play(w, func() error {
			if err := r.Context().Err(); err != nil {
				return err
			}
			return http.NewResponseController(w).Flush()
		})
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL + "/live.flv"
}

// origin is an http-flv server: whoever asks gets the file from its start, in
// chunks, as its time goes by.
func origin(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, func(w http.ResponseWriter, flush func() error) {
		playTags(b, w, flush)
	})
}

// playTags writes a file's tags as their time comes.
func playTags(file []byte, w http.ResponseWriter, flush func() error) {
	if _, err := w.Write(flv.AppendHeader(nil, true, true)); err != nil {
		return
	}
	began := time.Now()
	r := flv.NewReader(bytes.NewReader(file), flv.Options{})
	var tag flv.Tag
	var u demux.Unit
	for r.Next(&tag, &u) == nil {
		if wait := time.Until(began.Add(u.DTS)); wait > 0 {
			if flush() != nil {
				return
			}
			time.Sleep(wait)
		}
		if _, err := w.Write(tag.Raw); err != nil {
			return
		}
	}
}

// rtspServer plays a film of H.264 and AAC by GStreamer's RTSP server, which has
// no code in common with ours, and gives its URL.
func rtspServer(t *testing.T, film string) string {
	t.Helper()
	const install = "apt-get install -y python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
	script := filepath.Join("..", "..", "device", "input", "testdata", "rtsp-server.py")
	p := spawn(t, "RTSP server", "/usr/bin/python3", script, "filesrc location="+film+" ! qtdemux name=d "+
		"d.video_0 ! queue ! h264parse ! rtph264pay name=pay0 pt=96 d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97")
	p.unwanted = true // it knows no good order
	await(t, "the RTSP server's port; it needs: "+install, func() bool {
		return len(p.stdout.lines()) > 0 || !p.running()
	})
	if !p.running() {
		t.Fatalf("the RTSP server did not start: %s\n%s", install, p.stderr)
	}
	return "rtsp://127.0.0.1:" + strings.TrimSpace(p.stdout.lines()[0]) + "/"
}

// feed is an input of a camera and what comes of it.
type feed struct {
	name, input  string
	file         string // FLV with the pictures that are fed
	of           bytesOf
	video, audio demux.Codec
	enhanced     bool
}

// feeds are all kinds of inputs that need no encoder of their own.
func feeds(t *testing.T) []feed {
	t.Helper()
	short := testmedia.Options{GOP: testmedia.FrameRate} // a key frame a second
	file := func(kind testmedia.Kind) string { return testmedia.FLV(t, kind, 4, short) }
	long := testmedia.FLV(t, testmedia.H264AAC, originSeconds, short)
	film := testmedia.MP4(t, testmedia.H264AAC, originSeconds, short)
	list := []feed{
		{name: "h264-aac", file: file(testmedia.H264AAC), of: whole, video: demux.H264, audio: demux.AAC},
		{name: "h264-alaw", file: file(testmedia.H264ALaw), of: whole, video: demux.H264, audio: demux.ALaw},
		{name: "h265-legacy", file: file(testmedia.H265Legacy), of: whole, video: demux.H265, audio: demux.AAC},
		{name: "h265-enhanced", file: file(testmedia.H265Enhanced), of: whole, video: demux.H265, audio: demux.AAC, enhanced: true},
	}
	for i := range list {
		list[i].input = "flv:" + list[i].file
	}
	return append(list,
		feed{name: "http-flv", input: origin(t, long), file: long, of: whole, video: demux.H264, audio: demux.AAC},
		feed{name: "rtsp", input: rtspServer(t, film), file: long, of: coded, video: demux.H264, audio: demux.AAC})
}

// decode has ffmpeg decode a film and object to whatever is wrong with it.
func decode(t *testing.T, m *movie) {
	t.Helper()
	format := map[demux.Codec]string{demux.H264: "h264", demux.H265: "hevc"}[m.video]
	file := filepath.Join(t.TempDir(), "pictures")
	if err := os.WriteFile(file, m.annexB, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "ffmpeg", "ffmpeg", "-nostdin", "-v", "error", "-f", format, "-i", file, "-f", "null", "-")
}

// probe gives the codecs that ffprobe finds in a file, which it must accept in silence.
func probe(t *testing.T, file string) (codecs []string) {
	t.Helper()
	out := tool(t, "ffmpeg", "ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file)
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		codecs = append(codecs, s.Text())
	}
	return codecs
}
