// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/xp2p/xp2p/internal/launch"
)

// process is one gst-launch-1.0 with what goes into it and comes out of it.
type process struct {
	*launch.Process
	redact  func(string) string
	monitor *monitor
	playing chan struct{} // closed when it plays
	fed     chan struct{} // closed when the first of the feeds has ended
	feeds   []io.ReadCloser
	ends    []*os.File     // our ends of the pipes
	wg      sync.WaitGroup // pumps and detector
	once    sync.Once      // fed and lost
	lost    error          // why a feed broke; valid once fed is closed
}

// open opens the streams of all cameras that come through pipes, side by side.
func (r *Runner) open(ctx context.Context) ([]io.ReadCloser, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.o.Timing.Open,
		fmt.Errorf("no stream within %v: %w", r.o.Timing.Open, context.DeadlineExceeded))
	defer cancel()
	var wg sync.WaitGroup
	feeds := make([]io.ReadCloser, len(r.job.Sources))
	errs := make([]error, len(feeds))
	for i, s := range r.job.Sources {
		if s.Open == nil {
			continue
		}
		wg.Go(func() {
			f, err := s.Open(ctx)
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", describe(s), err)
				cancel()
				return
			}
			feeds[i] = f
		})
	}
	wg.Wait()
	var open []io.ReadCloser
	for _, f := range feeds {
		if f != nil {
			open = append(open, f)
		}
	}
	err := firstCause(errs)
	if err != nil {
		for _, f := range open {
			f.Close()
		}
		return nil, err
	}
	return open, nil
}

// firstCause is the first error that is not merely of having been cancelled because of
// another.
func firstCause(errs []error) error {
	var cancelled error
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled):
			cancelled = err
		default:
			return err
		}
	}
	return cancelled
}

// start starts the process. The feeds are its own from then on.
func (r *Runner) start(feeds []io.ReadCloser) (_ *process, err error) {
	program, err := launch.Find(r.o.Program)
	if err != nil {
		return nil, &LineError{err.Error()}
	}
	words, err := r.job.words()
	if err != nil {
		return nil, err
	}
	p := &process{redact: r.redact, playing: make(chan struct{}), fed: make(chan struct{}), feeds: feeds}
	p.monitor = &monitor{playing: func() { close(p.playing) }}
	// -e: SIGINT is an end of the stream, with which files are finished. -f: a crash is
	// a crash, and does not wait for a debugger.
	cmd := exec.Command(program, append([]string{"-e", "-m", "-f", "--no-position"}, words...)...)
	cmd.Dir = r.job.Dir
	if r.job.Stdin != nil {
		cmd.Stdin = r.job.Stdin // not a nil *os.File in an interface
	}
	cmd.Env = r.environment()
	cmd.Stdout, cmd.Stderr = &stream{m: p.monitor}, &stream{m: p.monitor}
	defer func() { // the child's ends, of which it has its own now
		for _, f := range cmd.ExtraFiles {
			f.Close()
		}
		if err != nil {
			p.closeEnds()
		}
	}()
	for range feeds {
		theirs, ours, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
		p.ends = append(p.ends, ours)
	}
	var watch func()
	if r.job.Pipeline.Looks() {
		d, err := newDetector(r.job.value)
		if err != nil {
			return nil, err
		}
		ours, theirs, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
		p.ends = append(p.ends, ours)
		watch = func() { d.watch(ours, time.Now, r.moved) }
	}
	if p.Process, err = launch.Start(cmd); err != nil {
		return nil, err
	}
	for i, f := range feeds {
		p.wg.Go(func() { p.pump(p.ends[i], f) })
	}
	if watch != nil {
		p.wg.Go(watch)
	}
	r.mu.Lock()
	r.status.PID, r.status.Starts = p.PID(), r.status.Starts+1
	r.mu.Unlock()
	return p, nil
}

// environment is this program's, with the job's variables and the plugin's place.
func (r *Runner) environment() []string {
	env := append(os.Environ(), r.job.Env...)
	if r.o.PluginDir != "" {
		path := r.o.PluginDir
		if old := os.Getenv("GST_PLUGIN_PATH"); old != "" {
			path += string(filepath.ListSeparator) + old
		}
		env = append(env, "GST_PLUGIN_PATH="+path)
	}
	return env
}

// pump carries a camera's stream into the pipe. A process that does not read holds
// it up; what waits meanwhile is bounded by the stream, which drops.
func (p *process) pump(to *os.File, from io.ReadCloser) {
	_, err := io.Copy(to, from)
	to.Close() // the process reads what is in the pipe, and then its end
	from.Close()
	p.once.Do(func() {
		// A pipe that nobody reads, and a stream that was closed here, are no fault of the camera's.
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, os.ErrClosed) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, context.Canceled) {
			p.lost = err
		}
		close(p.fed)
	})
}

func (p *process) closeFeeds() {
	for _, f := range p.feeds {
		f.Close()
	}
}

func (p *process) closeEnds() {
	for _, f := range p.ends {
		f.Close()
	}
}

// stop ends the process: it may finish its files first, but not for long.
func (p *process) stop(t Timing) {
	p.Signal(os.Interrupt)
	p.closeFeeds()
	wait := func(d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-p.Exited():
			return true
		case <-timer.C:
			return false
		}
	}
	if wait(t.Interrupt) {
		return
	}
	p.Signal(syscall.SIGTERM)
	if wait(t.Terminate) {
		return
	}
	p.Kill()
	<-p.Exited()
}

// join waits for everything that start has begun; the process has exited. What it
// started itself and left behind goes too.
func (p *process) join() {
	p.Kill()
	p.closeFeeds()
	p.closeEnds()
	p.wg.Wait()
}

func (p *process) played() bool {
	select {
	case <-p.playing:
		return true
	default:
		return false
	}
}

// result is how the process ended by itself.
func (p *process) result() error {
	err := p.Err()
	if err == nil {
		return p.broken()
	}
	said, wrong := p.monitor.said()
	hint := missing(said)
	said = p.redact(said)
	if hint != "" {
		said += ": " + hint
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			return fmt.Errorf("it died of the signal %q%s", s.Signal(), colon(said))
		}
		if wrong {
			return &LineError{said}
		}
		if said != "" {
			return errors.New(said)
		}
	}
	return fmt.Errorf("%w%s", err, colon(said))
}

// missing says how to get an element that GStreamer lacks; "": it lacks none.
func missing(said string) string {
	if strings.Contains(said, `no element "xp2p`) {
		return pluginFile + " is not found or too old: put it beside xp2p, or set GST_PLUGIN_PATH to its directory"
	}
	return launch.Missing(said)
}

// broken is why a camera's stream broke off; nil: none did.
func (p *process) broken() error {
	select {
	case <-p.fed:
		if p.lost != nil {
			return fmt.Errorf("the camera's stream broke off: %w", p.lost)
		}
	default:
	}
	return nil
}

func colon(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}
