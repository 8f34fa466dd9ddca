// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/session"
	"github.com/xp2p/xp2p/swarm/sourcetest"
)

// TestCodes has a row for each way to each result code that the module can give. The
// codes without a row are those of which codes.go says that there is none.
func TestCodes(t *testing.T) {
	refuseAll := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
	}
	start := func(t *testing.T, c *scripted, info session.StreamInfo) error {
		if info.XP2PInfo == "" && info.URL == "" {
			info.XP2PInfo = c.Info(nil)
		}
		_, err := c.module(nil).StartService(t.Context(), "one", info)
		return err
	}
	service := func(t *testing.T, c *scripted, h http.Handler) *session.Service {
		c.Handle(h)
		return c.service(session.StreamInfo{})
	}
	forever := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Xp2p-Audio", "alaw")
		w.Header().Set("X-Xp2p-Size", "1000")
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	initWith := func(t *testing.T, c *scripted, change func(*session.Config)) error {
		cfg := session.Config{App: c.Rendezvous.App(), Rendezvous: c.Rendezvous.URL(), ConnectTimeout: 5 * time.Second}
		change(&cfg)
		m, err := session.Init(t.Context(), cfg)
		if m != nil {
			m.Close()
		}
		return err
	}
	rows := []struct {
		code session.Code
		how  string
		do   func(*testing.T, *scripted) error
	}{
		{session.OK, "a service", func(t *testing.T, c *scripted) error { return start(t, c, session.StreamInfo{}) }},
		{session.BadArgument, "an account that is not whole", func(t *testing.T, c *scripted) error {
			return initWith(t, c, func(cfg *session.Config) { cfg.App.OauthID = "" })
		}},
		{session.BadArgument, "a service without an id", func(t *testing.T, c *scripted) error {
			_, err := c.module(nil).StartService(t.Context(), "", session.StreamInfo{XP2PInfo: c.Info(nil)})
			return err
		}},
		{session.BadArgument, "a stream of nonsense", func(t *testing.T, c *scripted) error {
			_, err := service(t, c, forever).StartStream(t.Context(), session.StreamRequest{Params: "a=\x01"})
			return err
		}},
		{session.BadArgument, "a version that is none", func(t *testing.T, c *scripted) error { return start(t, c, session.StreamInfo{MinVersion: "new"}) }},
		{session.BadXP2PInfo, "the original's", func(t *testing.T, c *scripted) error {
			return start(t, c, session.StreamInfo{XP2PInfo: "XP2PAAAA==%2.4.46"})
		}},
		{session.BadXP2PInfo, "one that has expired", func(t *testing.T, c *scripted) error {
			return start(t, c, session.StreamInfo{XP2PInfo: c.Info(func(g *grant.Grant) { g.Expires = time.Now().Add(-time.Hour) })})
		}},
		{session.BadXP2PInfo, "one that was revoked", func(t *testing.T, c *scripted) error {
			c.Refuse.Store(&link.Refusal{Code: -2001, Reason: "revoked"})
			return start(t, c, session.StreamInfo{})
		}},
		{session.NotInitialised, "a module that was closed", func(t *testing.T, c *scripted) error {
			m := c.module(nil)
			m.Close()
			_, err := m.StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: c.Info(nil)})
			return err
		}},
		{session.NotInitialised, "reset of a module that was closed", func(t *testing.T, c *scripted) error {
			m := c.module(nil)
			m.Close()
			return m.Reset(t.Context())
		}},
		{session.NotSupported, "a stream that the camera does not have", func(t *testing.T, c *scripted) error {
			_, err := service(t, c, refuseAll(406)).StartStream(t.Context(), session.StreamRequest{Params: "action=live-mjpg"})
			return err
		}},
		{session.NotSupported, "a command that the camera does not have", func(t *testing.T, c *scripted) error {
			r, err := service(t, c, refuseAll(406)).SendCommand(t.Context(), "action=inner_define&cmd=make_coffee")
			if err != nil || r.Type != session.CommandFailure {
				t.Errorf("%+v, %v", r, err)
			}
			return &session.Error{Code: r.ErrCode}
		}},
		{session.DeviceVersionTooLow, "a camera of version 1.0.0", func(t *testing.T, c *scripted) error { return start(t, c, session.StreamInfo{MinVersion: "1.0.1"}) }},
		{session.OK, "a camera that is new enough", func(t *testing.T, c *scripted) error { return start(t, c, session.StreamInfo{MinVersion: "0.9.46"}) }},
		{session.TransportStarted, "two modules on one port", func(t *testing.T, c *scripted) error {
			return initWith(t, c, func(cfg *session.Config) { cfg.Port = uint16(c.Socket.LocalAddr().Port) })
		}},
		{session.ProbeFailed, "no rendezvous", func(t *testing.T, c *scripted) error {
			return initWith(t, c, func(cfg *session.Config) { cfg.Rendezvous = "nats://127.0.0.1:1" })
		}},
		{session.AlreadyStarted, "two services of one id", func(t *testing.T, c *scripted) error {
			m := c.module(nil)
			if _, err := m.StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: c.Info(nil)}); err != nil {
				return err
			}
			_, err := m.StartService(t.Context(), "one", session.StreamInfo{XP2PInfo: c.Info(nil)})
			return err
		}},
		{session.AlreadyStarted, "two streams", func(t *testing.T, c *scripted) error {
			s := service(t, c, forever)
			if _, err := s.StartStream(t.Context(), session.StreamRequest{}); err != nil {
				return err
			}
			_, err := s.StartStream(t.Context(), session.StreamRequest{})
			return err
		}},
		{session.AlreadyStarted, "two voices", func(t *testing.T, c *scripted) error {
			s := service(t, c, forever)
			if _, err := s.StartVoice(t.Context(), session.VoiceRequest{}); err != nil {
				return err
			}
			_, err := s.StartVoice(t.Context(), session.VoiceRequest{})
			return err
		}},
		{session.AlreadyStarted, "one file twice", func(t *testing.T, c *scripted) error {
			s := service(t, c, forever)
			if _, err := s.StartDownload(t.Context(), session.DownloadRequest{FileName: "f"}); err != nil {
				return err
			}
			_, err := s.StartDownload(t.Context(), session.DownloadRequest{FileName: "f"})
			return err
		}},
		{session.StreamFailed, "too many viewers", func(t *testing.T, c *scripted) error {
			_, err := service(t, c, refuseAll(405)).StartStream(t.Context(), session.StreamRequest{})
			return err
		}},
		{session.StreamFailed, "a camera that is not there", func(t *testing.T, c *scripted) error {
			return start(t, c, session.StreamInfo{XP2PInfo: c.Info(func(g *grant.Grant) { g.Device = "nobody" })})
		}},
		{session.NoService, "an id that nobody started", func(t *testing.T, c *scripted) error {
			_, err := c.module(nil).Service("one")
			return err
		}},
		{session.NoService, "a service that was stopped", func(t *testing.T, c *scripted) error {
			s := service(t, c, forever)
			s.Close()
			_, err := s.StartVoice(t.Context(), session.VoiceRequest{})
			return err
		}},
		{session.NotInEnvironment, "a stream of another kind", func(t *testing.T, c *scripted) error {
			return start(t, c, session.StreamInfo{URL: "rtmp://example.com/live/stream"})
		}},
		{session.DecryptFailed, "a 1vN stream without its code", func(t *testing.T, c *scripted) error {
			src := sourcetest.Start(t, true, "/live/a.flv", streamOfCamera)
			_, err := c.module(nil).StartService(t.Context(), "many", session.StreamInfo{URL: src.URL})
			return err
		}},
		{session.DeviceStateFailed, "a camera that does not tell its state", func(t *testing.T, c *scripted) error {
			c.Handle(refuseAll(500))
			s := c.service(session.StreamInfo{LiveStreamDomain: "example.invalid"})
			_, err := s.StartStream(t.Context(), session.StreamRequest{})
			return err
		}},
		{session.EncryptFailed, "a camera that was told of another viewer's key", func(t *testing.T, c *scripted) error {
			other, err := link.NewIdentity()
			if err != nil {
				t.Fatal(err)
			}
			pin := other.Pin()
			c.Pin.Store(&pin)
			return start(t, c, session.StreamInfo{})
		}},
		{session.VoiceFailed, "somebody else talks", func(t *testing.T, c *scripted) error {
			_, err := service(t, c, refuseAll(405)).StartVoice(t.Context(), session.VoiceRequest{})
			return err
		}},
		{session.DownloadFailed, "no such file", func(t *testing.T, c *scripted) error {
			_, err := service(t, c, refuseAll(404)).StartDownload(t.Context(), session.DownloadRequest{FileName: "f"})
			return err
		}},
		{session.DownloadFailed, "an offset behind the end", func(t *testing.T, c *scripted) error {
			_, err := service(t, c, refuseAll(416)).StartDownload(t.Context(), session.DownloadRequest{FileName: "f", Offset: 9})
			return err
		}},
		{session.DownloadFailed, "a camera that goes away", func(t *testing.T, c *scripted) error {
			d, err := service(t, c, forever).StartDownload(t.Context(), session.DownloadRequest{FileName: "f"})
			if err != nil {
				return err
			}
			c.HangUp()
			_, err = io.ReadAll(d)
			return err
		}},
	}
	// Of these codes.go says why nothing here gives them.
	shown := map[session.Code]bool{session.AlreadyInitialised: true, session.LocalServerFailed: true}
	for _, tt := range rows {
		shown[tt.code] = true
		t.Run(tt.how, func(t *testing.T) {
			wantCode(t, tt.do(t, newScripted(t, hello)), tt.code)
		})
	}
	for c := session.Code(-3000); c <= 0; c++ {
		if known := c.String() != fmt.Sprintf("result code %d", int(c)); known && !shown[c] {
			t.Errorf("code %d (%v) has no row", int(c), c)
		}
	}
}

func TestPortIsUsed(t *testing.T) {
	c := newScripted(t, hello)
	port := uint16(c.Socket.LocalAddr().Port)
	c.Socket.Close()
	m := c.module(func(cfg *session.Config) { cfg.Port = port })
	if l := m.NAT().Local; len(l) != 1 || l[0].Port() != port {
		t.Errorf("the module is at %v, not on port %d", l, port)
	}
}

func TestKeyFileOfNobody(t *testing.T) {
	c := newScripted(t, hello)
	_, err := session.Init(t.Context(), session.Config{App: c.Rendezvous.App(), Rendezvous: c.Rendezvous.URL(), KeyFile: os.DevNull})
	wantCode(t, err, session.BadArgument)
}
