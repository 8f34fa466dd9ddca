// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that is to happen soon. It says that a
// program hangs, not that it is slow.
const patience = 30 * time.Second

// output collects what a program writes, while it does.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// lines are the whole lines so far.
func (o *output) lines() []string {
	l := strings.SplitAfter(o.String(), "\n")
	return slices.DeleteFunc(l, func(s string) bool { return !strings.HasSuffix(s, "\n") })
}

// program is a process that a test has started. It ends with the test.
type program struct {
	t              *testing.T
	name           string
	cmd            *exec.Cmd
	stdout, stderr *output
	done           chan struct{} // closed when it has ended
	unwanted       bool          // nobody minds how it ends
}

// environment of every program: the test's, without what would configure xp2p.
func environment(extra ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "XP2P_") })
	return append(env, extra...)
}

// spawn starts a program in a process group of its own. The kernel kills it
// when the test's process dies; else the end of the test stops it.
func spawn(t *testing.T, name string, argv ...string) *program {
	t.Helper()
	p := &program{t: t, name: name, stdout: new(output), stderr: new(output), done: make(chan struct{})}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Env = environment()
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		defer close(p.done)
		p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s (%s) said:\n%s%s", p.name, p.cmd.ProcessState, tail(p.stdout.String()), tail(p.stderr.String()))
		}
	})
	return p
}

// tail is the end of a log.
func tail(s string) string {
	const most = 8 << 10
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}

func (p *program) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// stop ends the program in good order, and by force when it does not follow.
func (p *program) stop() {
	p.t.Helper()
	if !p.running() {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		if code := p.cmd.ProcessState.ExitCode(); code != 0 && !p.unwanted {
			p.t.Errorf("%s: after SIGTERM it ended with %s", p.name, p.cmd.ProcessState)
		}
	case <-time.After(patience):
		p.t.Errorf("%s does not stop", p.name)
		p.kill()
	}
}

// kill ends the program as a power cut does.
func (p *program) kill() {
	if p.running() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

// wait gives the exit status of a program that ends by itself within limit; it
// ends one that does not, and the test.
func (p *program) wait(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.kill()
		p.t.Fatalf("%s did not end within %v", p.name, limit)
	}
	return p.cmd.ProcessState.ExitCode()
}

// ready waits for the line of standard output that begins with prefix and gives
// its rest.
func (p *program) ready(prefix string) string {
	p.t.Helper()
	var rest string
	await(p.t, p.name+": "+prefix, func() bool {
		if !p.running() {
			p.t.Fatalf("%s ended (%s) and never said %q", p.name, p.cmd.ProcessState, prefix)
		}
		for _, l := range p.stdout.lines() {
			if r, ok := strings.CutPrefix(l, prefix); ok {
				rest = strings.TrimSpace(r)
				return true
			}
		}
		return false
	})
	return rest
}

// await waits until done says so.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never happened within %v: %s", patience, what)
		}
	}
}

// result is how a program ended that was run to its end.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a program that ends by itself within limit.
func run(t *testing.T, limit time.Duration, argv ...string) result {
	t.Helper()
	return runWith(t, limit, nil, argv...)
}

func runWith(t *testing.T, limit time.Duration, env []string, argv ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = environment(env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(limit, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err := cmd.Wait()
	if !late.Stop() {
		t.Fatalf("%s did not end within %v; it said:\n%s%s", cmd, limit, tail(stdout.String()), tail(stderr.String()))
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", cmd, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// tool runs a program of a Debian package; it must succeed in silence.
func tool(t *testing.T, deb string, argv ...string) string {
	t.Helper()
	if _, err := exec.LookPath(argv[0]); err != nil {
		t.Fatalf("%s is not installed: apt-get install -y %s", argv[0], deb)
	}
	r := run(t, patience, argv...)
	if r.code != 0 || r.stderr != "" {
		t.Errorf("%s: exit status %d\n%s", strings.Join(argv, " "), r.code, tail(r.stderr))
	}
	return r.stdout
}
