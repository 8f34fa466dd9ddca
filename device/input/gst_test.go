package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/h26x"
	"github.com/xp2p/xp2p/internal/launch"
)

func needGst(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath(launch.GStreamer); err != nil {
		t.Fatalf("%s is not installed: %s", launch.GStreamer, launch.InstallTools)
	}
}

func TestTestPattern(t *testing.T) {
	needGst(t)
	for _, c := range []struct {
		query         string
		width, height int
		audio         demux.Codec
	}{
		{"", 640, 360, demux.AAC},
		{"?width=320&height=180&fps=30&gop=10&bitrate=300&audio=alaw&pattern=smpte", 320, 180, demux.ALaw},
		{"?audio=none", 640, 360, demux.CodecUnknown},
	} {
		t.Run(c.query, func(t *testing.T) {
			sounds := 20
			if c.audio == demux.CodecUnknown {
				sounds = 0
			}
			s := open(t, "test:"+c.query, Options{})
			m := watch(t, s, 22, sounds)
			v, err := h26x.Info(demux.H264, m.configs[demux.H264])
			if err != nil || v.Width != c.width || v.Height != c.height {
				t.Errorf("%+v, %v", v, err)
			}
			if m.videoCodec != demux.H264 || m.audioCodec != c.audio {
				t.Errorf("codecs %v and %v", m.videoCodec, m.audioCodec)
			}
			if strings.Contains(c.query, "gop=10") && m.keys < 3 {
				t.Errorf("%d key frames in %d pictures", m.keys, m.pictures)
			}
			closeWakes(t, s)
		})
	}
}

// A pipeline that ends by itself ends the stream with io.EOF.
func TestGstEnds(t *testing.T) {
	needGst(t)
	s := open(t, `gst:audiotestsrc num-buffers=10 ! "audio/x-raw,rate=8000,channels=1" ! alawenc ! flvmux streamable=true`, Options{})
	watch(t, s, 0, 8)
	if _, err := io.Copy(io.Discard, s); err != nil {
		t.Errorf("at the end: %v", err)
	}
}

func TestGstErrors(t *testing.T) {
	needGst(t)
	for line, says := range map[string]string{
		"nosuchsrc ! flvmux":                     "apt-get install",
		"audiotestsrc ! ! flvmux":                "syntax error",
		"filesrc location=/nonexistent ! flvmux": "/nonexistent",
		"audiotestsrc num-buffers=1 ! wavenc":    "RIF",
	} {
		err := refuse(t, "gst:"+line, Options{HeaderTimeout: 5 * time.Second})
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%s: want %q", line, says)
		}
	}
}

// A pipeline that gives nothing is given up, by the time-out or by the caller.
func TestGstSilent(t *testing.T) {
	needGst(t)
	const silent = "gst:fakesrc num-buffers=0 ! fakesink audiotestsrc is-live=true ! fakesink fakesrc is-live=true sizetype=empty"
	if err := refuse(t, silent, Options{HeaderTimeout: soon}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent pipeline: %v", err)
	}
	in, err := Parse(silent, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(soon, cancel)
	if _, err := in.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v", err)
	}
}

func TestGstNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := refuse(t, "test:", Options{}); !strings.Contains(err.Error(), "apt-get install") {
		t.Errorf("without %s: %v", launch.GStreamer, err)
	}
}

// A child that dies is an error with its last words, and Close leaves nothing of
// a child's family alive.
func TestChild(t *testing.T) {
	c, err := startChild("sh", []string{"-c", "printf FLV >&3; echo it broke >&2; exit 3"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err == nil || !strings.Contains(err.Error(), "exit status 3: it broke") {
		t.Errorf("a child that dies: %v", err)
	}
	c.Close()

	pidFile := filepath.Join(t.TempDir(), "pid")
	c, err = startChild("sh", []string{"-c", fmt.Sprintf("sleep 1000 & echo $! > %s; printf FLV >&3; wait", pidFile)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	closeWakes(t, c)
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	// An orphan is a zombie until init has waited for it.
	stat := filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat")
	for {
		b, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
