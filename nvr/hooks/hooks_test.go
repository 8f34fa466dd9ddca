// SPDX-License-Identifier: LGPL-2.1-or-later

package hooks

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/nvr"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs hooks of a recorder without cameras.
func start(t *testing.T, log io.Writer, list ...nvr.HookConfig) (*nvr.NVR, *Runner) {
	t.Helper()
	n, err := nvr.Open(nvr.Config{Storage: []nvr.StorageConfig{{Dir: t.TempDir()}}}, nvr.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].Timeout == 0 {
			list[i].Timeout = 20 * time.Second
		}
		list[i].Name = strconv.Itoa(i)
	}
	r := Start(n.Subscribe(), list, slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() {
		n.Close()
		r.Close()
	})
	return n, r
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// written waits for a file's text.
func written(t *testing.T, file string) string {
	t.Helper()
	var b []byte
	until(t, file+" is written", func() bool {
		b, _ = os.ReadFile(file)
		return strings.HasSuffix(string(b), "\n")
	})
	return string(b)
}

// A program gets the event; others do not concern it.
func TestProgram(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	n, r := start(t, io.Discard, nvr.HookConfig{On: []string{"camera.*", "export.done"}, Cameras: []string{"gate"},
		Run: []string{"sh", "-c", `echo "$1 $XP2P_EVENT $XP2P_CAMERA $(cat)" >>"$2"`, "sh", "arg", out}})
	n.Publish(nvr.Event{Type: "record.segment", Camera: "gate"})
	n.Publish(nvr.Event{Type: "camera.down", Camera: "yard"})
	n.Publish(nvr.Event{Type: "export.done"})
	n.Publish(nvr.Event{Type: "camera.down", Camera: "gate", Detail: map[string]int{"x": 1}})
	until(t, "it ran", func() bool { return r.Status()[0].Done == 1 })
	line := written(t, out)
	rest, ok := strings.CutPrefix(line, "arg camera.down gate ")
	var e struct {
		Type, Camera string
		Time         time.Time
		Detail       map[string]int
	}
	if err := json.Unmarshal([]byte(rest), &e); !ok || err != nil || e.Type != "camera.down" || e.Camera != "gate" || e.Detail["x"] != 1 || e.Time.IsZero() {
		t.Errorf("%v in %s", err, line)
	}
	if s := r.Status()[0]; s != (Status{"0", 1, 0, 0}) {
		t.Errorf("%+v", s)
	}
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

// A program that fails, does not exist or hangs costs its own events only.
func TestBadPrograms(t *testing.T) {
	dir := t.TempDir()
	child := filepath.Join(dir, "child")
	log := &syncBuffer{}
	n, r := start(t, log,
		nvr.HookConfig{On: []string{"*"}, Run: []string{"sh", "-c", "echo what is wrong >&2; exit 3"}},
		nvr.HookConfig{On: []string{"*"}, Run: []string{filepath.Join(dir, "nobody")}},
		// It and what it started ignore SIGTERM.
		nvr.HookConfig{On: []string{"*"}, Timeout: 300 * time.Millisecond, Run: []string{"sh", "-c", `trap "" TERM; sleep 1000 & echo $! >` + child + `; wait`}},
		nvr.HookConfig{On: []string{"*"}, Run: []string{"true"}},
	)
	n.Publish(nvr.Event{Type: "x"})
	until(t, "all were tried", func() bool {
		s := r.Status()
		return s[0].Failed == 1 && s[1].Failed == 1 && s[2].Failed == 1 && s[3].Done == 1
	})
	for _, want := range []string{"what is wrong", "exit status 3", "no such file", "did not end within 300ms"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
	pid, err := strconv.Atoi(strings.TrimSpace(written(t, child)))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "its child is gone", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH || zombie(pid) })
}

// zombie says that a process has ended and waits for its parent, which may be nobody.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(b), ") Z ")
}

func TestWebhook(t *testing.T) {
	var tries atomic.Int64
	got := make(chan *http.Request, 10)
	bodies := make(chan string, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/refuses":
			w.WriteHeader(http.StatusForbidden)
		case r.URL.Path == "/elsewhere":
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		case tries.Add(1) == 1:
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		got <- r
		bodies <- string(b)
	}))
	defer s.Close()
	log := &syncBuffer{}
	n, r := start(t, log,
		nvr.HookConfig{On: []string{"a"}, URL: s.URL + "/hook", Headers: map[string]string{"Authorization": "Bearer secret"}},
		nvr.HookConfig{On: []string{"b"}, URL: s.URL + "/refuses"},
		nvr.HookConfig{On: []string{"c"}, URL: s.URL + "/elsewhere"},
		nvr.HookConfig{On: []string{"d"}, URL: "http://127.0.0.1:1/", Timeout: 100 * time.Millisecond},
	)
	n.Publish(nvr.Event{Type: "a", Camera: "gate"})
	until(t, "it was delivered at the second try", func() bool { return r.Status()[0].Done == 1 })
	req := <-got
	if body := <-bodies; req.Method != http.MethodPost || req.Header.Get("Authorization") != "Bearer secret" ||
		req.Header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"type":"a","camera":"gate"`) {
		t.Errorf("%s %v %s", req.Method, req.Header, body)
	}
	for i, typ := range []string{"b", "c", "d"} {
		n.Publish(nvr.Event{Type: typ})
		until(t, typ+" failed", func() bool { return r.Status()[i+1].Failed == 1 })
	}
	for _, want := range []string{"403", "307", "refused"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, log)
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Error("a secret is in the log")
	}
}

// A hook that hangs loses events and holds up nobody, nor the end.
func TestHookBehind(t *testing.T) {
	n, r := start(t, io.Discard, nvr.HookConfig{On: []string{"x"}, Run: []string{"sleep", "1000"}, Timeout: time.Minute},
		nvr.HookConfig{On: []string{"x"}, Run: []string{"true"}})
	for range queueLength + 10 {
		n.Publish(nvr.Event{Type: "x"})
	}
	until(t, "events are lost to it", func() bool { return r.Status()[0].Lost >= 9 })
	until(t, "the other has its own", func() bool { s := r.Status()[1]; return s.Done+s.Lost == queueLength+10 })
	r.grace = 20 * time.Millisecond
	r.Close()
	if s := r.Status()[0]; s.Done != 0 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// What happened before the end is delivered.
func TestLastEvents(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	n, r := start(t, io.Discard, nvr.HookConfig{On: []string{"x"}, Run: []string{"sh", "-c", `echo >>"$0"`, out}})
	for range 10 {
		n.Publish(nvr.Event{Type: "x"})
	}
	n.Close()
	r.Close()
	if s := r.Status()[0]; s.Done != 10 {
		t.Errorf("%+v", s)
	}
}
