// SPDX-License-Identifier: LGPL-2.1-or-later

package launch

import "os"

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process alone; one that has gone is no error.
func (p *Process) Signal(s os.Signal) {
	select {
	case <-p.exited:
	default:
		p.cmd.Process.Signal(s)
	}
}
