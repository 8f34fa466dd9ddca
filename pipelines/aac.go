// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/xp2p/xp2p/internal/launch"
	"github.com/xp2p/xp2p/recorder"
)

// AAC codes sound by GStreamer, for exports of recordings whose players know no G.711. It
// looks for an encoder each time, so that one that was installed meanwhile is found.
type AAC struct{}

// aacEncoder is an element that makes AAC, and the rest of its line up to ADTS.
type aacEncoder struct {
	element string
	line    string // with the bitrate for %d
	delay   int    // samples by which its sound is later
}

// aacEncoders are those whose delay is known: the best one first. TestAAC measures it.
var aacEncoders = []aacEncoder{
	{"avenc_aac", "avenc_aac bitrate=%d ! aacparse ! audio/mpeg,stream-format=adts", 1024},
	{"voaacenc", "voaacenc bitrate=%d ! audio/mpeg,stream-format=adts", 1600},
}

const (
	// aacFlush is how many samples of silence push the last sound out of an encoder.
	aacFlush = 4 * 1024
	// aacPerSample is 4 bits for each sample of a channel: 32 kbit/s of speech at 8 kHz.
	aacPerSample = 4
)

// errNoAAC says what to install.
var errNoAAC = fmt.Errorf("%w: %s", recorder.ErrNoAAC, "apt-get install -y gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-libav (or gstreamer1.0-plugins-bad in the place of the last)")

// EncodeAAC codes linear samples, 16 bits little-endian, as AAC-LC of the same rate in
// ADTS; see recorder.AACEncoder. It takes a process; ctx ends it.
func (AAC) EncodeAAC(ctx context.Context, rate, channels int, pcm io.Reader, adts io.Writer) (delay int, err error) {
	program, err := launch.Find(launch.GStreamer)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", recorder.ErrNoAAC, err)
	}
	e, err := findAAC(ctx)
	if err != nil {
		return 0, err
	}
	return e.delay, e.run(ctx, program, rate, channels, pcm, adts)
}

// findAAC gives the first encoder that is installed.
func findAAC(ctx context.Context) (*aacEncoder, error) {
	inspect, err := launch.Find("gst-inspect-1.0")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", recorder.ErrNoAAC, err)
	}
	for i := range aacEncoders {
		cmd := exec.CommandContext(ctx, inspect, "--exists", aacEncoders[i].element)
		if cmd.Run() == nil {
			return &aacEncoders[i], nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return nil, errNoAAC
}

func (e *aacEncoder) run(ctx context.Context, program string, rate, channels int, pcm io.Reader, adts io.Writer) error {
	line := fmt.Sprintf("fdsrc fd=0 ! rawaudioparse format=pcm pcm-format=s16le sample-rate=%d num-channels=%d ! audioconvert ! "+e.line+" ! fdsink fd=1",
		rate, channels, aacPerSample*rate*channels)
	cmd := exec.Command(program, append([]string{"-q", "--no-fault"}, strings.Fields(line)...)...)
	said := complaints{begun: make(chan struct{})}
	source := &failingReader{r: io.MultiReader(pcm, io.LimitReader(silence{}, int64(2*aacFlush*channels)))}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = source, adts, &said
	p, err := launch.Start(cmd)
	if err != nil {
		return err
	}
	if err := said.wait(ctx, p); err != nil {
		return err
	}
	switch {
	case source.err != nil: // the pipeline saw the end of its input and knows no more
		return source.err
	case p.Err() != nil:
		return said.failure(p)
	}
	return nil
}

// failingReader keeps the error that its reader ends with.
type failingReader struct {
	r   io.Reader
	err error // read when the process that is fed has been waited for
}

func (f *failingReader) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// silence is linear samples of it, without end.
type silence struct{}

func (silence) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
