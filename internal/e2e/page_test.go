// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
)

// faultyOrigin is an http-flv server that is away when it is told to be.
func faultyOrigin(t *testing.T, file string) (url string, away func(bool)) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var gone atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			http.Error(w, "gone", http.StatusServiceUnavailable)
			return
		}
		playTags(b, w, func() error {
			if err := r.Context().Err(); err != nil {
				return err
			}
			return http.NewResponseController(w).Flush()
		})
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL + "/live.flv", func(on bool) {
		gone.Store(on)
		if on {
			s.CloseClientConnections()
		}
	}
}

// browser finds what the page is tested with.
func browser(t *testing.T) (node, chromium string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed: apt-get install -y nodejs npm")
	}
	if chromium, err = exec.LookPath("chromium"); err != nil {
		t.Fatal("chromium is not installed: apt-get install -y chromium")
	}
	for _, file := range []string{"node_modules/playwright-core", "dist/app/index.html"} {
		if _, err := os.Stat(filepath.Join("..", "..", "web", "ui", file)); err != nil {
			t.Fatalf("%v: make ui installs what the page is built of, and builds it", err)
		}
	}
	return node, chromium
}

// The page does in a browser what it is for: live pictures of cameras near and far, a
// camera's recordings across a gap, seeking, an export.
func TestPage(t *testing.T) {
	node, chromium := browser(t)
	o := testmedia.Options{Width: 640, Height: 360, Kbits: 600, GOP: testmedia.FrameRate}
	w := newWorld(t)
	far := w.camera("far", "flv:"+testmedia.FLV(t, testmedia.H264ALaw, 4, o))
	gate, away := faultyOrigin(t, testmedia.FLV(t, testmedia.H264AAC, originSeconds, o))
	state := t.TempDir()
	n := w.nvrWith("web: {listen: '127.0.0.1:0', state: '"+state+"'}\n", 10*time.Second,
		source{name: "gate", url: gate}, source{name: "far", info: far.info}, source{name: "cellar", url: "http://127.0.0.1:1/live.flv"})
	url := n.ready("nvr web ")

	// A gap with recordings on both sides.
	before := n.awaitPictures(8*testmedia.FrameRate, "gate")
	away(true)
	time.Sleep(3 * time.Second) // its length
	away(false)
	n.awaitPictures(before["gate"].Frames+8*testmedia.FrameRate, "gate", "far")
	var gap recorder.Gap
	for _, g := range n.list("gate").Gaps {
		if !g.To.IsZero() && g.To.Sub(g.From) > 2*time.Second {
			gap = g
		}
	}
	if gap.From.IsZero() {
		t.Fatalf("there is no gap: %+v", n.list("gate").Gaps)
	}
	want := map[string]any{
		"url": url, "chromium": chromium, "cameras": []string{"gate", "far"}, "away": "cellar", "play": "gate", "telephone": "far", "thumbnails": true,
		"gap": []int64{gap.From.UnixMilli(), gap.To.UnixMilli()}, "download": t.TempDir(), "shots": os.Getenv("XP2P_SHOTS"),
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, 5*time.Minute, node, filepath.Join("..", "..", "web", "ui", "test", "page.mjs"), string(b))
	if r.code != 0 {
		t.Fatalf("the page: exit status %d\n%s%s", r.code, r.stdout, tail(r.stderr))
	}
	var measured struct {
		Start int    `json:"start_ms"`
		Seek  int    `json:"seek_ms"`
		File  string `json:"file"`
		Phone string `json:"telephone"` // export of G.711
	}
	if err := json.Unmarshal([]byte(r.stdout), &measured); err != nil {
		t.Fatalf("%v in %q", err, r.stdout)
	}
	t.Logf("playback began within %d ms, behind a seek within %d ms", measured.Start, measured.Seek)
	for _, file := range []string{measured.File, measured.Phone} {
		if codecs := strings.Join(probe(t, file), " "); codecs != "h264 aac" {
			t.Errorf("%s has %s", file, codecs)
		}
		tool(t, "ffmpeg", "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", file, "-f", "null", "-")
	}
}
