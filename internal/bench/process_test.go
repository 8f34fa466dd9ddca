// SPDX-License-Identifier: LGPL-2.1-or-later

// Package bench measures whole processes side by side: what a recorder costs per
// camera, beside the programs that one would use instead.
package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// streams at once, of 2 Mbit/s each.
const streams = 20

var stream2M = testmedia.Options{Width: 1280, Height: 720, Kbits: 1936}

const (
	settle = 5 * time.Second  // before a measurement: connections, first segments
	window = 15 * time.Second // of a measurement
)

// A role is a process of the measurement that this test binary plays itself.
const roleVar = "XP2P_BENCH_ROLE"

var roles = map[string]func(dir, file string) error{
	"peer-cameras": peerCameras,
	"peer-bare":    peerBare,
	"http-origin":  httpOrigin,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		if err := roles[role](os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type process struct {
	name  string
	cmd   *exec.Cmd
	lines chan string
	log   bytes.Buffer
	done  chan error
}

func startRole(b *testing.B, role, dir, file string) *process {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self, dir, file)
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	return start(b, role, cmd)
}

func startProcess(b *testing.B, program string, args ...string) *process {
	b.Helper()
	return start(b, filepath.Base(program), exec.Command(program, args...))
}

func start(b *testing.B, name string, cmd *exec.Cmd) *process {
	b.Helper()
	p := &process{name: name, cmd: cmd, lines: make(chan string, 16), done: make(chan error, 1)}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = &p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default:
			}
		}
		p.done <- cmd.Wait()
	}()
	b.Cleanup(sync.OnceFunc(func() { cmd.Process.Kill() }))
	return p
}

func (p *process) wait(b *testing.B, prefix string) {
	b.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case l := <-p.lines:
			if strings.HasPrefix(l, prefix) {
				return
			}
		case err := <-p.done:
			b.Fatalf("%s ended: %v\n%s", p.name, err, p.log.Bytes())
		case <-timeout:
			b.Fatalf("%s is not ready", p.name)
		}
	}
}

func (p *process) stop(b *testing.B) {
	b.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-p.done; err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			b.Fatalf("%s: %v\n%s", p.name, err, p.log.Bytes())
		}
	}
}

// usage of a process over a window.
type usage struct {
	cpu float64 // cores
	rss int64   // bytes, at its end
}

// measure the process once it has settled.
func (p *process) measure(b *testing.B) usage {
	b.Helper()
	return measureAll(b, []*process{p})
}

// measureAll is what processes that do one thing together take together.
func measureAll(b *testing.B, all []*process) (use usage) {
	b.Helper()
	time.Sleep(settle)
	began := time.Now()
	for _, p := range all {
		use.cpu -= p.cpu(b).Seconds()
	}
	time.Sleep(window)
	for _, p := range all {
		use.cpu += p.cpu(b).Seconds()
		use.rss += p.rss(b)
	}
	use.cpu /= time.Since(began).Seconds()
	return use
}

const clockTick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on

func (p *process) cpu(b *testing.B) time.Duration {
	b.Helper()
	s := procFile(b, p, "stat")
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+2:])
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * clockTick
}

func (p *process) rss(b *testing.B) int64 {
	b.Helper()
	pages, _ := strconv.ParseInt(strings.Fields(procFile(b, p, "statm"))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

func procFile(b *testing.B, p *process, name string) string {
	b.Helper()
	s, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, name))
	if err != nil {
		b.Fatalf("%s: %v\n%s", p.name, err, p.log.Bytes())
	}
	return string(s)
}

var buildProgram = func() func(b *testing.B) string {
	var once sync.Once
	var path string
	return func(b *testing.B) string {
		b.Helper()
		once.Do(func() {
			dir, err := os.MkdirTemp("", "xp2p-bench-")
			if err != nil {
				b.Fatal(err)
			}
			path = filepath.Join(dir, "xp2p")
			cmd := exec.Command("go", "build", "-o", path, "github.com/xp2p/xp2p/cmd/xp2p")
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
		})
		return path
	}
}()
