// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// firstPicture reads FLV up to its first picture, which must be a key picture.
func firstPicture(r io.Reader) error {
	f := flv.NewReader(r, flv.Options{})
	for {
		var tag flv.Tag
		var u demux.Unit
		if err := f.Next(&tag, &u); err != nil {
			return err
		}
		if u.Kind == demux.Video && !u.Config {
			if !u.Key {
				return errors.New("it begins with another picture than a key picture")
			}
			return nil
		}
	}
}

// within fails a test whose f does not end.
func within(t *testing.T, what string, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(patience):
		t.Fatalf("%s takes for ever", what)
	}
}

func TestLive(t *testing.T) {
	s := liveSite(t, testmedia.H264AAC)
	res := s.request("GET", "/live/gate.flv", nil, nil)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "video/x-flv" {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	within(t, "the first picture", func() error { return firstPicture(res.Body) })
	for _, path := range []string{"/live/gate.flv", "/api/v1/events"} {
		if res := s.request("HEAD", path, nil, nil); res.StatusCode != 200 {
			t.Errorf("HEAD %s: %s", path, res.Status)
		}
	}
}

// messages is the payload of a WebSocket's frames.
type messages struct {
	r    *bufio.Reader
	left int64
}

func (m *messages) Read(p []byte) (int, error) {
	for m.left == 0 {
		var h [2]byte
		if _, err := io.ReadFull(m.r, h[:]); err != nil {
			return 0, err
		}
		if h[0] == 0x88 {
			return 0, io.EOF
		}
		if h[0] != 0x82 {
			return 0, fmt.Errorf("frame % x", h)
		}
		m.left = int64(h[1])
		if wide := map[byte]int{126: 2, 127: 8}[h[1]]; wide > 0 {
			var b [8]byte
			if _, err := io.ReadFull(m.r, b[8-wide:]); err != nil {
				return 0, err
			}
			m.left = int64(binary.BigEndian.Uint64(b[:]))
		}
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	return n, err
}

// socketTo opens a WebSocket with the token.
func (s *site) socketTo(path string) (net.Conn, *messages, *http.Response) {
	s.t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, s.Addr(), s.auth.token)
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return c, &messages{r: r}, res
}

func TestLiveSocket(t *testing.T) {
	s := liveSite(t, testmedia.H264AAC)
	// The sample of RFC 6455 §1.3.
	c, m, res := s.socketTo("/live/gate.flv")
	if res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	within(t, "the first picture", func() error { return firstPicture(m) })

	// A close frame ends it.
	if _, err := c.Write([]byte{0x88, 0x80, 1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	until(t, "the watcher is gone", func() bool { return len(s.watchers) == 0 })

	// So does the server's end.
	_, m, _ = s.socketTo("/live/gate.flv")
	within(t, "the server's end", func() error {
		if err := s.Close(); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, m)
		return err
	})

	s = liveSite(t, testmedia.H264)
	for name, change := range map[string]func(*http.Request){
		"no key": func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "13") },
		"bad key": func(r *http.Request) {
			r.Header.Set("Sec-WebSocket-Version", "13")
			r.Header.Set("Sec-WebSocket-Key", "eA==")
		},
		"old version": func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==") },
	} {
		res := s.request("GET", "/live/gate.flv", nil, func(r *http.Request) {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
			change(r)
		})
		if res.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
}

// Live streams that are open do not keep a server from ending, nor are there more than
// maxWatchers.
func TestLiveLimit(t *testing.T) {
	s := start(t, Config{Cameras: endless{stillCameras{"gate"}}})
	for range maxWatchers {
		if res := s.request("GET", "/live/gate.flv", nil, nil); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
	}
	s.get(503, "/live/gate.flv")
	within(t, "the end", s.Close)
}

// endless are cameras whose streams begin and then say nothing.
type endless struct{ stillCameras }

func (endless) Watch(context.Context, string) (io.ReadCloser, error) {
	r, w := io.Pipe()
	go w.Write(flv.AppendHeader(nil, true, true))
	return r, nil
}
