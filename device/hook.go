// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Hook answers commands by running a program: the command on its standard
// input, the reply on its standard output. A status other than 0 is a failure,
// its reason the last line of standard error. Who sent it is in its environment:
// XP2P_PEER, XP2P_REQUESTER, XP2P_USER_ARGS.
type Hook struct {
	program string
	args    []string
	slots   chan struct{} // full: the next command waits, within its own time-out
}

const (
	hookTimeout = 7 * time.Second // less than the viewer's 7.5 s, so that the viewer gets the reason
	hookSlots   = 4               // programs at once
	maxReply    = 256 << 10
)

// NewHook makes a hook of a program and its arguments.
func NewHook(program string, args ...string) (*Hook, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("command hook: %w", err)
	}
	return &Hook{program: path, args: args, slots: make(chan struct{}, hookSlots)}, nil
}

// Command implements CommandHandler.
func (h *Hook) Command(ctx context.Context, command string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, errors.New("the camera is busy with other commands")
	}
	var out, errOut limitedBuffer
	out.max, errOut.max = maxReply, 4<<10
	c := exec.CommandContext(ctx, h.program, h.args...)
	c.Stdin = strings.NewReader(command)
	c.Env = append(os.Environ(), peerEnv(PeerFrom(ctx))...)
	c.Stdout, c.Stderr = &out, &errOut
	// The program and what it started end together.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	err := c.Run()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("no answer within %s", hookTimeout)
	case out.over:
		return nil, fmt.Errorf("the reply is longer than %d bytes", maxReply)
	case err != nil:
		if line := lastLine(errOut.b.String()); line != "" {
			return nil, fmt.Errorf("%s (%w)", line, err)
		}
		return nil, err
	}
	return out.b.Bytes(), nil
}

// peerEnv leaves out what an environment cannot hold.
func peerEnv(p Peer) []string {
	clean := strings.NewReplacer("\x00", "")
	return []string{
		"XP2P_PEER=" + clean.Replace(p.ID),
		"XP2P_REQUESTER=" + clean.Replace(p.Requester),
		"XP2P_USER_ARGS=" + clean.Replace(p.UserArgs),
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}

// limitedBuffer keeps the first max bytes. It does not embed a bytes.Buffer: its
// ReadFrom would take everything.
type limitedBuffer struct {
	b    bytes.Buffer
	max  int
	over bool
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	room := l.max - l.b.Len()
	if len(p) > room {
		l.over = true
		l.b.Write(p[:room])
		return len(p), nil
	}
	return l.b.Write(p)
}
