package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xp2p/xp2p/internal/launch"
)

// childFD is where a child writes its FLV: the first of exec.Cmd.ExtraFiles.
// Standard output is left to whatever the child likes to say.
const childFD = 3

// child is a process whose output on childFD is a stream.
type child struct {
	*launch.Process
	name   string
	out    *os.File
	stderr *launch.Tail
	first  []byte // bytes that await took

	once   sync.Once
	closed atomic.Bool
}

// lastWords is how long a child that closed its output may take to exit.
const lastWords = 2 * time.Second

// startChild runs a program that Close kills.
func startChild(program string, args []string) (*child, error) {
	path, err := launch.Find(program)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	c := &child{out: r, stderr: new(launch.Tail)}
	cmd := exec.Command(path, args...)
	cmd.Stderr = c.stderr
	cmd.ExtraFiles = []*os.File{w}
	if c.Process, err = launch.Start(cmd); err != nil {
		r.Close()
		return nil, err
	}
	return c, nil
}

// await waits for the first bytes and looks at them, so that a pipeline which
// cannot run or gives something else is an error of Open.
func (c *child) await(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no output within %v: %w", limit, context.DeadlineExceeded))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.out.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	begin := make([]byte, len(magic))
	switch _, err := io.ReadFull(c.out, begin); {
	case err == nil && !stop():
		return context.Cause(ctx)
	case err == nil && string(begin) != magic:
		return fmt.Errorf("%w: it begins with %q", ErrNotFLV, begin)
	case err == nil:
		c.first = begin
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return context.Cause(ctx)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return c.ended(io.EOF)
	default:
		return c.ended(err)
	}
}

func (c *child) Read(p []byte) (int, error) {
	if len(c.first) > 0 && !c.closed.Load() {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	n, err := c.out.Read(p)
	if n == 0 && err != nil {
		if err = c.ended(err); err != io.EOF {
			err = fmt.Errorf("input %s: %w", c.name, err)
		}
	}
	return n, err
}

// ended turns the end of the output into how the process ended: io.EOF when
// nothing was wrong. A child that closed its output is given a moment to exit.
func (c *child) ended(err error) error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	select {
	case <-c.Exited():
	case <-time.After(lastWords):
		c.Kill()
		<-c.Exited()
	}
	if c.closed.Load() {
		return net.ErrClosed
	}
	said := c.stderr.String()
	if c.Err() == nil && len(said) == 0 {
		return io.EOF
	}
	if c.Err() == nil {
		return fmt.Errorf("the pipeline ended: %s", said)
	}
	if hint := launch.Missing(said); hint != "" {
		return fmt.Errorf("%w: %s: %s", c.Err(), said, hint)
	}
	return fmt.Errorf("%w: %s", c.Err(), said)
}

func (c *child) Close() error {
	c.once.Do(func() {
		c.closed.Store(true)
		c.Kill()
		c.out.Close()
	})
	<-c.Exited()
	return nil
}
