// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/demux/g711"
)

// These tests run the real programs: xp2p, the plugin, gst-launch-1.0.

// said is the sound in a camera's WAV file, by the size that its data chunk states.
func said(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, data, ok := bytes.Cut(b, []byte("data"))
	if !ok || len(data) < 4 {
		t.Fatalf("%s is no whole WAV file", file)
	}
	n := int(binary.LittleEndian.Uint32(data))
	if n > len(data)-4 {
		t.Fatalf("%s states %d bytes and has %d", file, n, len(data)-4)
	}
	return data[4 : 4+n]
}

// say runs a pipeline whose end is xp2psink, to its end.
func (n *network) say(line string) string {
	n.t.Helper()
	out, ok := run(n.t, n.env(), "sh", "-c", "exec gst-launch-1.0 --no-fault -m "+line)
	if !ok {
		n.t.Fatalf("%s\n%s", line, out)
	}
	if strings.Contains(out, n.info) {
		n.t.Error("the xp2pInfo is in what gst-launch-1.0 printed")
	}
	return out
}

func TestInspect(t *testing.T) {
	out, ok := run(t, gstEnv(t), "gst-inspect-1.0", "xp2psink")
	if !ok {
		t.Fatal(out)
	}
	for _, want := range []string{"X-P2P talkback sink", "Sink/Network/Audio", "none (0)", "LGPL", "audio/x-raw", "audio/x-alaw", "audio/x-mulaw", "audio/mpeg",
		"video/x-h264", "On request", "location", "rendezvous", "app ", "xp2p-info", "timeout", "stats"} {
		if !strings.Contains(out, want) {
			t.Errorf("gst-inspect-1.0 does not mention %q", want)
		}
	}
}

// What is said is what the camera plays: the tone, the length, for G.711 every byte.
func TestTalk(t *testing.T) {
	n := start(t, "alaw", "heard.wav")
	dir := t.TempDir()
	source := "audiotestsrc num-buffers=20 samplesperbuffer=800 freq=440 volume=0.5 ! audio/x-raw,format=S16LE,channels=1,rate=8000"

	copied := filepath.Join(dir, "alaw")
	out := n.say(source + " ! alawenc ! tee name=t ! queue ! filesink location=" + copied + " t. ! queue ! xp2psink location=xp2p://TESTS/cam1")
	want, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	if got := said(t, n.speaker); len(want) != 16000 || !bytes.Equal(got, want) {
		t.Errorf("%d bytes played of %d", len(got), len(want))
	}
	for _, event := range []string{"connected", "request", "parsed"} {
		if !strings.Contains(out, "subtype=(string)"+event) {
			t.Errorf("no event %s", event)
		}
	}

	for name, line := range map[string]string{
		"8 kHz":  source,
		"16 kHz": "audiotestsrc num-buffers=20 samplesperbuffer=1600 freq=440 volume=0.5 ! audio/x-raw,format=S16LE,channels=1,rate=16000",
		"mu-law": source + " ! mulawenc",
	} {
		n.say(line + " ! xp2psink location=xp2p://TESTS/cam1?channel=0")
		pcm := g711.ALaw.Decode(nil, said(t, n.speaker))
		if k := len(pcm) / 2; k < 15200 || k > 16800 {
			t.Errorf("%s: two seconds became %d samples", name, k)
		}
		if l := level(pcm, 440); l < 14500 || l > 17500 {
			t.Errorf("%s: the tone has a level of %.0f of 16384", name, l)
		}
	}
}

// units are the media units of a camera's FLV file.
func units(t *testing.T, file string) (list []demux.Unit, configs int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := flv.NewReader(f, flv.Options{Strict: true})
	for {
		var tag flv.Tag
		var u demux.Unit
		switch err := r.Next(&tag, &u); {
		case err == io.EOF:
			return list, configs
		case err != nil:
			t.Fatal(err)
		case u.Config:
			configs++
		default:
			list = append(list, u)
		}
	}
}

func TestTalkAAC(t *testing.T) {
	n := start(t, "aac", "heard.flv")
	n.say("audiotestsrc num-buffers=20 samplesperbuffer=1600 ! audio/x-raw,channels=1,rate=16000 ! audioconvert ! avenc_aac ! aacparse ! xp2psink")
	list, configs := units(t, n.speaker)
	// Two seconds are 31.25 frames; the encoder adds one or two.
	if configs != 1 || len(list) < 31 || len(list) > 35 {
		t.Errorf("%d frames, %d configurations", len(list), configs)
	}
	out, ok := run(t, n.env(), "gst-launch-1.0", "--no-fault", "audiotestsrc", "!", "audio/x-raw,rate=8000,channels=1", "!", "xp2psink")
	if ok || !strings.Contains(out, "takes aac") || !strings.Contains(out, "aacparse") {
		t.Errorf("gst-launch-1.0 said:\n%s", out)
	}
}

// A video call comes out of the camera as it went in: every picture decodes.
func TestVideoCallEndToEnd(t *testing.T) {
	n := start(t, "alaw", "heard.flv")
	n.say("xp2psink name=call audiotestsrc num-buffers=100 samplesperbuffer=160 ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! call. " +
		"videotestsrc num-buffers=60 ! video/x-raw,width=160,height=96,framerate=30/1 ! x264enc tune=zerolatency key-int-max=30 ! h264parse ! call.video")
	list, configs := units(t, n.speaker)
	sound := 0
	for _, u := range list {
		if u.Kind == demux.Audio {
			sound += len(u.Data)
		}
	}
	if configs != 1 || sound != 2*8000 {
		t.Errorf("%d configurations, %d bytes of sound", configs, sound)
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v", "-count_frames",
		"-show_entries", "stream=nb_read_frames,width", "-of", "csv=p=0", n.speaker).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe (apt-get install -y ffmpeg): %v\n%s", err, out)
	}
	if got := strings.TrimSpace(string(out)); got != "160,60" {
		t.Errorf("ffprobe decoded %q, want 60 pictures of a width of 160 and no word of an error", got)
	}
}

const endless = "audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! xp2psink sync=false location=xp2p://TESTS/cam1"

// talking starts a pipeline that talks until it is ended.
func (n *network) talking() *program {
	n.t.Helper()
	cmd := exec.Command("gst-launch-1.0", append([]string{"--no-fault", "-m"}, strings.Fields(endless)...)...)
	cmd.Env = n.env()
	p := follow(n.t, cmd)
	p.ready("X-Xp2p-Audio")
	return p
}

// The second talker is told, and may talk when the first has ended.
func TestBusy(t *testing.T) {
	n := start(t, "alaw", "heard.wav")
	first := n.talking()
	out, ok := run(t, n.env(), "gst-launch-1.0", append([]string{"--no-fault"}, strings.Fields(endless)...)...)
	if ok || !strings.Contains(out, "405") || !strings.Contains(out, "(code -2601)") {
		t.Errorf("the second talker was told:\n%s", out)
	}
	first.cmd.Process.Signal(syscall.SIGINT)
	<-first.done
	n.say("audiotestsrc num-buffers=5 ! audio/x-raw,rate=8000,channels=1 ! xp2psink")
	if len(said(t, n.speaker)) != 5*1024 {
		t.Errorf("%d bytes played", len(said(t, n.speaker)))
	}
}

// A camera that dies in mid-talk is an error, not a hang.
func TestCameraVanishes(t *testing.T) {
	n := start(t, "alaw", "heard.wav")
	p := n.talking()
	n.camera.cmd.Process.Kill()
	<-p.done
	if log := p.log.String(); !strings.Contains(log, "(code -2601)") {
		t.Errorf("gst-launch-1.0 said:\n%s", log)
	}
}

func TestNoLeak(t *testing.T) {
	n := start(t, "alaw", "heard.wav")
	out, ok := run(t, n.env("GST_TRACERS=leaks", "GST_DEBUG=GST_TRACER:7", "GST_DEBUG_NO_COLOR=1"), "gst-launch-1.0",
		append([]string{"--no-fault"}, strings.Fields("xp2psink name=call audiotestsrc num-buffers=5 ! audio/x-raw,rate=8000,channels=1 ! call. "+
			"videotestsrc num-buffers=5 ! x264enc tune=zerolatency ! h264parse ! call.video")...)...)
	if !ok {
		t.Fatal(out)
	}
	for l := range strings.Lines(out) {
		if strings.Contains(l, "object-alive") && (strings.Contains(l, "Xp2p") || strings.Contains(l, "xp2p")) {
			t.Errorf("left: %s", l)
		}
	}
}

// The lines of the guide do what it says. What needs a sound card or a file of the
// reader's is replaced.
func TestGuide(t *testing.T) {
	b, err := os.ReadFile("../docs/guide/gstreamer.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n## Talk\n")
	if !ok {
		t.Fatal("the guide has no section Talk")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	wav := filepath.Join(t.TempDir(), "hello.wav")
	if out, ok := run(t, gstEnv(t), "gst-launch-1.0", "-q", "audiotestsrc", "num-buffers=20", "!", "audio/x-raw,rate=44100,channels=2", "!", "wavenc", "!", "filesink", "location="+wav); !ok {
		t.Fatal(out)
	}
	cameras := map[bool]*network{false: start(t, "alaw", "heard.wav"), true: start(t, "aac", "heard.flv")}
	lines := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(section, "\\\n", " "), "\n") {
		line, ok := strings.CutPrefix(line, "gst-launch-1.0 ")
		if !ok {
			continue
		}
		lines++
		n := cameras[strings.Contains(line, "aac")]
		os.Remove(n.speaker)
		n.say(strings.NewReplacer("PRODUCT/DEVICE", product+"/"+device, "hello.wav", wav, "-e ", "",
			"autoaudiosrc", "audiotestsrc is-live=true num-buffers=20 samplesperbuffer=441", "v4l2src", "videotestsrc is-live=true num-buffers=20").Replace(line))
		if st, err := os.Stat(n.speaker); err != nil || st.Size() < 1000 {
			t.Errorf("%s: nothing was played: %v", line, err)
		}
	}
	if lines < 5 {
		t.Errorf("the guide has %d lines", lines)
	}
}
