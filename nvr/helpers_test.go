// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick are the waits of tests: short, so that many attempts fit into a second.
var quick = Timing{Tick: 10 * time.Millisecond, Stall: 4 * time.Second, Connect: 4 * time.Second, RetryFirst: 10 * time.Millisecond, RetryMost: 50 * time.Millisecond}

// fakeCamera serves FLV over HTTP: first the bytes of before, then a file, then it
// ends or, when hold is set, stays silent.
type fakeCamera struct {
	file   string
	before []byte
	hold   bool
	status int // 0: 200
	opened atomic.Int64
	pace   bool // tags in real time
}

func (f *fakeCamera) serve(t testing.TB) string {
	s := httptest.NewServer(f)
	t.Cleanup(s.CloseClientConnections)
	t.Cleanup(s.Close)
	return s.URL + "/live.flv"
}

func (f *fakeCamera) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.opened.Add(1)
	if f.status != 0 {
		http.Error(w, "no", f.status)
		return
	}
	w.Write(f.before)
	if f.file != "" {
		f.stream(w, r.Context())
	}
	w.(http.Flusher).Flush()
	if f.hold {
		<-r.Context().Done()
	}
}

func (f *fakeCamera) stream(w http.ResponseWriter, ctx context.Context) {
	b, err := os.ReadFile(f.file)
	if err != nil {
		panic(err)
	}
	if !f.pace {
		w.Write(b)
		return
	}
	w.Write(b[:13])
	start := time.Now()
	for b = b[13:]; len(b) > 15; {
		n := int(b[1])<<16 | int(b[2])<<8 | int(b[3]) + 0
		at := time.Duration(int(b[4])<<16|int(b[5])<<8|int(b[6])) * time.Millisecond
		select {
		case <-time.After(time.Until(start.Add(at))):
		case <-ctx.Done():
			return
		}
		w.Write(b[:n+15])
		w.(http.Flusher).Flush()
		b = b[n+15:]
	}
}

func open(t testing.TB, o Options, cameras ...CameraConfig) *NVR {
	t.Helper()
	if o.Timing == (Timing{}) {
		o.Timing = quick
	}
	n, err := Open(Config{Storage: []StorageConfig{{Dir: t.TempDir()}}, Cameras: cameras}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// until polls a condition for as long as a slow machine may need.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func status(t testing.TB, n *NVR, name string) CameraStatus {
	t.Helper()
	s, err := n.Camera(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func segments(t testing.TB, n *NVR, name string) []recorder.Segment {
	t.Helper()
	if err := n.Archive().Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	list, err := n.Archive().List(context.Background(), name, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func gaps(t testing.TB, n *NVR, name string) []recorder.Gap {
	t.Helper()
	list, err := n.Archive().Gaps(context.Background(), name, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func decodes(t testing.TB, file string) {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("ffmpeg is missing: apt-get install -y ffmpeg")
	}
	if out, err := exec.Command(ffmpeg, "-v", "error", "-i", file, "-f", "null", "-").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("ffmpeg %s: %v\n%s", file, err, out)
	}
}

func media(t testing.TB) string {
	return testmedia.FLV(t, testmedia.H264AAC, 2, testmedia.Options{GOP: 25})
}
