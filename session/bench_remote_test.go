// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testcamera"
	"github.com/xp2p/xp2p/session"
)

// benchCamera is the environment variable that makes the test binary a camera with its
// rendezvous, so that a benchmark of the viewer does not count them.
const benchCamera = "XP2P_BENCH_CAMERA"

// remote is what such a process prints.
type remote struct {
	Rendezvous string
	App        session.AppParams
	Info       string
}

// BenchmarkCameraProcess is the camera's process and measures nothing.
func BenchmarkCameraProcess(b *testing.B) {
	if os.Getenv(benchCamera) == "" {
		b.Skip("it is the other process of the benchmarks here")
	}
	c := testcamera.New(b, benchHandler)
	line, err := json.Marshal(remote{c.Rendezvous.URL(), c.Rendezvous.App(), c.Info(nil)})
	if err != nil {
		b.Fatal(err)
	}
	fmt.Printf("\n%s\n", line)
	io.Copy(io.Discard, os.Stdin) // until the benchmark ends
}

// benchHandler answers commands, and downloads with size bytes of zeros.
var benchHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/command" {
		io.WriteString(w, `[{"status":"0","appConnectNum":"0"}]`)
		return
	}
	size := int64(benchFile)
	w.Header().Set("X-Xp2p-Size", strconv.FormatInt(size, 10))
	io.CopyBuffer(onlyWriter{w}, io.LimitReader(zeros{}, size), make([]byte, 64<<10))
})

type onlyWriter struct{ io.Writer }

const benchFile = 64 << 20

// startRemote starts the camera's process.
func startRemote(b *testing.B) remote {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^$", "-test.bench", "^BenchmarkCameraProcess$", "-test.benchtime", "1x")
	cmd.Env = append(os.Environ(), benchCamera+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r remote
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.Info != "" {
			return r // the rest is a line that fits the pipe
		}
	}
	b.Fatal("the camera's process did not start")
	return remote{}
}

func (r remote) module(b *testing.B) *session.Module {
	b.Helper()
	m, err := session.Init(b.Context(), session.Config{App: r.App, Rendezvous: r.Rendezvous})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	return m
}

// rss is the resident memory of this process in bytes.
func rss(b *testing.B) uint64 {
	s, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(s))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * uint64(os.Getpagesize())
}

// BenchmarkIdleServices is the memory of 200 services in one process when nothing
// happens: the Go heap and stacks that are in use, and what the kernel counts.
func BenchmarkIdleServices(b *testing.B) {
	const services = 200
	r := startRemote(b)
	m := r.module(b)
	if s, err := m.StartService(b.Context(), "first", session.StreamInfo{XP2PInfo: r.Info}); err != nil { // what every process needs once
		b.Fatal(err)
	} else {
		s.Close()
	}
	measure := func() (inUse, resident uint64) {
		runtime.GC()
		debug.FreeOSMemory()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapInuse + s.StackInuse, rss(b)
	}
	for b.Loop() {
		go0, rss0 := measure()
		for i := range services {
			if _, err := m.StartService(b.Context(), strconv.Itoa(i), session.StreamInfo{XP2PInfo: r.Info}); err != nil {
				b.Fatal(err)
			}
		}
		time.Sleep(5 * time.Second) // idle
		go1, rss1 := measure()
		b.ReportMetric(float64(int64(go1-go0))/services, "go-B/service")
		b.ReportMetric(float64(int64(rss1-rss0))/services, "rss-B/service")
		b.ReportMetric(float64(runtime.NumGoroutine())/services, "goroutines/service")
		b.StopTimer()
		for i := range services {
			m.StopService(strconv.Itoa(i))
		}
		b.StartTimer()
	}
}

// BenchmarkRemoteCommand is the round trip of a command on a warm service, with the
// camera in another process.
func BenchmarkRemoteCommand(b *testing.B) {
	r := startRemote(b)
	s, err := r.module(b).StartService(b.Context(), "one", session.StreamInfo{XP2PInfo: r.Info})
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, err := s.SendCommand(b.Context(), "action=inner_define&cmd=get_device_st"); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	report(b, took)
}

// BenchmarkDownload is a download beside the same bytes over the bare link, by turns in
// one run: percent-of-link is the speed of the first by that of the second.
func BenchmarkDownload(b *testing.B) {
	r := startRemote(b)
	s, err := r.module(b).StartService(b.Context(), "one", session.StreamInfo{XP2PInfo: r.Info})
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	drain := func(in io.Reader) {
		if n, err := io.CopyBuffer(onlyWriter{io.Discard}, in, buf); err != nil || n != benchFile {
			b.Fatalf("%d bytes, %v", n, err)
		}
	}
	var download, bare time.Duration
	b.SetBytes(benchFile)
	for b.Loop() {
		began := time.Now()
		d, err := s.StartDownload(b.Context(), session.DownloadRequest{FileName: "f"})
		if err != nil {
			b.Fatal(err)
		}
		drain(d)
		d.Close()
		download += time.Since(began)

		b.StopTimer()
		began = time.Now()
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "https://camera/file", nil)
		if err != nil {
			b.Fatal(err)
		}
		res, err := s.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		drain(res.Body)
		res.Body.Close()
		bare += time.Since(began)
		b.StartTimer()
	}
	b.ReportMetric(100*bare.Seconds()/download.Seconds(), "percent-of-link")
}
