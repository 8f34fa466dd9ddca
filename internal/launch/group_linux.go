// SPDX-License-Identifier: LGPL-2.1-or-later

package launch

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate puts cmd into a process group of its own and has the kernel kill it
// when the thread that starts it dies.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup kills the process and what it started.
func killGroup(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGKILL) }
