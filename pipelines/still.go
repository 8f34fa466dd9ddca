// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/xp2p/xp2p/internal/launch"
)

// Still decodes single pictures by GStreamer.
type Still struct{ program string }

// NewStill says whether there is a GStreamer to do it; its error says what to install.
func NewStill() (*Still, error) {
	p, err := launch.Find(launch.GStreamer)
	if err != nil {
		return nil, err
	}
	return &Still{p}, nil
}

// maxStill is the largest picture that is taken from a child, in bytes.
const maxStill = 8 << 20

// maxEntry is how far the sample entry that names the codec is from the begin at most.
const maxEntry = 4 << 10

var errStillSize = errors.New("the picture is larger than can be")

// JPEG decodes an MP4, which may be fragmented, of one picture, and gives it as JPEG,
// width pixels wide and as high as its shape wants. It takes a process, and some 100 ms;
// ctx ends it.
//
// The end of the MP4 ends the process. There is no decodebin in it: with streams as short
// as that the end sometimes stays in its queue for ever (GStreamer 1.22).
func (s *Still) JPEG(ctx context.Context, mp4 []byte, width int) ([]byte, error) {
	decoder := "h264parse ! avdec_h264"
	if bytes.Contains(mp4[:min(len(mp4), maxEntry)], []byte("hvc1")) {
		decoder = "h265parse ! avdec_h265"
	}
	line := fmt.Sprintf("fdsrc fd=0 ! qtdemux ! %s ! videoconvert ! videoscale add-borders=false"+
		" ! video/x-raw,width=%d,pixel-aspect-ratio=1/1 ! jpegenc quality=80 ! fdsink fd=1", decoder, width)
	cmd := exec.Command(s.program, append([]string{"-q", "--no-fault"}, strings.Fields(line)...)...)
	var jpeg limited
	said := complaints{begun: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(mp4), &jpeg, &said
	p, err := launch.Start(cmd)
	if err != nil {
		return nil, err
	}
	if err := said.wait(ctx, p); err != nil {
		return nil, err
	}
	switch b := jpeg.b; {
	case jpeg.over:
		return nil, errStillSize
	case bytes.HasPrefix(b, []byte{0xff, 0xd8}):
		return b, nil
	case p.Err() != nil:
		return nil, said.failure(p)
	}
	return nil, fmt.Errorf("GStreamer gave no picture: %s", said.String())
}

// endSoon waits for a process that has reported an error, and ends one that does not end:
// gst-launch-1.0 of GStreamer 1.22 sometimes goes on behind its first error.
func endSoon(p *launch.Process) {
	select {
	case <-p.Exited():
	case <-time.After(stillGrace):
		p.Kill()
		<-p.Exited()
	}
}

// stillGrace is how long a process that has reported an error may take to end.
const stillGrace = 500 * time.Millisecond

// complaints is the end of what a process says, and that it has begun to.
type complaints struct {
	launch.Tail
	begun chan struct{} // closed at the first error
	once  sync.Once
}

func (c *complaints) Write(p []byte) (int, error) {
	n, err := c.Tail.Write(p)
	if strings.Contains(c.String(), "ERROR:") {
		c.once.Do(func() { close(c.begun) })
	}
	return n, err
}

// wait waits for the process that says it to end, and ends it with ctx, whose cause it gives then.
func (c *complaints) wait(ctx context.Context, p *launch.Process) error {
	select {
	case <-p.Exited():
	case <-c.begun:
		endSoon(p)
	case <-ctx.Done():
		p.Kill()
		<-p.Exited()
		return context.Cause(ctx)
	}
	return nil
}

// failure is why a process that failed did so.
func (c *complaints) failure(p *launch.Process) error {
	if missing := launch.Missing(c.String()); missing != "" {
		return fmt.Errorf("GStreamer lacks an element: %s", missing)
	}
	return fmt.Errorf("GStreamer (%w): %s", p.Err(), c.String())
}

// limited keeps what is written to it up to maxStill, and ends the writer beyond.
type limited struct {
	b    []byte
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if len(l.b)+len(p) > maxStill {
		l.over = true
		return 0, io.ErrShortWrite
	}
	l.b = append(l.b, p...)
	return len(p), nil
}
