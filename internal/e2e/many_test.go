// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/internal/testorigin"
)

// manyStream is a running `xp2p source` with one stream, live/a.
type manyStream struct {
	*program
	t       *testing.T
	url     string
	codeURL string // "": it is not sealed
}

func serveMany(t *testing.T, origin string, flags ...string) *manyStream {
	t.Helper()
	argv := []string{xp2p(t), "source", "--origin", origin, "--listen", "127.0.0.1:0", "--state", t.TempDir(), "--log", "info"}
	m := &manyStream{t: t, program: spawn(t, "source", append(argv, flags...)...)}
	m.url, m.codeURL, _ = strings.Cut(m.ready("source ready "), " code-url ")
	return m
}

// flow is what the source's /stat says.
func (m *manyStream) flow() (fromPeers, fromSource uint64) {
	m.t.Helper()
	var s struct {
		Flow struct{ P2PBytes, CDNBytes uint64 }
	}
	out := tool(m.t, "curl", "curl", "-sS", strings.TrimSuffix(m.url, "/live/a.flv")+"/stat?xresid=live/a")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		m.t.Fatalf("/stat: %v in %q", err, out)
	}
	return s.Flow.P2PBytes, s.Flow.CDNBytes
}

// puller is an `xp2p swarm pull` into a file.
type puller struct {
	*program
	file string
}

func (m *manyStream) pull(name string, flags ...string) *puller {
	m.t.Helper()
	v := &puller{file: filepath.Join(m.t.TempDir(), name+".flv")}
	argv := []string{xp2p(m.t), "swarm", "pull", m.url, "-o", v.file, "--json"}
	if m.codeURL != "" {
		argv = append(argv, "--code-url", m.codeURL)
	}
	v.program = spawn(m.t, name, append(argv, flags...)...)
	return v
}

// metricsOf is what Prometheus gets of a program with --metrics.
func metricsOf(t *testing.T, p *program) (text string) {
	t.Helper()
	var url string
	await(t, p.name+" has metrics", func() bool {
		_, rest, ok := strings.Cut(p.stderr.String(), "metrics ready ")
		url, _, _ = strings.Cut(rest, "\n")
		return ok && url != ""
	})
	return tool(t, "curl", "curl", "-sS", url)
}

func (m *manyStream) metrics() string { m.t.Helper(); return metricsOf(m.t, m.program) }
func (v *puller) metrics() string     { v.t.Helper(); return metricsOf(v.t, v.program) }

// more waits until a file has so many bytes more than now.
func more(t *testing.T, file string, bytes int64) {
	t.Helper()
	size := func() int64 {
		st, err := os.Stat(file)
		if err != nil {
			return 0
		}
		return st.Size()
	}
	before := size()
	await(t, filepath.Base(file)+" grows", func() bool { return size() >= before+bytes })
}

// tagsOf are the hashes of a file's tags of pictures and sound, time and type included.
// Only where it was cut off may it end inside a tag.
func tagsOf(t *testing.T, file string, cut bool) (tags [][32]byte) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := flv.NewReader(f, flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for {
		switch err := r.Next(&tag, &u); {
		case err == io.EOF, cut && err == io.ErrUnexpectedEOF:
			return tags
		case err != nil:
			t.Fatalf("%s, behind %d tags: %v", filepath.Base(file), len(tags), err)
		}
		if !u.Config && tag.Type != flv.TagScript {
			tags = append(tags, sha256.Sum256(fmt.Appendf(nil, "%d %d %x", tag.Type, tag.Timestamp, tag.Payload)))
		}
	}
}

// Viewers of a sealed stream carry each other: each tag that they get, before and after one
// of them has left, is the one that a plain player gets from the source, and none is missing.
func TestManyViewers(t *testing.T) {
	o := testorigin.New(t, testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: testmedia.FrameRate}), 1)
	m := serveMany(t, o.URL(), "--seal", "--metrics", "127.0.0.1:0")
	code := m.codeURL[strings.LastIndex(m.codeURL, "/")+1:]
	plain := filepath.Join(t.TempDir(), "plain.flv")
	player := spawn(t, "plain player", "curl", "-sSN", "-o", plain, m.url+"?code="+code)
	player.unwanted = true
	more(t, plain, 20_000)
	viewers := func(n int) string { return fmt.Sprintf("xp2p_source_viewers{stream=\"/live/a.flv\"} %d\n", n) }
	if got := m.metrics(); !strings.Contains(got, viewers(1)) {
		t.Errorf("metrics with one player:\n%s", got)
	}

	first, second := m.pull("first", "--metrics", "127.0.0.1:0"), m.pull("second")
	await(t, "they have the stream from each other", func() bool { p, _ := m.flow(); return p > 100_000 })
	for _, p := range []interface{ metrics() string }{m, first} {
		got := p.metrics()
		for _, name := range []string{"peer_bytes_total", "peer_share", "lag_seconds", "continuity", "verification_failures_total"} {
			if !strings.Contains(got, "_"+name+"{stream=") {
				t.Errorf("no %s in the metrics:\n%s", name, got)
			}
		}
	}
	second.stop()
	more(t, first.file, 200_000) // from the source again
	third := m.pull("third")     // and who comes later sees the same
	more(t, third.file, 50_000)
	first.stop()
	third.stop()
	more(t, plain, 50_000)
	player.stop()

	want := tagsOf(t, plain, true)
	for _, v := range []*puller{first, second, third} {
		got := tagsOf(t, v.file, false)
		at := -1
		if len(got) > 0 {
			at = slices.Index(want, got[0])
		}
		if len(got) < 50 || at < 0 || at+len(got) > len(want) || !slices.Equal(got, want[at:at+len(got)]) {
			t.Errorf("%s: its %d tags are not those of the plain player, from tag %d on", v.name, len(got), at)
		}
		var s struct {
			Path  string
			Swarm struct{ P2PBytes, CDNBytes, SentBytes, Forged uint64 }
		}
		said := strings.Split(strings.TrimSpace(v.stderr.String()), "\n")
		if err := json.Unmarshal([]byte(said[len(said)-1]), &s); err != nil || s.Path != "swarm" || s.Swarm.Forged != 0 {
			t.Errorf("%s: %v, %+v\n%s", v.name, err, s, v.stderr)
		}
		if v != third && s.Swarm.P2PBytes+s.Swarm.SentBytes < 50_000 {
			t.Errorf("%s took and gave nothing: %+v", v.name, s.Swarm)
		}
	}
	if n := o.Pulls.Load(); n != 1 {
		t.Errorf("the origin was asked %d times", n)
	}
}

// Ordinary players play the source's URL, in a page of another site too.
func TestPlayersOfTheSource(t *testing.T) {
	file := testmedia.FLV(t, testmedia.H264AAC, 8, testmedia.Options{Width: 640, Height: 360, Kbits: 600, GOP: testmedia.FrameRate})
	m := serveMany(t, "/live/a.flv=flv:"+file)
	t.Run("ffprobe", func(t *testing.T) {
		t.Parallel()
		codecs := probe(t, m.url)
		slices.Sort(codecs)
		if !slices.Equal(codecs, []string{"aac", "h264"}) {
			t.Errorf("ffprobe finds %v", codecs)
		}
	})
	t.Run("ffmpeg", func(t *testing.T) {
		t.Parallel()
		tool(t, "ffmpeg", "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-t", "3", "-i", m.url, "-f", "null", "-")
	})
	t.Run("ffplay", func(t *testing.T) {
		t.Parallel()
		ffplay(t, m.url)
	})
	t.Run("vlc", func(t *testing.T) {
		t.Parallel()
		vlc(t, m.url)
	})
	t.Run("mpegts.js", func(t *testing.T) {
		t.Parallel()
		node, chromium := browser(t)
		ui, err := filepath.Abs(filepath.Join("..", "..", "web", "ui"))
		if err != nil {
			t.Fatal(err)
		}
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/mpegts.js" {
				http.ServeFile(w, r, filepath.Join(ui, "node_modules", "mpegts.js", "dist", "mpegts.js"))
				return
			}
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, `<!doctype html><title>player</title><link rel="icon" href="data:,"><video muted></video><script src="/mpegts.js"></script>`)
		}))
		t.Cleanup(page.Close)
		b, err := json.Marshal(map[string]any{"ui": ui, "chromium": chromium, "page": page.URL, "stream": m.url, "pictures": 3 * testmedia.FrameRate})
		if err != nil {
			t.Fatal(err)
		}
		if r := run(t, 4*patience, node, filepath.Join("testdata", "player.mjs"), string(b)); r.code != 0 {
			t.Errorf("the player: exit status %d\n%s%s", r.code, r.stdout, tail(r.stderr))
		}
	})
}
