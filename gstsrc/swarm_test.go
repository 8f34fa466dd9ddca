// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/internal/testorigin"
)

// manyViewers is an xp2p source with one sealed stream.
type manyViewers struct {
	file    string // that it plays over and over
	uri     string // as location has it
	codeURL string
}

func startSource(t *testing.T) *manyViewers {
	t.Helper()
	m := &manyViewers{file: testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25})}
	source := spawn(t, "source", "--origin", "/live/a.flv=flv:"+m.file, "--listen", "127.0.0.1:0", "--seal", "--state", t.TempDir())
	u, codeURL, ok := strings.Cut(source.ready("source ready "), " code-url ")
	if !ok {
		t.Fatal("the source prints no code-url")
	}
	m.uri, m.codeURL = "xp2p+"+u, codeURL
	return m
}

// decoded are the hashes of the file's pictures.
func (m *manyViewers) decoded(t *testing.T) [][32]byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "reference.yuv")
	if said, ok := run(t, gstEnv(t), "gst-launch-1.0", "-q", "filesrc", "location="+m.file, "!", "xp2pdemux", "!",
		"h264parse", "!", "avdec_h264", "!", "video/x-raw,format=I420", "!", "filesink", "location="+out); !ok {
		t.Fatal(said)
	}
	l := pictures(t, out)
	if len(l) != testmedia.Frames(4) {
		t.Fatalf("the file has %d pictures", len(l))
	}
	return l
}

// A sealed stream of many viewers comes in part from another viewer, and every picture
// of it, in order and unchanged, is the source's.
func TestSwarm(t *testing.T) {
	m := startSource(t)
	want := m.decoded(t)
	other := launch(t, "xp2psrc name=src location=%q ! fakesink", m.uri+"?_code_url="+url.QueryEscape(m.codeURL))
	other.set(gst.StatePlaying)

	watched := filepath.Join(t.TempDir(), "watched.yuv")
	p := launch(t, "xp2psrc name=src location=%s code-url=%s ! xp2pdemux ! h264parse ! avdec_h264 ! video/x-raw,format=I420 ! filesink location=%s",
		m.uri, m.codeURL, watched)
	p.set(gst.StatePlaying)
	since := uint64(0) // bytes from the source when others feed it
	await(t, "a viewer that has the stream from another one", func() bool {
		time.Sleep(50 * time.Millisecond)
		if p.has("swarm-parents") && p.stats("swarm-parents").(int) > 0 && since == 0 {
			since = p.stats("bytes").(uint64)
		}
		return since > 0 && p.stats("swarm-bytes-peers").(uint64) > 50_000 && p.stats("bytes").(uint64) > since+200_000
	})
	for field, ok := range map[string]bool{
		"path":               p.stats("path") == "swarm",
		"swarm-share":        p.stats("swarm-share").(float64) > 0,
		"swarm-continuity":   p.stats("swarm-continuity").(float64) > 0.9,
		"swarm-links":        p.stats("swarm-links").(int) == 1,
		"swarm-forged":       p.stats("swarm-forged").(uint64) == 0,
		"swarm-bytes-source": p.stats("swarm-bytes-source").(uint64) > 0,
		"of the other, sent": other.stats("swarm-bytes-sent").(uint64) > 0,
	} {
		if !ok {
			t.Errorf("%s: %v", field, p.stats(field))
		}
	}
	p.stats("swarm-lag")
	p.SendEvent(gst.NewEOSEvent())
	p.end()
	p.set(gst.StateNull)
	if got := pictures(t, watched); len(got) < 75 || !continues(want, got) {
		t.Errorf("the %d pictures are not the source's in order", len(got))
	}
}

// has says whether stats has a field.
func (p *pipeline) has(field string) bool {
	p.t.Helper()
	v, err := p.src.GetProperty("stats")
	if err != nil {
		p.t.Fatal(err)
	}
	_, ok := v.(*gst.Structure).Values()[field]
	return ok
}

// Who gives nothing on is a viewer all the same.
func TestSwarmWithoutUpload(t *testing.T) {
	m := startSource(t)
	p := launch(t, "xp2psrc name=src upload=false location=%s code-url=%s num-buffers=100 ! fakesink", m.uri, m.codeURL)
	p.set(gst.StatePlaying)
	p.end()
	if v := p.stats("swarm-bytes-sent"); v != uint64(0) {
		t.Errorf("%v bytes sent", v)
	}
}

// Without its code a sealed stream is refused, in words that say what to set; the code
// is in nothing that is printed.
func TestSwarmErrors(t *testing.T) {
	m := startSource(t)
	for _, c := range []struct {
		name  string
		args  []string
		want  []string
		fails bool
	}{
		{"no code", []string{"location=" + m.uri, "swarm=true"}, []string{"sealed", "Set code-url", "(code -2502)"}, true},
		{"another code", []string{"location=" + m.uri, "code-url=" + m.codeURL[:len(m.codeURL)-4] + "0000"}, []string{"(code -2502)"}, true},
		{"a code that is no URL", []string{"location=" + m.uri, "code-url=c0de"}, []string{"https://HOST/code/CODE", "(code -2000)"}, true},
		{"a code for a camera", []string{"location=xp2p://P/D", "code-url=" + m.codeURL}, []string{"xp2p+https://HOST", "(code -2000)"}, true},
		{"its code", []string{"location=" + m.uri, "code-url=" + m.codeURL, "num-buffers=50"}, []string{"Connected (swarm)", "The stream begins"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"--no-fault", "-v", "-m", "xp2psrc", "reconnect=false"}, c.args...)
			out, ok := run(t, gstEnv(t), "gst-launch-1.0", append(args, "!", "fakesink")...)
			if ok == c.fails {
				t.Errorf("it ended well: %v", ok)
			}
			for _, w := range c.want {
				if !strings.Contains(out, w) {
					t.Errorf("gst-launch-1.0 did not say %q:\n%s", w, out)
				}
			}
			if code := m.codeURL[strings.LastIndex(m.codeURL, "/")+1:]; strings.Contains(out, code) {
				t.Error("the code is in what gst-launch-1.0 printed")
			}
		})
	}
}

// Where there is no swarm at the URL the stream comes as plain http-flv.
func TestSwarmOfPlainStream(t *testing.T) {
	o := testorigin.New(t, testmedia.FLV(t, testmedia.H264AAC, 2, testmedia.Options{}), 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live/", o.ServeHTTP) // as media servers do, it takes no POST
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	p := launch(t, "xp2psrc name=src swarm=true location=xp2p+%s/live/a.flv num-buffers=20 ! fakesink", srv.URL)
	p.set(gst.StatePlaying)
	await(t, "the stream", func() bool {
		time.Sleep(10 * time.Millisecond)
		return p.has("path") && p.stats("buffers").(uint64) > 5
	})
	if p.stats("path") != "http" || p.has("swarm-share") {
		t.Errorf("path %v; in a swarm: %v", p.stats("path"), p.has("swarm-share"))
	}
	p.end()
}
