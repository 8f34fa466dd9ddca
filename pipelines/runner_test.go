// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits for what is to happen soon.
const patience = 20 * time.Second

// quick are the waits of tests.
var quick = Timing{Open: patience, Start: patience, Drain: patience, RetryFirst: time.Millisecond, RetryMost: 5 * time.Millisecond}

// playing is what gst-launch-1.0 -m prints when the pipeline plays.
const playing = `echo 'Got message #7 from element "pipeline0" (state-changed): GstMessageStateChanged, old-state=(GstState)paused, new-state=(GstState)playing, pending-state=(GstState)void-pending;'`

// program is a shell script in gst-launch's place. It ends in sleep where it must
// not end by itself, in such a way that signals reach it.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fake")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

const forever = "while :; do sleep 0.05; done"

// events are collected as they come.
type events struct {
	mu   sync.Mutex
	list []Event
}

func (e *events) add(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

// states that there were, each once in a row.
func (e *events) states() []State {
	e.mu.Lock()
	defer e.mu.Unlock()
	var l []State
	for _, ev := range e.list {
		if ev.Status != nil {
			l = append(l, ev.Status.State)
		}
	}
	return slices.Compact(l)
}

func (e *events) motions() []Motion {
	e.mu.Lock()
	defer e.mu.Unlock()
	var l []Motion
	for _, ev := range e.list {
		if ev.Motion != nil {
			l = append(l, *ev.Motion)
		}
	}
	return l
}

func parse(t *testing.T, text string) *Pipeline {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newRunner(t *testing.T, script string, j Job, timing Timing) (*Runner, *events) {
	t.Helper()
	ev := new(events)
	if j.Pipeline == nil {
		j.Pipeline = parse(t, "fakesrc ! fakesink")
	}
	j.Name = "test"
	r, err := NewRunner(j, Options{Program: program(t, script), Events: ev.add, Timing: timing})
	if err != nil {
		t.Fatal(err)
	}
	return r, ev
}

// until polls a condition for as long as a slow machine may need.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// gone says that a process is no more.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		script string
		job    Job
		states []State
		err    string // of Run
		starts int
	}{
		{"end of the stream", playing, Job{}, []State{StateStarting, StatePlaying, StateStopped}, "", 1},
		{"a crash", playing + "; echo ouch >&2; kill -SEGV $$", Job{},
			[]State{StateStarting, StatePlaying, StateFailed}, `it died of the signal "segmentation fault": ouch`, 1},
		{"a crash, again", "kill -SEGV $$", Job{Retries: 2},
			[]State{StateStarting, StateWaiting, StateStarting, StateWaiting, StateStarting, StateFailed}, `it died of the signal "segmentation fault"`, 3},
		{"an element's error", "echo 'ERROR: from element /GstPipeline:pipeline0/GstFileSink:filesink0: Could not open file \"/x\" for writing.' >&2\n" +
			"echo 'Additional debug info:' >&2; echo 'ERROR: from element /GstPipeline:pipeline0/GstX:x: later' >&2; exit 1", Job{},
			[]State{StateStarting, StateFailed}, `filesink0: Could not open file "/x" for writing.`, 1},
		{"no pipeline", "echo 'WARNING: erroneous pipeline: no element \"x264enc\"' >&2; exit 1", Job{Always: true},
			[]State{StateStarting, StateFailed}, `the line is no pipeline: no element "x264enc": apt-get install -y gstreamer1.0-plugins-ugly`, 1},
		{"no plugin", "echo 'WARNING: erroneous pipeline: no element \"xp2pdemux\"' >&2; exit 1", Job{},
			[]State{StateStarting, StateFailed}, `the line is no pipeline: no element "xp2pdemux": libgstxp2p.so is not found`, 1},
		{"no words", "exit 3", Job{}, []State{StateStarting, StateFailed}, "exit status 3", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, ev := newRunner(t, c.script, c.job, quick)
			err := r.Run(t.Context())
			if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("%v, want %q", err, c.err)
			}
			if got := ev.states(); !slices.Equal(got, c.states) {
				t.Errorf("%v, want %v", got, c.states)
			}
			s := r.Status()
			if s.Starts != c.starts || s.PID != 0 || (s.Error == "") != (c.err == "") || err != nil && s.Code != codeOf(err) {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestProgramIsMissing(t *testing.T) {
	r, err := NewRunner(Job{Pipeline: parse(t, "fakesrc ! fakesink"), Always: true}, Options{Program: "no-such-program", Timing: quick})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "apt-get install") || r.Status().State != StateFailed {
		t.Errorf("%v, %+v", err, r.Status())
	}
}

// One that always runs begins again after an end, a crash and an error.
func TestAlways(t *testing.T) {
	r, ev := newRunner(t, playing, Job{Always: true}, quick)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	until(t, "it began four times", func() bool { return r.Status().Starts >= 4 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := ev.states(); !slices.Equal(got[:4], []State{StateStarting, StatePlaying, StateWaiting, StateStarting}) || got[len(got)-1] != StateStopped {
		t.Errorf("%v", got)
	}
	if s := r.Status(); s.Error != errEnded.Error() {
		t.Errorf("%+v", s)
	}
}

// Beginning again, with streams and pictures through pipes, leaves no descriptor open.
func TestNothingIsLeftOpen(t *testing.T) {
	open := func() int {
		l, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(l)
	}
	r, _ := newRunner(t, playing+"\ncat <&3 >/dev/null", Job{Always: true, Pipeline: parse(t, "${source} ! fdsink fd=${frames}"),
		Sources: []Source{{Open: func(context.Context) (io.ReadCloser, error) { return newFeed(strings.NewReader("x")), nil }}}}, quick)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	until(t, "it began a few times", func() bool { return r.Status().Starts >= 3 })
	before := open()
	until(t, "it began often", func() bool { return r.Status().Starts >= 100 })
	after := open()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if after > before+20 { // a process more or less may be about to begin
		t.Errorf("%d descriptors after 3 processes, %d after 100", before, after)
	}
}

// Stopping asks three times, each time less kindly, and leaves nothing behind.
func TestStop(t *testing.T) {
	const short = 100 * time.Millisecond
	for _, c := range []struct {
		name                 string
		interrupt, terminate time.Duration
		script, said         string
	}{
		{"at SIGINT", patience, patience, "trap 'echo int > $OUT; exit 0' INT\n" + playing + "\n" + forever, "int"},
		{"at SIGTERM", short, patience, "trap '' INT; trap 'echo term > $OUT; exit 0' TERM\n" + playing + "\n" + forever, "term"},
		{"at SIGKILL", short, short, "trap '' INT TERM\n" + playing + "\n" + forever, ""},
		{"with a child of its own", short, short, "trap '' INT TERM\nsleep 1000 & echo $! > $OUT\n" + playing + "\n" + forever, "child"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			timing := quick
			timing.Interrupt, timing.Terminate = c.interrupt, c.terminate
			r, _ := newRunner(t, c.script, Job{Env: []string{"OUT=" + out}}, timing)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- r.Run(ctx) }()
			until(t, "it plays", func() bool { return r.Status().State == StatePlaying })
			pid := r.Status().PID
			cancel()
			if err := <-done; err != nil || r.Status().State != StateStopped {
				t.Errorf("%v, %+v", err, r.Status())
			}
			if !gone(pid) {
				t.Errorf("process %d is still there", pid)
			}
			said, _ := os.ReadFile(out)
			if c.said == "child" {
				child, err := strconv.Atoi(strings.TrimSpace(string(said)))
				if err != nil {
					t.Fatal(err)
				}
				until(t, "the child is gone", func() bool { return gone(child) || zombie(child) })
			} else if strings.TrimSpace(string(said)) != c.said {
				t.Errorf("it said %q, want %q", said, c.said)
			}
		})
	}
}

// zombie says that a process has ended and waits for somebody to notice: its parent
// went first, and not every machine's init does.
func zombie(pid int) bool {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && bytes.Contains(b, []byte(") Z "))
}

// A program that prints without end, and without line ends, costs no memory.
func TestFlood(t *testing.T) {
	r, _ := newRunner(t, playing+"\nyes | tr -d '\\n' &\nyes ERROR >&2 &\n"+
		"while :; do echo 'Got message #1 from element \"x\" (qos): y'; done", Job{}, quick)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	until(t, "it plays", func() bool { return r.Status().State == StatePlaying })
	memory := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := memory()
	time.Sleep(300 * time.Millisecond) // some hundred megabytes
	if after := memory(); after > before+16<<20 {
		t.Errorf("%d kB more", (after-before)>>10)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What never plays is ended, and the error says what may be the matter.
func TestNeverPlays(t *testing.T) {
	never := quick
	never.Start = 50 * time.Millisecond
	r, _ := newRunner(t, forever, Job{Pipeline: parse(t, small), Params: map[string]string{"location": "x"},
		Sources: []Source{{Element: "src"}}}, never)
	if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "did not begin to play within 50ms") || !strings.Contains(err.Error(), "sound=none") {
		t.Error(err)
	}
}

// feed is a camera's stream.
type feed struct {
	io.Reader
	closed chan struct{}
	once   sync.Once
}

func newFeed(r io.Reader) *feed { return &feed{Reader: r, closed: make(chan struct{})} }

func (f *feed) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// endless gives zeros until it is closed.
type endless struct{ *feed }

func (e endless) Read(p []byte) (int, error) {
	select {
	case <-e.closed:
		return 0, os.ErrClosed
	default:
		clear(p)
		return len(p), nil
	}
}

// A camera's stream comes through a pipe, whole, and its end is the process's.
func TestFeeds(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	media := strings.Repeat("0123456789abcdef", 100_000)
	a, b := newFeed(strings.NewReader(media)), newFeed(strings.NewReader("second"))
	source := func(f *feed) Source {
		return Source{Name: "gate", Open: func(context.Context) (io.ReadCloser, error) { return f, nil }}
	}
	r, _ := newRunner(t, playing+"\ncat <&3 > $OUT; cat <&4 >> $OUT", Job{Env: []string{"OUT=" + out},
		Pipeline: parse(t, "${each} ${source} ! fakesink ${end}"), Sources: []Source{source(a), source(b)}}, quick)
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil || string(got) != media+"second" {
		t.Errorf("%d bytes of %d, %v", len(got), len(media)+6, err)
	}
	<-a.closed
	<-b.closed
}

// Neither a process that does not read, nor a stream that does not end, holds
// anything up.
func TestFeedsThatHang(t *testing.T) {
	f := endless{newFeed(nil)}
	r, _ := newRunner(t, playing+"\n"+forever, Job{Pipeline: parse(t, "${source} ! fakesink"),
		Sources: []Source{{Open: func(context.Context) (io.ReadCloser, error) { return f, nil }}}}, quick)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	until(t, "it plays", func() bool { return r.Status().State == StatePlaying })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-f.closed

	// The process closes its end and goes on: it is made to end, after a while.
	drained := quick
	drained.Drain = 50 * time.Millisecond
	r, _ = newRunner(t, playing+"\ncat <&3 >/dev/null\n"+forever, Job{Pipeline: parse(t, "${source} ! fakesink"),
		Sources: []Source{{Open: func(context.Context) (io.ReadCloser, error) { return newFeed(strings.NewReader("x")), nil }}}}, drained)
	if err := r.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFeedErrors(t *testing.T) {
	cut := errors.New("link broke")
	line := parse(t, "${each} ${source} ! fakesink ${end}")
	for _, c := range []struct {
		name string
		open func(context.Context) (io.ReadCloser, error)
		want string
	}{
		{"cannot be opened", func(context.Context) (io.ReadCloser, error) { return nil, cut }, "camera yard: link broke"},
		{"breaks off", func(context.Context) (io.ReadCloser, error) {
			return newFeed(io.MultiReader(strings.NewReader("x"), errReader{cut})), nil
		}, "the camera's stream broke off: link broke"},
		{"never comes", func(ctx context.Context) (io.ReadCloser, error) { <-ctx.Done(); return nil, context.Cause(ctx) },
			"camera yard: no stream within 50ms"},
	} {
		short := quick
		short.Open = 50 * time.Millisecond
		r, _ := newRunner(t, "cat <&3 >/dev/null; cat <&4 >/dev/null", Job{Pipeline: line, Sources: []Source{
			{Name: "gate", Open: func(context.Context) (io.ReadCloser, error) { return endless{newFeed(nil)}, nil }},
			{Name: "yard", Open: c.open},
		}}, short)
		if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

type errReader struct{ error }

func (e errReader) Read([]byte) (int, error) { return 0, e.error }

// No secret is among the words of the command, nor in what is said of it.
func TestSecrets(t *testing.T) {
	const info, key, url = "XP2PAbCdEfGhIjKlMnOpQrSt%1.0.0", "sesame-open", "rtmp://h/live/hidden-key"
	p := parse(t, "# a: b\n# secret location: c\nxp2psink ! rtmp2sink location=${location}")
	r, ev := newRunner(t, `case "$*" in *XP2PA*|*sesame*) exit 9;; esac
echo "ERROR: from element /x/y: cannot use $XP2P_INFO with $KEY at `+url+`, nor XP2PzzzzzzzzzzzzzzzzzzZ%1.0.0" >&2; exit 1`,
		Job{Pipeline: p, Params: map[string]string{"location": url}, Env: []string{"XP2P_INFO=" + info, "KEY=" + key}}, quick)
	err := r.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "y: cannot use … with … at …, nor XP2P…") {
		t.Errorf("%v", err)
	}
	for _, e := range ev.list {
		for _, secret := range []string{info, key, url, "zzzz"} {
			if e.Status != nil && strings.Contains(e.Status.Error, secret) {
				t.Errorf("%q is in %q", secret, e.Status.Error)
			}
		}
	}
}
