// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// lanWorld is a camera that is dialled and a viewer that dials, on loopback.
type lanWorld struct {
	viewer, camera *LAN
	vid, cid       *Identity
	at             netip.AddrPort
	links          chan *Link // the camera's, as they are admitted
}

func newLANWorld(t testing.TB, h http.Handler, change func(*LANService)) *lanWorld {
	t.Helper()
	w := &lanWorld{links: make(chan *Link, 64)}
	var err error
	if w.vid, err = NewIdentity(); err != nil {
		t.Fatal(err)
	}
	if w.cid, err = NewIdentity(); err != nil {
		t.Fatal(err)
	}
	s := &LANService{Identity: w.cid, Handler: h,
		Admit: func(ctx context.Context, l *Link, viewer Pin, hello []byte) (context.Context, error) {
			if viewer != w.vid.Pin() || string(hello) != "let me in" {
				return nil, &Refusal{Code: -2001, Reason: "no grant"}
			}
			w.links <- l
			return ctx, nil
		}}
	if change != nil {
		change(s)
	}
	w.camera = openLAN(t, LANConfig{Bind: loopback, Serve: s})
	w.viewer = openLAN(t, LANConfig{Bind: loopback})
	w.at = w.camera.LocalAddr().AddrPort()
	return w
}

func openLAN(t testing.TB, cfg LANConfig) *LAN {
	t.Helper()
	n, err := ListenLAN(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close LAN socket: %v", err)
		}
	})
	return n
}

func (w *lanWorld) dial(t testing.TB) *Link {
	t.Helper()
	l, err := w.viewer.DialLAN(t.Context(), w.at, w.vid, w.cid.Pin(), []byte("let me in"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLANRequest(t *testing.T) {
	body, sum := randomBody(3 << 20)
	w := newLANWorld(t, bodyHandler(body), nil)
	l := w.dial(t)
	got, err := io.ReadAll(get(t, l, "/ipc.flv?action=live").Body)
	if err != nil || sha256.Sum256(got) != sum {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
	if p := l.Path(); p.Kind != Direct || p.Remote != "host "+w.at.String() {
		t.Errorf("path is %+v", p)
	}
	if s := l.Stats(); s.BytesReceived < 3<<20 || s.RTT == 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestLANRefused(t *testing.T) {
	other, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	w := newLANWorld(t, bodyHandler(nil), nil)
	silent, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, tt := range []struct {
		name  string
		at    netip.AddrPort
		id    *Identity
		pin   Pin
		hello string
		is    func(error) bool
	}{
		{"by the hello", w.at, w.vid, w.cid.Pin(), "please", isRefusal},
		{"another viewer's key", w.at, other, w.cid.Pin(), "let me in", isRefusal},
		{"another camera answers", w.at, w.vid, other.Pin(), "let me in", func(err error) bool { return errors.Is(err, ErrPin) }},
		{"nobody answers", silent.LocalAddr().(*net.UDPAddr).AddrPort(), w.vid, w.cid.Pin(), "let me in",
			func(err error) bool { return errors.Is(err, ErrPeerLost) && strings.Contains(err.Error(), "--lan") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := w.viewer.DialLAN(t.Context(), tt.at, tt.id, tt.pin, []byte(tt.hello))
			if err == nil {
				l.Close()
			}
			if !tt.is(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func isRefusal(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Code == -2001
}

// A link that is refused while it stands says why on the other side.
func TestEndSaysWhy(t *testing.T) {
	long := strings.Repeat("ä", 2*maxReason)
	for _, reason := range []string{"the grant was revoked", long} {
		w := newLANWorld(t, bodyHandler(nil), nil)
		l := w.dial(t)
		(<-w.links).End(&Refusal{Code: -2001, Reason: reason})
		<-l.Done()
		var r *Refusal
		if !errors.As(l.Err(), &r) || r.Code != -2001 || !strings.HasPrefix(reason, r.Reason) || len(r.Reason) < min(len(reason), maxReason)-1 {
			t.Errorf("link ended with %v", l.Err())
		}
	}
}

func TestLANCloseReachesThePeer(t *testing.T) {
	w := newLANWorld(t, bodyHandler(nil), nil)
	l := w.dial(t)
	w.camera.Close()
	<-l.Done()
	if err := l.Err(); err == nil || errors.Is(err, ErrPeerLost) {
		t.Errorf("link ended with %v", err)
	}
	if _, err := w.viewer.DialLAN(t.Context(), w.at, w.vid, w.cid.Pin(), nil); !errors.Is(err, ErrPeerLost) {
		t.Errorf("to a closed camera: %v", err)
	}
}

func TestLANLimits(t *testing.T) {
	w := newLANWorld(t, bodyHandler(nil), func(s *LANService) { s.MaxLinks = 2 })
	first := w.dial(t)
	w.dial(t)
	_, err := w.viewer.DialLAN(t.Context(), w.at, w.vid, w.cid.Pin(), []byte("let me in"))
	var r *Refusal
	if !errors.As(err, &r) || r.Code != codeStreamFailed {
		t.Errorf("a link too many: %v", err)
	}
	first.Close()
	for { // the camera notices in its own time
		l, err := w.viewer.DialLAN(t.Context(), w.at, w.vid, w.cid.Pin(), []byte("let me in"))
		if err == nil {
			l.Close()
			break
		}
		if !errors.As(err, &r) {
			t.Fatal(err)
		}
	}
}

// Whoever shakes hands and says nothing fills the places of the waiting, and no
// others; they are free again when it is gone.
func TestLANStrangersWait(t *testing.T) {
	w := newLANWorld(t, bodyHandler(nil), nil)
	in := w.dial(t)
	cfg := tlsConfig(w.vid, w.cid.Pin())
	cfg.ServerName = lanServerName
	var strangers []*quic.Conn
	for len(strangers) < maxLANPendingPerHost {
		c, err := w.viewer.tr.Dial(t.Context(), w.camera.LocalAddr(), cfg, lanQUICConfig())
		if err != nil {
			t.Fatal(err)
		}
		strangers = append(strangers, c)
	}
	if _, err := w.viewer.DialLAN(t.Context(), w.at, w.vid, w.cid.Pin(), []byte("let me in")); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	get(t, in, "/x").Body.Close() // who is in does not notice
	for _, c := range strangers {
		c.CloseWithError(codeClosed, "")
	}
	for {
		l, err := w.viewer.DialLAN(t.Context(), w.at, w.vid, w.cid.Pin(), []byte("let me in"))
		if err == nil {
			l.Close()
			break
		}
		if !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// What is no QUIC does not disturb the socket.
func TestLANGarbage(t *testing.T) {
	w := newLANWorld(t, bodyHandler([]byte("still here")), nil)
	c, err := net.DialUDP("udp", nil, w.camera.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	junk, _ := randomBody(64 << 10)
	for n := range 200 {
		c.Write(junk[n*100 : n*100+n*6])
	}
	b, err := io.ReadAll(get(t, w.dial(t), "/x").Body)
	if string(b) != "still here" {
		t.Errorf("%q, %v", b, err)
	}
}

// FuzzRefusal: whatever reason a link is closed with, there is one to show.
func FuzzRefusal(f *testing.F) {
	_, s := closeReason(&Refusal{Code: -2001, Reason: "the grant expired"})
	f.Add(s)
	f.Add(`{"code":1e999}`)
	f.Fuzz(func(t *testing.T, s string) {
		r := readRefusal(s)
		if r.Reason == "" {
			t.Fatalf("no reason in %q", s)
		}
		_, out := closeReason(fmt.Errorf("as a cause: %w", r))
		again := readRefusal(out)
		if again.Code != r.Code || again.Reason == "" {
			t.Errorf("%+v became %+v", r, again)
		}
	})
}

func BenchmarkLANConnect(b *testing.B) {
	w := newLANWorld(b, bodyHandler(nil), nil)
	for b.Loop() {
		w.dial(b).Close()
		<-w.links
	}
}
