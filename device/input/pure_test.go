package input

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xp2p/xp2p/demux"
)

func TestParse(t *testing.T) {
	for spec, want := range map[string]string{
		"flv:/tmp/a.flv": "flv:/tmp/a.flv",
		"http://user:secret@host:8080/live/a.flv?token=secret": "http://host:8080/live/a.flv",
		"https://host/a.flv":                "https://host/a.flv",
		"rtsp://admin:secret@10.0.0.1/ch1":  "rtsp://10.0.0.1/ch1",
		"rtsps://admin:secret@10.0.0.1/ch1": "rtsps://10.0.0.1/ch1",
		"test:":                             "test:",
		"test:?width=1280&audio=none":       "test:",
		"gst:videotestsrc ! flvmux":         "gst:videotestsrc ! flvmux",
	} {
		in, err := Parse(spec, Options{})
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if got := in.String(); got != want {
			t.Errorf("%s is named %s, want %s", spec, got, want)
		}
	}
	for _, spec := range []string{
		"", "flv:", "file.flv", "ftp://host/a", "gst:", "gst: ", `gst:a "b`, "rtsp:", "http://",
		"rtsp://admin:secret@[bad", "http://user:secret@host:%zz/", "rtsp://admin:secret%@host/",
		"test:?width=1", "test:?width=big", "test:?audio=ogg", "test:?colour=red", "test:?pattern=%zz",
	} {
		_, err := Parse(spec, Options{})
		if !errors.Is(err, ErrSpec) {
			t.Errorf("%q: %v", spec, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

func TestTestOptions(t *testing.T) {
	got, err := parseTest("?width=1280&height=720&fps=30&gop=15&bitrate=2000&audio=alaw&pattern=smpte")
	want := testOptions{width: 1280, height: 720, fps: 30, gop: 15, bitrate: 2000, audio: "alaw", pattern: "smpte"}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	got, err = parseTest("")
	want = testOptions{width: 640, height: 360, fps: 25, gop: 50, bitrate: 1000, audio: "aac", pattern: "ball"}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if got, _ := parseTest("fps=10"); got.gop != 20 {
		t.Errorf("a GOP of %d at 10 pictures a second", got.gop)
	}
}

// Two turns of a file whose tracks end at different times, with a time that
// starts late and an end of sequence.
func TestLoop(t *testing.T) {
	file := []demux.Unit{
		{Kind: demux.Data, DTS: 1000 * time.Millisecond},
		{Kind: demux.Video, Config: true, DTS: 1000 * time.Millisecond},
		{Kind: demux.Video, DTS: 1000 * time.Millisecond},
		{Kind: demux.Audio, DTS: 1010 * time.Millisecond},
		{Kind: demux.Video, DTS: 1050 * time.Millisecond},
		{Kind: demux.Video, DTS: 1100 * time.Millisecond},
		{Kind: demux.Audio, DTS: 1030 * time.Millisecond},
		{Kind: demux.Video, EndOfSequence: true, DTS: 1140 * time.Millisecond},
	}
	var l loop
	var got []int
	for range 3 {
		for i := range file {
			if at, ok := l.place(&file[i]); ok {
				got = append(got, int(at.Milliseconds()))
			}
		}
		if !l.turn() {
			t.Fatal("nothing to play")
		}
	}
	want := []int{
		0, 0, 0, 10, 50, 100, 30,
		150, 150, 160, 200, 250, 180,
		300, 300, 310, 350, 400, 330,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
	if new(loop).turn() {
		t.Error("an empty file turns")
	}
}
