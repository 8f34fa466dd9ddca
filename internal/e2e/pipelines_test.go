// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/pipelines"
)

// pipelineSeconds is how long the media of these tests play.
const pipelineSeconds = 4

// pipelineMedia are three cameras: picture and sound of different codecs.
func pipelineMedia(t *testing.T, kind testmedia.Kind) string {
	return testmedia.FLV(t, kind, pipelineSeconds, testmedia.Options{GOP: 25})
}

// runPipeline runs `xp2p pipeline run` to its end, which must be a good one, in an
// empty directory, which it gives with what was printed.
func runPipeline(t *testing.T, args ...string) (dir, stdout string) {
	t.Helper()
	dir = t.TempDir()
	argv := append([]string{"env", "-C", dir, xp2p(t), "pipeline", "run"}, args...)
	r := runWith(t, 2*patience, gstreamer(t), argv...)
	if r.code != 0 {
		t.Fatalf("%v: exit status %d\n%s", args, r.code, r.stderr)
	}
	return dir, r.stdout
}

// counted are the coded frames of each codec in a file.
func counted(t *testing.T, file string) map[string]int {
	t.Helper()
	out := tool(t, "ffmpeg", "ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=codec_name,nb_read_frames", "-of", "json", file)
	var p struct {
		Streams []struct {
			Codec  string `json:"codec_name"`
			Frames string `json:"nb_read_frames"`
		}
	}
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	m := map[string]int{}
	for _, s := range p.Streams {
		n, _ := strconv.Atoi(s.Frames) // "N/A" is none
		m[s.Codec] += n
	}
	return m
}

// all adds up what is in several files.
func all(t *testing.T, files []string) map[string]int {
	t.Helper()
	sum := map[string]int{}
	for _, f := range files {
		for codec, n := range counted(t, f) {
			sum[codec] += n
		}
	}
	return sum
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	l, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(l)
	return l
}

// written is the size of the files of that form.
func written(t *testing.T, dir, pattern string) (bytes int64) {
	t.Helper()
	for _, f := range glob(t, dir, pattern) {
		if s, err := os.Stat(f); err == nil {
			bytes += s.Size()
		}
	}
	return bytes
}

var codecNames = map[testmedia.Kind]string{testmedia.H264AAC: "h264", testmedia.H264ALaw: "h264", testmedia.H265Legacy: "hevc", testmedia.H265Enhanced: "hevc"}

// Every ready-made pipeline runs on every codec that a camera may have, and what it
// writes has every picture.
func TestPipelinesOnFiles(t *testing.T) {
	const frames = pipelineSeconds * testmedia.FrameRate
	for _, kind := range []testmedia.Kind{testmedia.H264AAC, testmedia.H264ALaw, testmedia.H265Legacy, testmedia.H265Enhanced} {
		source := "source=file:" + pipelineMedia(t, kind)
		video := codecNames[kind]
		t.Run(string(kind), func(t *testing.T) {
			t.Run("view", func(t *testing.T) {
				dir, _ := runPipeline(t, "view", source, "latency=0", "sound=play", "video-sink=jpegenc ! multifilesink location=%05d.jpg",
					"audio-sink=wavenc ! filesink location=sound.wav")
				if n := len(glob(t, dir, "*.jpg")); n != frames {
					t.Errorf("%d pictures of %d were shown", n, frames)
				}
				if n := counted(t, filepath.Join(dir, "sound.wav")); n["pcm_s16le"] == 0 && n["pcm_f32le"] == 0 {
					t.Errorf("no sound was played: %v", n)
				}
			})
			t.Run("snapshot", func(t *testing.T) {
				dir, _ := runPipeline(t, "snapshot", source, "location=now.jpg", "quality=50")
				if n := counted(t, filepath.Join(dir, "now.jpg")); n["mjpeg"] != 1 {
					t.Errorf("%v", n)
				}
			})
			t.Run("record", func(t *testing.T) {
				dir, _ := runPipeline(t, "record", source, "to=a b", "segment=2", "sound=encode")
				files := glob(t, dir, "a b/*.mp4")
				n := all(t, files)
				if len(files) != pipelineSeconds/2 || n[video] != frames || n["aac"] == 0 {
					t.Errorf("%d files, %v", len(files), n)
				}
			})
			t.Run("hls", func(t *testing.T) {
				args := []string{"hls", source, "to=hls", "segment=1", "keep=50", "sound=encode"}
				if video == "hevc" {
					args, video = append(args, "video=encode"), "h264"
				}
				dir, _ := runPipeline(t, args...)
				segments := glob(t, dir, "hls/*.ts")
				n := counted(t, filepath.Join(dir, "hls/live.m3u8"))
				// A demuxer of MPEG-TS names each stream twice, in the program and on its own.
				if len(segments) < 2 || n[video] != frames || n["aac"] == 0 {
					t.Errorf("%d segments, %v", len(segments), n)
				}
			})
			t.Run("transcode", func(t *testing.T) {
				dir, _ := runPipeline(t, "transcode", source, "location=t.mp4", "speed=ultrafast", "sound=encode")
				if n := counted(t, filepath.Join(dir, "t.mp4")); n["h264"] != frames || n["aac"] == 0 || len(n) != 2 {
					t.Errorf("%v", n)
				}
			})
			t.Run("motion", func(t *testing.T) {
				_, out := runPipeline(t, "motion", source)
				if moving := motions(t, out); !slices.Equal(moving, []bool{true, false}) {
					t.Errorf("a moving pattern: %v in\n%s", moving, out)
				}
			})
		})
	}
}

// motions are the events of motion among lines of JSON.
func motions(t *testing.T, out string) (moving []bool) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var e pipelines.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if e.Motion != nil {
			moving = append(moving, e.Motion.Moving)
		}
	}
	return moving
}

func TestPipelineMosaic(t *testing.T) {
	var args []string
	for _, kind := range []testmedia.Kind{testmedia.H264AAC, testmedia.H265Legacy, testmedia.H264ALaw} {
		args = append(args, "source=file:"+pipelineMedia(t, kind))
	}
	dir, _ := runPipeline(t, append([]string{"mosaic", "width=160", "height=90", "rate=10", "to=file", "location=m.mp4"}, args...)...)
	file := filepath.Join(dir, "m.mp4")
	// It ends with the first of its sources; those are read as fast as they are taken.
	if n := counted(t, file); n["h264"] < 10 || n["h264"] > 10*pipelineSeconds+1 {
		t.Errorf("%v", n)
	}
	size := tool(t, "ffmpeg", "ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", file)
	if strings.TrimSpace(size) != "320,180" {
		t.Errorf("3 tiles of 160x90 make %s", size)
	}
}

// The guide's pipeline of one's own runs as it is printed there.
func TestPipelineOfTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guide/pipelines.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(guide), "```\n# mine")
	text, _, _ = strings.Cut(text, "```")
	file := filepath.Join(t.TempDir(), "mine.gst")
	if err := os.WriteFile(file, []byte("# mine"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, _ := runPipeline(t, file, "source=file:"+pipelineMedia(t, testmedia.H264AAC), "location=small.mp4", "width=160", "sound=copy")
	if n := counted(t, filepath.Join(dir, "small.mp4")); n["h264"] != pipelineSeconds*testmedia.FrameRate || n["aac"] == 0 {
		t.Errorf("%v", n)
	}
}

// An RTMP server, which is ffmpeg's, gets what a camera sends.
func TestPipelineRTMP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("rtmp://%s/live/gate", l.Addr())
	l.Close()
	file := filepath.Join(t.TempDir(), "got.flv")
	server := spawn(t, "ffmpeg", "ffmpeg", "-nostdin", "-v", "error", "-listen", "1", "-i", url, "-c", "copy", "-y", file)
	server.unwanted = true
	// Until the server listens the pipeline fails, and begins again. rtmp2sink has a
	// complaint of its own about answers of ffmpeg's, which must not be fatal.
	env := slices.DeleteFunc(gstreamer(t), func(s string) bool { return strings.HasPrefix(s, "G_DEBUG=") })
	r := runWith(t, 2*patience, env, xp2p(t), "pipeline", "run", "rtmp", "source=file:"+pipelineMedia(t, testmedia.H264ALaw),
		"location="+url, "sound=encode", "--retries", "5")
	if r.code != 0 || strings.Contains(r.stderr, url) {
		t.Fatalf("exit status %d\n%s", r.code, r.stderr)
	}
	await(t, "the server has got everything", func() bool { return !server.running() })
	n := counted(t, file)
	if n["h264"] != pipelineSeconds*testmedia.FrameRate || n["aac"] == 0 {
		t.Errorf("%v", n)
	}
}

// words of the commands of a process and of its children.
func words(t *testing.T, pid int) (all []string) {
	t.Helper()
	children := regexp.MustCompile(`(?m)^PPid:\t` + strconv.Itoa(pid) + `$`)
	for _, dir := range append(glob(t, "/proc", "[0-9]*"), "/proc/"+strconv.Itoa(pid)) {
		status, err := os.ReadFile(dir + "/status")
		if err != nil || dir != "/proc/"+strconv.Itoa(pid) && !children.Match(status) {
			continue
		}
		line, _ := os.ReadFile(dir + "/cmdline")
		all = append(all, string(line))
	}
	return all
}

// A camera behind a rendezvous, through xp2psrc and through a pipe: both are stopped
// by SIGTERM in good order, and neither shows the xp2pInfo to the machine.
func TestPipelineOnACamera(t *testing.T) {
	w := newWorld(t)
	c := w.camera("front", "flv:"+pipelineMedia(t, testmedia.H264AAC))
	info := filepath.Join(t.TempDir(), "front.info")
	if err := os.WriteFile(info, []byte(c.info+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	account := []string{"XP2P_RENDEZVOUS=" + w.rendezvous, "XP2P_APP=" + w.app}
	for name, how := range map[string]struct {
		env  []string
		args []string
	}{
		"element": {append(account, "XP2P_INFO="+c.info), nil},
		"pipe":    {account, []string{"source=" + info}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			argv := append([]string{"env"}, append(gstreamer(t), how.env...)...)
			argv = append(append(argv, "-C", dir, xp2p(t), "pipeline", "run", "record", "to=clips", "segment=60", "--json"), how.args...)
			// env takes its options before the variables.
			i := slices.Index(argv, "-C")
			argv = slices.Concat([]string{"env", "-C", dir}, argv[1:i], argv[i+2:])
			p := spawn(t, "pipeline", argv...)
			await(t, "some seconds are recorded", func() bool {
				if !p.running() {
					t.Fatalf("it ended: %s", p.stderr)
				}
				return written(t, dir, "clips/*.mp4") > 50_000
			})
			for _, line := range words(t, p.cmd.Process.Pid) {
				if strings.Contains(line, c.info[:20]) {
					t.Errorf("the xp2pInfo is in the words of %q", line)
				}
			}
			p.stop()
			if n := all(t, glob(t, dir, "clips/*.mp4")); n["h264"] < testmedia.FrameRate {
				t.Errorf("%v", n)
			}
			if out := p.stdout.String(); !strings.Contains(out, `"state":"playing"`) || !strings.Contains(out, `"state":"stopped"`) {
				t.Errorf("states:\n%s", out)
			}
		})
	}
}

// Talking needs the element xp2psink.
func TestPipelineTalk(t *testing.T) {
	if !hasElement(t, "xp2psink") {
		t.Skip("needs the element xp2psink, which this plugin does not have")
	}
	for _, name := range []string{"talk-file", "talk-mic"} {
		r := runWith(t, patience, append(gstreamer(t), "XP2P_APP=", "XP2P_RENDEZVOUS=", "XP2P_INFO="), xp2p(t), "pipeline", "run", name,
			map[string]string{"talk-file": "location=/dev/null", "talk-mic": "microphone=audiotestsrc num-buffers=10"}[name])
		// Without a camera it is the element that says what is missing, and not the line that is wrong.
		if r.code == 0 || strings.Contains(r.stderr, "no pipeline") {
			t.Errorf("%s: exit status %d\n%s", name, r.code, r.stderr)
		}
	}
}

func TestPipelineMistakes(t *testing.T) {
	file := pipelineMedia(t, testmedia.H264AAC)
	mine := filepath.Join(t.TempDir(), "mine.gst")
	if err := os.WriteFile(mine, []byte("# mine: a test\n# int count: x\nfakesrc num-buffers=${count} ! fakesink"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		`there is no pipeline "veiw"; there are hls, mosaic`:      {"veiw"},
		"parameter location: is missing":                          {"snapshot", "source=file:" + file},
		`parameter quality: "0" must be a number from 1 to 100 %`: {"snapshot", "quality=0", "location=x"},
		"is not PARAMETER=VALUE":                                  {"snapshot", "x"},
		"it needs one camera, and has 2":                          {"snapshot", "location=x", "source=-", "source=-"},
		"put it into a file":                                      {"snapshot", "location=x", "source=XP2Pabc%1.0.0"},
		"nor a file that holds an xp2pInfo":                       {"snapshot", "location=x", "source=/no/such"},
		"the line is no pipeline: no element \"nosuch\"":          {"view", "source=file:" + file, "video-sink=nosuch"},
		"line 2: parameter count: an int needs bounds":            {mine},
		"filesink0: Could not open file":                          {"snapshot", "source=file:" + file, "location=/no/such/dir/x.jpg"},
		"set the property xp2p-info":                              {"snapshot", "location=x"},
	} {
		r := runWith(t, patience, gstreamer(t), append([]string{xp2p(t), "pipeline", "run"}, args...)...)
		if r.code == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("%v: exit status %d, %s, want %s", args, r.code, r.stderr, want)
		}
	}
}
