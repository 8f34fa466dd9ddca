package input

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// testOptions of a test: input, as in test:?width=640&audio=alaw.
type testOptions struct {
	width, height int    // pixels
	fps           int    // pictures per second
	gop           int    // pictures from key frame to key frame; 0: two seconds
	bitrate       int    // kbit/s
	audio         string // aac, alaw or none
	pattern       string // ball or smpte
}

// newTest makes the pipeline of a test: input; query is what follows "test:".
func newTest(query string, o Options) (*gst, error) {
	t, err := parseTest(query)
	if err != nil {
		return nil, err
	}
	return &gst{name: "test:", args: strings.Fields(t.pipeline()), o: o}, nil
}

func parseTest(query string) (testOptions, error) {
	t := testOptions{width: 640, height: 360, fps: 25, bitrate: 1000, audio: "aac", pattern: "ball"}
	values, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err != nil {
		return t, fmt.Errorf("%w test:%s: %w", ErrSpec, query, err)
	}
	for name := range values {
		if err := t.set(name, values.Get(name)); err != nil {
			return t, err
		}
	}
	if t.gop == 0 {
		t.gop = 2 * t.fps
	}
	return t, nil
}

func (t *testOptions) set(name, value string) error {
	for _, n := range []struct {
		name        string
		to          *int
		least, most int
	}{
		{"width", &t.width, 16, 7680},
		{"height", &t.height, 16, 4320},
		{"fps", &t.fps, 1, 120},
		{"gop", &t.gop, 1, 1200},
		{"bitrate", &t.bitrate, 16, 100_000},
	} {
		if n.name != name {
			continue
		}
		v, err := strconv.Atoi(value)
		if err != nil || v < n.least || v > n.most {
			return fmt.Errorf("%w test: %s=%s: want a number from %d to %d", ErrSpec, name, value, n.least, n.most)
		}
		*n.to = v
		return nil
	}
	for _, c := range []struct {
		name string
		to   *string
		of   string
	}{
		{"audio", &t.audio, "aac alaw none"},
		{"pattern", &t.pattern, "ball smpte"},
	} {
		if c.name != name {
			continue
		}
		for _, known := range strings.Fields(c.of) {
			if value == known {
				*c.to = value
				return nil
			}
		}
		return fmt.Errorf("%w test: %s=%s: want one of: %s", ErrSpec, name, value, c.of)
	}
	return fmt.Errorf("%w test: unknown option %q: known are width, height, fps, gop, bitrate, audio, pattern", ErrSpec, name)
}

// pipeline is the launch line, without blanks inside its words. The clock shows
// the time of day, so that delay can be read off the picture.
func (t *testOptions) pipeline() string {
	// x264enc and I420 want even sides.
	video := fmt.Sprintf("videotestsrc is-live=true pattern=%s ! video/x-raw,width=%d,height=%d,framerate=%d/1,format=I420 ! "+
		"clockoverlay time-format=%%H:%%M:%%S halignment=left ! timeoverlay halignment=right ! "+
		"x264enc tune=zerolatency speed-preset=ultrafast key-int-max=%d bitrate=%d ! "+
		"video/x-h264,profile=baseline ! h264parse ! queue ! mux. ",
		t.pattern, t.width&^1, t.height&^1, t.fps, t.gop, t.bitrate)
	const tone = "audiotestsrc is-live=true freq=440 volume=0.2 "
	audio := ""
	switch t.audio {
	case "aac":
		audio = tone + "samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=1 ! audioconvert ! avenc_aac bitrate=64000 ! aacparse ! queue ! mux. "
	case "alaw":
		audio = tone + "samplesperbuffer=320 ! audio/x-raw,rate=8000,channels=1 ! audioconvert ! alawenc ! queue ! mux. "
	}
	return video + audio + "flvmux name=mux streamable=true"
}
