// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

const guide = "../docs/guide/gstreamer.md"

// guideLines are the commands of the guide's shell blocks that run a pipeline with
// a camera as its source.
func guideLines(t *testing.T) (lines []string) {
	t.Helper()
	b, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		for line := range strings.SplitSeq(strings.ReplaceAll(block[1], "\\\n", " "), "\n") {
			if strings.HasPrefix(line, "gst-launch-1.0") && !strings.Contains(line, "xp2psink") {
				lines = append(lines, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	if len(lines) < 15 {
		t.Fatalf("%d lines found in %s", len(lines), guide)
	}
	return lines
}

// recorded is a network whose camera has recordings.
type recorded struct {
	*network
	start, end int64 // Unix seconds of some that are whole
	file       string
	many       *manyViewers // a stream of many viewers
}

func startRecorded(t *testing.T, kind testmedia.Kind) *recorded {
	t.Helper()
	n := start(t, kind)
	n.camera.stop()
	n.record = t.TempDir()
	n.startCamera()
	r := &recorded{network: n, many: startSource(t)}
	var index struct {
		List []struct {
			Start int64 `json:"start_time,string"`
			End   int64 `json:"end_time,string"`
		} `json:"video_list"`
	}
	await(t, "a recording", func() bool {
		time.Sleep(200 * time.Millisecond)
		n.command(&index, "cmd=get_record_index&channel=0&start_time=0&end_time=9999999999")
		return len(index.List) > 0 && index.List[0].End-index.List[0].Start >= 8
	})
	r.start = index.List[0].Start + 1
	r.end = r.start + 6
	var files struct {
		List []struct {
			Name string `json:"file_name"`
		} `json:"file_list"`
	}
	n.command(&files, "cmd=get_file_list&channel=0&start_time=0&end_time=9999999999&file_type=0")
	if len(files.List) == 0 {
		t.Fatal("no files")
	}
	r.file = files.List[0].Name
	return r
}

// command asks the camera by `xp2p command`.
func (n *network) command(reply any, command string) {
	n.t.Helper()
	out, err := exec.Command(filepath.Join(bin(n.t), "xp2p"), "command", "--rendezvous", n.rendezvous, "--app", n.app,
		"--xp2p-info", n.info, "action=inner_define&"+command).Output()
	var res struct{ Type, Data string }
	if err != nil || json.Unmarshal(out, &res) != nil || res.Type != "success" {
		n.t.Fatalf("%s: %v, %s", command, err, out)
	}
	if err := json.Unmarshal([]byte(res.Data), reply); err != nil {
		n.t.Fatalf("%s: %v in %s", command, err, res.Data)
	}
}

// runnable is a line of the guide with its placeholders filled in and an end: a live
// source ends after some buffers, and a screen after some pictures.
func (r *recorded) runnable(line string) string {
	const screen = `"fakesink sync=true silent=false num-buffers=50"`
	words := []string{
		"xp2p+https://SOURCE/live/a.flv", r.many.uri, "https://SOURCE/code/CODE", r.many.codeURL,
		"PRODUCT", product, "DEVICE", device, "START", fmt.Sprint(r.start), "END", fmt.Sprint(r.end), "FILE", r.file,
		"video-sink=autovideosink", "video-sink=" + screen, "audio-sink=autoaudiosink", "audio-sink=" + screen,
		"autovideosink", strings.Trim(screen, `"`), "autoaudiosink", strings.Trim(screen, `"`),
	}
	if !strings.Contains(line, "action=") {
		words = append(words, "xp2psrc", "xp2psrc num-buffers=150")
	}
	return strings.NewReplacer(words...).Replace(strings.Replace(line, "gst-launch-1.0", "gst-launch-1.0 --no-fault -v", 1))
}

var written = regexp.MustCompile(`filesink location=(\S+)`)

// Every pipeline of the guide runs, shows pictures and writes files that can be read.
func TestGuide(t *testing.T) {
	cameras := map[bool]*recorded{false: startRecorded(t, testmedia.H264AAC), true: startRecorded(t, testmedia.H265Legacy)}
	for _, line := range guideLines(t) {
		t.Run(line, func(t *testing.T) {
			r := cameras[strings.Contains(line, "265")]
			command := exec.Command("timeout", "-k", "2", "60", "sh", "-c", r.runnable(line))
			command.Env, command.Dir = r.env(), t.TempDir()
			b, err := command.CombinedOutput()
			out := string(b)
			if err != nil || strings.Contains(out, "ERROR") {
				t.Fatalf("%s\n%v\n…%s", command, err, out[max(0, len(out)-3000):])
			}
			screens := strings.Count(line, "auto")
			if shown := strings.Count(out, "last-message = chain"); shown < 40*screens {
				t.Errorf("%d buffers in %d sinks\n…%s", shown, screens, out[max(0, len(out)-2000):])
			}
			if m := written.FindStringSubmatch(line); m != nil && !strings.Contains(m[1], "%") {
				readable(t, filepath.Join(command.Dir, m[1]))
			} else if strings.Contains(line, "splitmuxsink") {
				readable(t, filepath.Join(command.Dir, "clip00000.mp4"))
			} else if screens == 0 {
				t.Error("nothing to look at")
			}
		})
	}
}

// readable says that a file has pictures that can be decoded.
func readable(t *testing.T, file string) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v", "-count_frames",
		"-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", file).CombinedOutput()
	var n int
	fmt.Sscan(string(out), &n)
	least := 25
	if strings.HasSuffix(file, ".jpg") {
		least = 1
	}
	if err != nil || n < least {
		t.Errorf("%s: %d pictures, %v: %s", filepath.Base(file), n, err, out)
	}
}
