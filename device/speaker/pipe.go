// SPDX-License-Identifier: LGPL-2.1-or-later

package speaker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/internal/launch"
)

// fifo writes talks as FLV into a named pipe. A reader sees the end of the file with
// the end of a talk.
type fifo struct {
	sound device.Sound
	path  string
}

func (f *fifo) Sound() device.Sound { return f.sound }

func (f *fifo) Open(context.Context) (device.Talk, error) {
	out, err := os.OpenFile(f.path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("nobody reads the pipe %s", f.path)
	}
	if err != nil {
		return nil, err
	}
	return newFLVTalk(deadlineWriter{out}, out.Close)
}

// gst plays talks through a pipeline, one child process per talk.
type gst struct {
	sound device.Sound
	args  []string // of gst-launch-1.0
}

func (g *gst) Sound() device.Sound { return g.sound }

// playOut is how long a pipeline may play on when a talk is over.
const playOut = 5 * time.Second

func (g *gst) Open(context.Context) (device.Talk, error) {
	path, err := launch.Find(launch.GStreamer)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	stderr := new(launch.Tail)
	cmd := exec.Command(path, append([]string{"-q", "fdsrc", "fd=0", "!"}, g.args...)...)
	cmd.Stdin, cmd.Stderr = r, stderr
	p, err := launch.Start(cmd)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return newFLVTalk(deadlineWriter{w}, func() error {
		w.Close() // the pipeline reads to its end, and stops
		select {
		case <-p.Exited():
		case <-time.After(playOut):
			p.Kill()
			<-p.Exited()
			return fmt.Errorf("the pipeline was still playing %v after the end of the talk and was ended", playOut)
		}
		err := p.Err()
		if err == nil {
			return nil
		}
		said := stderr.String()
		if hint := launch.Missing(said); hint != "" {
			return fmt.Errorf("%w: %s: %s", err, said, hint)
		}
		return fmt.Errorf("%w: %s", err, said)
	})
}
