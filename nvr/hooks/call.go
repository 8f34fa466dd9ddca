// SPDX-License-Identifier: LGPL-2.1-or-later

package hooks

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/xp2p/xp2p/internal/version"
	"github.com/xp2p/xp2p/nvr"
)

const (
	// maxOutput is how much of what a failing program says is in the log.
	maxOutput = 1 << 10
	// killAfter is how long a program that is over its time has to end itself.
	killAfter = time.Second
	// postTries is how often a URL is tried for one event, and postPause the wait before
	// the second; each further one is twice as long.
	postTries = 3
	postPause = time.Second
)

func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute},
		// A redirect would take the event to where nobody wanted it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post gives the event to the hook's URL; any 2xx is an answer.
func (r *Runner) post(ctx context.Context, h *hook, body []byte) error {
	pause := postPause
	for try := 1; ; try++ {
		again, err := r.postOnce(ctx, h, body)
		if err == nil || !again || try == postTries {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
		pause *= 2
	}
}

// postOnce says whether another try may help.
func (r *Runner) postOnce(ctx context.Context, h *hook, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "xp2p/"+version.Version)
	for k, v := range h.Headers {
		req.Header.Set(k, v)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return ctx.Err() == nil, err
	}
	io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection can be used again
	res.Body.Close()
	if res.StatusCode/100 != 2 {
		return res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests, fmt.Errorf("the server answered %s", res.Status)
	}
	return false, nil
}

// runProgram runs the hook's program, with the event as JSON on its standard input and
// its type and camera in the environment. Over its time it gets SIGTERM, then SIGKILL,
// and so does whatever it has started.
func runProgram(ctx context.Context, h *hook, e *nvr.Event, body []byte) error {
	cmd := exec.CommandContext(ctx, h.Run[0], h.Run[1:]...)
	cmd.Env = append(os.Environ(), "XP2P_EVENT="+e.Type, "XP2P_CAMERA="+e.Camera)
	cmd.Stdin = bytes.NewReader(append(body, '\n'))
	said := &tail{}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var kill *time.Timer
	cmd.Cancel = func() error { // its process group, with whatever it has started
		group := -cmd.Process.Pid
		kill = time.AfterFunc(killAfter, func() { syscall.Kill(group, syscall.SIGKILL) })
		return syscall.Kill(group, syscall.SIGTERM)
	}
	cmd.WaitDelay = 2 * killAfter
	err := cmd.Run()
	if kill != nil {
		kill.Stop()
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s did not end within %v", h.Run[0], h.Timeout)
	case len(said.b) > 0:
		return fmt.Errorf("%s: %w: %s", h.Run[0], err, strings.TrimSpace(string(said.b)))
	}
	return fmt.Errorf("%s: %w", h.Run[0], err)
}

// tail keeps the end of what a program says.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if n := len(t.b) - maxOutput; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}
