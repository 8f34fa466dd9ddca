// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/session"
)

// median of at least one time; it sorts list.
func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// size is a number of bytes for people.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/unit, 0
	for f >= unit && i < 4 {
		f, i = f/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTP"[i])
}

// patient is a camera to look at.
type patient struct {
	name, info, url, params string

	many    bool // url is a stream of many viewers
	codeURL string
}

// peers looks at the rendezvous, the network and cameras: the one of --xp2p-info, and
// those of a configuration that no running recorder has told of.
func (d *doctor) peers(cfg *nvr.Config, told bool) {
	var all []patient
	if d.o.info != "" {
		info, err := readInfo(d.o.info)
		if err != nil {
			d.failed("xp2pInfo", badArgument(err), "")
			return
		}
		all = append(all, patient{name: "camera", info: info})
	}
	acct, wanted, err := d.accountOf(cfg)
	if err != nil {
		d.failed("account", err, "xp2p rendezvous writes app.json into its --state directory")
	}
	if cfg != nil && !told {
		for _, c := range cfg.Cameras {
			all = append(all, patient{name: "camera " + c.Name, info: c.Info, url: c.URL, params: c.Params, many: c.Many(), codeURL: c.CodeURL})
		}
	}
	var m *session.Module
	if wanted && err == nil || d.o.lan != "" {
		if m = d.network(acct); m != nil {
			defer m.Close()
		}
	}
	for _, p := range all {
		if d.cmd.Context().Err() != nil {
			return
		}
		switch {
		case p.many:
			d.manyCamera(m, p)
		case p.url != "":
			d.httpCamera(p)
		default:
			d.camera(m, p)
		}
	}
}

// accountOf is the flags' account, or the configuration's; wanted: there is one.
func (d *doctor) accountOf(cfg *nvr.Config) (a account, wanted bool, err error) {
	if d.o.lan != "" {
		return a, false, nil
	}
	if hasRendezvous(d.cmd) {
		a, err = readAccount(d.cmd)
		return a, true, err
	}
	if cfg == nil || cfg.Rendezvous == "" {
		return a, false, nil
	}
	a.rendezvous = cfg.Rendezvous
	if a.app, err = rendezvous.ReadApp(cfg.App); err != nil {
		err = badArgument(err)
	}
	return a, true, err
}

// network joins the rendezvous and says what kind of NAT there is.
func (d *doctor) network(a account) *session.Module {
	log, err := logger(d.cmd)
	if err != nil {
		d.failed("rendezvous", err, "")
		return nil
	}
	ctx, cancel := d.bounded()
	defer cancel()
	begin := time.Now()
	m, err := session.Init(ctx, session.Config{App: a.app, Rendezvous: a.rendezvous, Logger: log, ConnectTimeout: d.o.timeout})
	if err != nil {
		do := "is xp2p rendezvous running there, and may its port be reached over TCP?"
		if code, ok := session.CodeOf(err); ok && code == session.BadArgument {
			do = "the account must be of this rendezvous: the app.json in its --state directory"
		}
		d.failed("rendezvous", err, do)
		return nil
	}
	if a.rendezvous == "" {
		return m
	}
	d.say(finding{Check: "rendezvous", Level: levelOK, Say: fmt.Sprintf("%s answers; joined in %v", a.rendezvous, time.Since(begin).Round(time.Millisecond))})
	nat := m.NAT()
	f := finding{Check: "network", Level: levelOK}
	switch nat.Kind {
	case session.NATNone:
		f.Say = "no NAT"
	case session.NATEndpointIndependent:
		f.Say = "behind a NAT that keeps its mapping: direct paths are likely"
	case session.NATSymmetric:
		f.Level, f.Say = levelWarn, "behind a symmetric NAT: with a camera behind another one only a relay works"
		f.Do = "forward a UDP port to this machine, or turn the router's full-cone NAT on, where there is such a switch"
	case session.NATBlocked:
		f.Level, f.Say = levelFail, "UDP does not come through: only a relay over TCP is left"
		f.Do = "let UDP out of the firewall"
	default:
		f.Level, f.Say = levelNote, "the rendezvous' servers do not tell what kind of NAT there is"
	}
	if len(nat.Mapped) > 0 {
		f.Say += fmt.Sprintf(" (seen as %v)", nat.Mapped[0])
	}
	d.say(f)
	return m
}

// camera looks at a grant, joins its camera and waits for a picture.
func (d *doctor) camera(m *session.Module, p patient) {
	lines, holds := grant.Explain(p.info, time.Now())
	if !holds {
		d.say(finding{Check: p.name, Level: levelFail, Say: strings.Join(lines, "\n"), Do: "ask the camera's owner for an xp2pInfo: xp2p grant create", Code: int(session.BadXP2PInfo)})
		return
	}
	if m == nil {
		d.say(finding{Check: p.name, Level: levelNote, Say: strings.Join(lines, "\n"), Do: "with --rendezvous and --app, or --lan, it would be looked at, too"})
		return
	}
	ctx, cancel := d.bounded()
	defer cancel()
	begin := time.Now()
	var s *session.Service
	var err error
	if d.o.lan != "" {
		s, err = startOnLAN(ctx, m, d.o.lan, session.LANInfo{XP2PInfo: p.info})
	} else {
		s, err = m.StartService(ctx, p.name, session.StreamInfo{XP2PInfo: p.info})
	}
	if err != nil {
		d.failed(p.name, err, "is xp2p camera running, and does it say that it is online?")
		return
	}
	defer s.Close()
	joined := time.Since(begin)
	asked := time.Now()
	st, err := s.StartStream(ctx, session.StreamRequest{Params: p.params})
	if err != nil {
		d.failed(p.name, fmt.Errorf("joined over a %s path, but it gives no stream: %w", s.Path().Path, err), "")
		return
	}
	defer st.Close()
	tracks, err := firstPicture(ctx, st)
	if err != nil {
		d.failed(p.name, fmt.Errorf("joined over a %s path, but no picture comes: %w", s.Path().Path, err), "look at what the camera is fed with (its --input)")
		return
	}
	f := finding{Check: p.name, Level: levelOK, Say: fmt.Sprintf("joined in %v over a %s path; %s, first picture after %v",
		joined.Round(time.Millisecond), s.Path().Path, tracks, time.Since(asked).Round(time.Millisecond))}
	if s.Path().Path == "relay" {
		f.Level, f.Do = levelWarn, "everything goes through the rendezvous' relay: see network above"
	}
	d.say(f)
}

// httpCamera asks an http-flv URL for a picture.
func (d *doctor) httpCamera(p patient) {
	ctx, cancel := d.bounded()
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		d.failed(p.name, err, "")
		return
	}
	asked := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		do := "is the camera switched on, and its address right?"
		if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
			do = "is the name right?"
		}
		d.failed(p.name, err, do)
		return
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		d.failed(p.name, fmt.Errorf("%s answered %s", p.url, res.Status), "is the path of the URL right, and a password in it?")
		return
	}
	tracks, err := firstPicture(ctx, res.Body)
	if err != nil {
		d.failed(p.name, fmt.Errorf("%s gives no picture: %w", p.url, err), "it must be FLV; xp2p camera --input rtsp://… makes it of RTSP")
		return
	}
	d.say(finding{Check: p.name, Level: levelOK, Say: fmt.Sprintf("%s, first picture after %v", tracks, time.Since(asked).Round(time.Millisecond))})
}

// firstPicture reads a stream up to its first key picture, or half a second of sound
// where there are none.
func firstPicture(ctx context.Context, r io.ReadCloser) (tracks string, err error) {
	stop := context.AfterFunc(ctx, func() { r.Close() })
	defer stop()
	in := flv.NewReader(r, flv.Options{})
	var t flv.Tag
	var u demux.Unit
	var seen []string
	var sound time.Duration
	for {
		if err := in.Next(&t, &u); err != nil {
			if ctx.Err() != nil {
				err = errors.New("none within the time limit")
			} else if errors.Is(err, io.EOF) {
				err = errors.New("the stream ended before")
			}
			return "", err
		}
		if u.Kind != demux.Data && !slices.Contains(seen, u.Codec.String()) {
			seen = append(seen, u.Codec.String())
		}
		if u.Kind == demux.Audio && !u.Config {
			if sound == 0 {
				sound = max(u.DTS, 1)
			}
			if u.DTS-sound < 5*time.Second { // pictures may follow
				continue
			}
			return strings.Join(seen, " and ") + " alone", nil
		}
		if u.Kind == demux.Video && u.Key && !u.Config {
			return strings.Join(seen, " and "), nil
		}
	}
}
