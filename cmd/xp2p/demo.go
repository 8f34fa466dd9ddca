// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/control"
	"github.com/xp2p/xp2p/nvr"
)

type demoOptions struct {
	seconds seconds
	dir     string
}

func newDemoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show everything at once: rendezvous, a test camera, a recorder",
		Long: `Start a rendezvous, a test camera and an NVR that records it over the peer link,
each as a process of its own on this machine, and show what happens until Ctrl-C.
With --seconds it ends by itself, opens what it recorded with ffprobe and prints a
summary; the exit status tells whether it worked.`,
		Example: `  xp2p demo
  xp2p demo --seconds 20 --dir /tmp/demo`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd, o) },
	}
	cmd.Flags().Var(&o.seconds, "seconds", "end after `N` seconds, or a time like 2m, and check the recording; 0: until Ctrl-C")
	cmd.Flags().StringVar(&o.dir, "dir", "demo", "`DIR` for everything that the demo writes")
	return cmd
}

const demoCamera = "demo"

// demoStartTimeout bounds each process's way to "ready".
const demoStartTimeout = 20 * time.Second

func runDemo(cmd *cobra.Command, o demoOptions) (err error) {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	d := &demo{dir: dir, out: cmd.OutOrStdout(), began: time.Now()}
	defer func() { err = errors.Join(err, d.stop()) }()
	ctx := cmd.Context()
	if err := d.start(ctx); err != nil {
		return err
	}
	d.explain()
	if o.seconds > 0 {
		c, cancel := context.WithTimeout(ctx, time.Duration(o.seconds))
		defer cancel()
		ctx = c
	}
	last, err := d.show(ctx)
	if err != nil {
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	if o.seconds == 0 || cmd.Context().Err() != nil {
		return nil
	}
	return d.check(last, time.Duration(o.seconds).Seconds())
}

// demo is the three processes and what they wrote.
type demo struct {
	dir    string
	out    io.Writer
	began  time.Time
	socket string
	procs  []*demoProcess
}

type demoProcess struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan error
}

func (d *demo) path(name ...string) string { return filepath.Join(append([]string{d.dir}, name...)...) }

func (d *demo) start(ctx context.Context) error {
	fmt.Fprintln(d.out, "Starting (logs and recordings in", d.dir+"):")
	url, err := d.run(ctx, "rendezvous", "rendezvous ready ", "rendezvous", "--listen", "127.0.0.1:0", "--state", d.path("rendezvous"))
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out, "  rendezvous   ", url)
	app, info := d.path("rendezvous", "app.json"), d.path("camera", "xp2p-info")
	grant, err := d.run(ctx, "camera", "camera ready ", "camera", "--rendezvous", url, "--app", app,
		"--product", "DEMO", "--device", demoCamera, "--input", "test:", "--state", d.path("camera"))
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "  camera        DEMO/%s, test pattern, xp2p-info %.24s…\n", demoCamera, grant)
	// The socket's path must be short (108 bytes): it is beside the demo only where that fits.
	d.socket = d.path("control.sock")
	if len(d.socket) > 100 {
		tmp, err := os.MkdirTemp("", "xp2p-demo-")
		if err != nil {
			return err
		}
		d.socket = filepath.Join(tmp, "control.sock")
	}
	config := fmt.Sprintf("rendezvous: %s\napp: %q\ncontrol: %q\nweb: 127.0.0.1:0\nstorage:\n  - dir: %q\ncameras:\n  - name: %s\n    xp2p-info: %q\n    params: action=live&channel=0&quality=high\n",
		url, app, d.socket, d.path("archive"), demoCamera, grant)
	if err := os.WriteFile(d.path("nvr.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	// It says where its page is once it records and its control socket is there.
	page, err := d.run(ctx, "nvr", "nvr web ", "nvr", "--config", d.path("nvr.yaml"))
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out, "  recorder      control socket", d.socket)
	fmt.Fprintln(d.out, "  page          open this:", page)
	d.writeEnv(url, app, info)
	return nil
}

// run starts a process of this program and waits for its ready line.
func (d *demo) run(ctx context.Context, name, ready string, args ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	p := &demoProcess{name: name, log: d.path(name + ".log"), done: make(chan error, 1)}
	logFile, err := os.Create(p.log)
	if err != nil {
		return "", err
	}
	defer logFile.Close() // the child has its own
	p.cmd = exec.Command(self, append(args, "--log", "info")...)
	p.cmd.Stderr = logFile
	// Ctrl-C at the terminal goes to us alone; we end the others in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := p.cmd.Start(); err != nil {
		return "", err
	}
	d.procs = append(d.procs, p)
	lines := make(chan string, 1)
	go func() {
		s := bufio.NewScanner(stdout)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			if rest, ok := strings.CutPrefix(s.Text(), ready); ok {
				lines <- rest
				break
			}
		}
		io.Copy(io.Discard, stdout)
		p.done <- p.cmd.Wait()
	}()
	select {
	case l := <-lines:
		return l, nil
	case err := <-p.done:
		p.done <- err
		return "", fmt.Errorf("%s did not start: %w\n%s", name, err, tail(p.log))
	case <-time.After(demoStartTimeout):
		return "", fmt.Errorf("%s was not ready within %s\n%s", name, demoStartTimeout, tail(p.log))
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// tail is the end of a log, for an error.
func tail(file string) string {
	b, _ := os.ReadFile(file)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// writeEnv leaves a file to source, so that the printed commands are short.
func (d *demo) writeEnv(url, app, info string) {
	b, _ := os.ReadFile(info)
	text := fmt.Sprintf("export XP2P_RENDEZVOUS=%s XP2P_APP='%s' XP2P_INFO='%s'\n", url, app, strings.TrimSpace(string(b)))
	os.WriteFile(d.path("env"), []byte(text), 0o600)
}

func (d *demo) explain() {
	self, _ := os.Executable()
	plugin := filepath.Dir(self)
	fmt.Fprintf(d.out, `
Watch it (in another terminal):
  . %[1]s
  GST_PLUGIN_PATH=%[2]s gst-launch-1.0 xp2psrc xp2p-info="$XP2P_INFO" ! xp2pdemux ! h264parse ! avdec_h264 ! videoconvert ! autovideosink
Ask the recorder:
  %[3]s ctl --socket %[4]s camera.status

`, d.path("env"), plugin, self, d.socket)
}

// show prints the recorder's view once a second: over itself on a terminal, as
// lines elsewhere.
func (d *demo) show(ctx context.Context) (nvr.CameraStatus, error) {
	var last nvr.CameraStatus
	c, err := control.Dial(ctx, d.socket, nil)
	if err != nil {
		return last, err
	}
	defer c.Close()
	terminal := isTerminal(d.out)
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			if terminal {
				fmt.Fprintln(d.out)
			}
			return last, nil
		}
		if err := d.exited(); err != nil {
			return last, err
		}
		var s nvr.CameraStatus
		if err := c.Call(ctx, "camera.status", map[string]string{"camera": demoCamera}, &s); err != nil {
			if ctx.Err() != nil {
				continue
			}
			return last, err
		}
		last = s
		line := fmt.Sprintf("%4.0f s  %-10s path %-6s  %5.2f Mbit/s  %5d frames  %6.2f MB on disk",
			time.Since(d.began).Seconds(), s.State, orDash(s.Path), float64(s.Bitrate)/1e6, s.Frames, float64(s.Recorded.Bytes)/1e6)
		if s.Error != "" {
			line += "  last error: " + s.Error
		}
		if terminal {
			fmt.Fprint(d.out, "\r\x1b[K"+line)
		} else {
			fmt.Fprintln(d.out, line)
		}
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// exited says which process ended before it was told to.
func (d *demo) exited() error {
	for _, p := range d.procs {
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("%s ended: %v\n%s", p.name, err, tail(p.log))
		default:
		}
	}
	return nil
}

// demoStopTimeout is how long a process may take to end by itself.
const demoStopTimeout = 10 * time.Second

// stop ends the processes, the last one first.
func (d *demo) stop() error {
	var errs []error
	for i := len(d.procs) - 1; i >= 0; i-- {
		p := d.procs[i]
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-p.done:
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w (log: %s)", p.name, err, p.log))
			}
		case <-time.After(demoStopTimeout):
			p.cmd.Process.Kill()
			<-p.done
			errs = append(errs, fmt.Errorf("%s did not end by itself (log: %s)", p.name, p.log))
		}
	}
	d.procs = nil
	return errors.Join(errs...)
}
