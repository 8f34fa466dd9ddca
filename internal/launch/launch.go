// SPDX-License-Identifier: LGPL-2.1-or-later

// Package launch runs the child processes of a camera: GStreamer pipelines that
// give its pictures or play its talkback.
package launch

import (
	"fmt"
	"os/exec"
	"runtime"
	"time"
)

// Process is a running program.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error
}

// outlived is how long a child's own children may keep its standard error open.
const outlived = time.Second

// Find gives the path of a program, or says what to install.
func Find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%s is not installed: %s", program, InstallTools)
	}
	return path, nil
}

// Start starts cmd in a process group of its own, which Kill ends, as does the
// kernel when this process dies.
func Start(cmd *exec.Cmd) (*Process, error) {
	cmd.WaitDelay = outlived
	isolate(cmd)
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ties a child to the thread that started it, which this
		// goroutine keeps until the child has gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.exited)
	}()
	if err := <-started; err != nil {
		<-p.exited
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// Exited is closed when the process has gone and was waited for.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err is how the process ended; valid once Exited is closed.
func (p *Process) Err() error { return p.err }

// Kill kills the process and what it started.
func (p *Process) Kill() { killGroup(p.cmd.Process) }
