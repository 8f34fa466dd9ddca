//go:build !linux

package input

import (
	"os"
	"os/exec"
)

// isolate does nothing where the kernel cannot tie a child to its parent.
func isolate(*exec.Cmd) {}

func killGroup(p *os.Process) { p.Kill() }
