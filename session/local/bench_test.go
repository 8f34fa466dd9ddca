// SPDX-License-Identifier: LGPL-2.1-or-later

package local

import (
	"io"
	"net/http"
	"testing"

	"github.com/xp2p/xp2p/session"
)

// benchServer is a local server with one camera, and a client of it.
func benchServer(b *testing.B) (s *Server, base string, client *http.Client) {
	b.Helper()
	camera := newFakeCamera(b, "cam1")
	m, err := session.Init(b.Context(), session.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	s, err = Start(Config{Listen: "127.0.0.1:0", Module: m, Cameras: []Camera{{XP2PInfo: camera.info, LAN: camera.lan.LocalAddr().String()}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	client = &http.Client{Transport: &http.Transport{}}
	b.Cleanup(client.CloseIdleConnections)
	return s, s.URL() + "PROD_cam1", client
}

// BenchmarkBulk is what the local server passes on, beside the service under it.
func BenchmarkBulk(b *testing.B) {
	s, base, client := benchServer(b)
	svc, release, err := s.cameras[0].use(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer release()
	for _, via := range []struct {
		name, base string
		rt         http.RoundTripper
	}{{"service", "https://camera", svc}, {"local", base, client.Transport}} {
		b.Run(via.name, func(b *testing.B) {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, via.base+"/ipc.flv?action=bulk", nil)
			if err != nil {
				b.Fatal(err)
			}
			res, err := via.rt.RoundTrip(req)
			if err != nil {
				b.Fatal(err)
			}
			defer res.Body.Close()
			buf := make([]byte, 64<<10)
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				if _, err := io.ReadFull(res.Body, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCommand is a command's way through the server, over a warm link and back.
func BenchmarkCommand(b *testing.B) {
	_, base, client := benchServer(b)
	for b.Loop() {
		res, err := client.Get(base + "/command?action=user_define&cmd=ptz_left")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
			b.Fatal(res.Status, err)
		}
		res.Body.Close()
	}
}
