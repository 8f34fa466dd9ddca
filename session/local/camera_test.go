// SPDX-License-Identifier: LGPL-2.1-or-later

package local

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/link"
)

// fakeCamera answers the requests of the reference on the LAN, so that a test
// sees what reaches a camera.
type fakeCamera struct {
	lan   *link.LAN
	info  string
	links atomic.Int64
	cut   chan struct{} // closed to break streams that asked for it
}

func newFakeCamera(t testing.TB, device string) *fakeCamera {
	t.Helper()
	id, err := link.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	c := &fakeCamera{cut: make(chan struct{})}
	if c.info, err = grant.Issue(id.Key(), grant.Grant{Product: "PROD", Device: device, Version: "1.0.0", Rights: grant.AllRights}); err != nil {
		t.Fatal(err)
	}
	c.lan, err = link.ListenLAN(link.LANConfig{Bind: netip.MustParseAddrPort("127.0.0.1:0"), Serve: &link.LANService{
		Identity: id, Handler: c.routes(),
		Admit: func(ctx context.Context, l *link.Link, _ link.Pin, hello []byte) (context.Context, error) {
			if string(hello) != c.info {
				return nil, &link.Refusal{Code: -2001, Reason: "not my grant"}
			}
			c.links.Add(1)
			go func() { <-l.Done(); c.links.Add(-1) }()
			return ctx, nil
		}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.lan.Close() })
	return c
}

func (c *fakeCamera) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/ipc.flv", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", flvType)
		w.Header().Set("X-Xp2p-Start", "1700000000")
		switch r.URL.Query().Get("action") {
		case "download":
			io.WriteString(w, strings.Repeat("x", 100_000))
		case "bulk":
			for chunk := make([]byte, 64<<10); r.Context().Err() == nil; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		case "full":
			refuse(w, http.StatusMethodNotAllowed, 0, "too many viewers")
		case "break":
			io.WriteString(w, "some")
			http.NewResponseController(w).Flush()
			<-c.cut
			panic(http.ErrAbortHandler)
		default:
			fmt.Fprintf(w, "FLV of %s?%s\n", r.URL.Path, r.URL.RawQuery)
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})
	m.HandleFunc("POST /voice", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Xp2p-Audio", "alaw;rate=8000;channels=1")
		http.NewResponseController(w).Flush()
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "heard %d bytes of %s, %v", n, r.Header.Get("Content-Type"), err)
	})
	m.HandleFunc("/command", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if strings.Contains(r.URL.RawQuery, "slow") {
			<-r.Context().Done()
		}
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.RawQuery, b)
	})
	m.HandleFunc("POST /events", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	m.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"type":"keepalive"}`+"\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	return m
}
