// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"

	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/swarm/peer"
	"github.com/xp2p/xp2p/swarm/plan"
)

// many is a service's part in a stream of many viewers (1vN; reference/xp2p.md §1, §8).
// Such a service has one stream and no camera to talk to: what comes, comes from the
// stream's source and from its other viewers.
type many struct {
	url, codeURL string

	mu sync.Mutex
	// joined waits for StartStream: a service that was just started has joined already.
	joined   *manyBody
	current  *peer.Peer // of the stream that goes on; nil: none, or plain http-flv
	path     string     // viaSwarm or viaHTTP, as the stream was opened last; "": not yet
	download bool       // switches
	upload   bool
}

// Paths of a stream that no camera's link carries.
const (
	viaSwarm = "swarm"
	viaHTTP  = "http" // plain http-flv
)

// errNoCamera is the answer to what a stream of many viewers cannot do.
var errNoCamera = errors.New("this is a stream of many viewers (1vN), which has no camera to talk to: start a service with the camera's xp2pInfo")

// manyBody is the body of such a stream and the socket that was opened for it.
type manyBody struct {
	io.ReadCloser
	peer *peer.Peer
	sock *link.Socket // nil: the module's
	once sync.Once
}

func (b *manyBody) Close() error {
	err := b.ReadCloser.Close()
	b.once.Do(func() { err = errors.Join(err, b.closeSocket()) })
	return err
}

func (b *manyBody) closeSocket() error {
	sock := b.sock
	if b.sock = nil; sock == nil {
		return nil
	}
	return sock.Close()
}

// SwarmStats says how a service takes part in a stream of many viewers, since its stream
// was started.
type SwarmStats struct {
	PeerBytes   uint64 `json:"p2pBytes"`   // received from other viewers
	SourceBytes uint64 `json:"cdnBytes"`   // received from the source
	SentBytes   uint64 `json:"sentBytes"`  // to other viewers
	Links       int    `json:"links"`      // to other viewers
	FromPeers   int    `json:"from-peers"` // of the four stripes, those that other viewers feed
	// Parents are who feeds each stripe: "source", a viewer by 16 hex digits, or "" for nobody.
	Parents    [4]string `json:"parents"`
	LagMS      int64     `json:"lag-ms"`     // beyond what the source alone would have
	Continuity float64   `json:"continuity"` // part of the stream that came in time, 0 to 1
	Forged     uint64    `json:"forged"`     // what the source had not signed, and was dropped
	Duplicates uint64    `json:"duplicates"` // chunks that came twice
	Source     bool      `json:"source"`     // the source is reached
	Download   bool      `json:"download"`   // the switches
	Upload     bool      `json:"upload"`
}

// Swarm says how the service's stream of many viewers is doing; false: it has none, or
// what is at its URL is plain http-flv.
func (s *Service) Swarm() (SwarmStats, bool) {
	m := s.manyNow()
	if m == nil {
		return SwarmStats{}, false
	}
	m.mu.Lock()
	p := m.current
	m.mu.Unlock()
	if p == nil {
		return SwarmStats{}, false
	}
	st := p.Stats()
	out := SwarmStats{PeerBytes: st.PeerBytes, SourceBytes: st.SourceBytes, SentBytes: st.SentBytes, Links: st.Links, FromPeers: st.FromPeers(),
		LagMS: st.Lag.Milliseconds(), Continuity: 1, Forged: st.Forged, Duplicates: st.Duplicates, Source: st.SourceStands, Download: st.Download, Upload: st.Upload}
	for i, p := range st.Parents {
		if p != plan.Nobody {
			out.Parents[i] = p.String()
		}
	}
	if n := st.Delivered + st.Lost; n > 0 {
		out.Continuity = 1 - float64(st.Late+st.Lost)/float64(n)
	}
	return out, true
}

// SwitchSwarm turns taking from other viewers of a stream of many, and giving to them, on
// or off, now and for streams to come: the reference's /feature (§8). The error has the
// code NotSupported where the service's stream is a camera's.
func (s *Service) SwitchSwarm(download, upload bool) error {
	m := s.manyNow()
	if m == nil {
		return &Error{"feature", NotSupported, errors.New("the stream is one camera's, not one of many viewers")}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.download, m.upload = download, upload
	if m.current != nil {
		m.current.Switch(download, upload)
	}
	if m.joined != nil && m.joined.peer != nil {
		m.joined.peer.Switch(download, upload)
	}
	return nil
}

func (s *Service) manyNow() *many {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.many
}

// startMany starts a service for a stream of many viewers: it joins the swarm.
func (m *Module) startMany(ctx context.Context, id string, info StreamInfo) (*Service, error) {
	const op = "startP2PService"
	if info.XP2PInfo != "" {
		return nil, &Error{op, BadArgument, errors.New("an xp2pInfo is one camera's, and the URL is that of a stream of many viewers: give either")}
	}
	u, err := url.Parse(info.URL)
	if err != nil || u.Host == "" {
		return nil, &Error{op, BadArgument, errors.New("the stream URL cannot be read (https://HOST/live/a.flv)")}
	}
	s := newService(m, id, info, nil, "")
	s.many = &many{url: info.URL, codeURL: info.CodeURL, download: true, upload: true}
	return m.begin(ctx, op, s)
}

// joinMany joins the swarm, for StartStream to take over.
func (s *Service) joinMany(ctx context.Context, op string, m *many) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.m.cfg.ConnectTimeout, fmt.Errorf("the stream's source was not reached within %s", s.m.cfg.ConnectTimeout))
	defer cancel()
	b, err := s.openMany(ctx, m)
	if err != nil {
		return &Error{op, manyCode(err), err}
	}
	m.mu.Lock()
	old := m.joined
	m.joined = b
	m.mu.Unlock()
	if old != nil {
		old.Close()
	}
	s.events.notify(Connected, m.pathDetail())
	return nil
}

// pathDetail is where the stream comes from, as far as it was opened.
func (m *many) pathDetail() PathDetail {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.path == "" {
		return PathDetail{}
	}
	return PathDetail{Path: m.path, Remote: hostOf(m.url)}
}

// opened notes where the stream comes from now.
func (m *many) opened(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.path = path
}

// hostOf is the part of a URL that may be shown: the rest may hold a code.
func hostOf(s string) string {
	if u, err := url.Parse(s); err == nil {
		return u.Host
	}
	return ""
}

// openMany joins the swarm at the URL or, where there is none, opens plain http-flv.
func (s *Service) openMany(ctx context.Context, m *many) (*manyBody, error) {
	b := &manyBody{}
	sock := s.m.sock
	if !usable(sock, m.url) {
		var err error
		if sock, err = link.Listen(link.SocketConfig{Logger: s.m.cfg.Logger}); err != nil {
			return nil, err
		}
		b.sock = sock
	}
	// A key of its own for every stay: two of this module's services may view one stream,
	// and strangers need not know the viewer again.
	id, err := link.NewIdentity()
	if err != nil {
		return nil, errors.Join(err, b.closeSocket())
	}
	m.mu.Lock()
	download, upload := m.download, m.upload
	m.mu.Unlock()
	p, err := peer.Start(ctx, peer.Config{URL: m.url, CodeURL: m.codeURL, Socket: sock, Identity: id, Servers: s.m.iceServers, NAT: s.m.NAT().Kind,
		RelayOnly: s.m.cfg.RelayOnly, MaxUpload: s.m.cfg.MaxUpload, NoDownload: !download, NoUpload: !upload, OnEvent: s.swarmEvent, Logger: s.log})
	if err == nil {
		b.peer, b.ReadCloser = p, p
		m.opened(viaSwarm)
		return b, nil
	}
	if closeErr := b.closeSocket(); closeErr != nil || !errors.Is(err, peer.ErrNotSwarm) {
		return nil, errors.Join(err, closeErr)
	}
	s.log.Info("no swarm at the URL: plain http-flv", "host", hostOf(m.url))
	if b.ReadCloser, err = openPlain(ctx, m.url); err != nil {
		return nil, err
	}
	m.opened(viaHTTP)
	return b, nil
}

// usable says whether viewers elsewhere can be reached by the module's socket, which is on
// loopback where the module meets cameras on this machine alone.
func usable(sock *link.Socket, streamURL string) bool {
	if !sock.LocalAddr().IP.IsLoopback() {
		return true
	}
	u, err := url.Parse(streamURL)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback() || u.Hostname() == "localhost"
}

// iceServers are the rendezvous' STUN and TURN servers; none where it does not answer.
func (m *Module) iceServers(ctx context.Context) (l []link.Server) {
	if m.rv == nil {
		return nil
	}
	servers, err := m.rv.Servers(ctx)
	if err != nil {
		return nil
	}
	for _, s := range servers {
		l = append(l, link.Server(s))
	}
	return l
}

// openPlain gets an http-flv stream. ctx bounds the call alone.
func openPlain(ctx context.Context, streamURL string) (io.ReadCloser, error) {
	run, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, cancel)
	tr := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{}).DialContext, DisableCompression: true}
	b := &plainBody{cancel: cancel, transport: tr}
	req, err := http.NewRequestWithContext(run, http.MethodGet, streamURL, nil)
	var res *http.Response
	if err == nil {
		res, err = (&http.Client{Transport: tr}).Do(req)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the URL may hold a password
	}
	if err == nil {
		b.ReadCloser = res.Body
		if res.StatusCode != http.StatusOK {
			err = fmt.Errorf("the server answered %s", res.Status)
		}
	}
	if err == nil && !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

type plainBody struct {
	io.ReadCloser // nil: none yet
	cancel        context.CancelFunc
	transport     *http.Transport
}

func (b *plainBody) Close() (err error) {
	b.cancel()
	if b.ReadCloser != nil {
		err = b.ReadCloser.Close()
	}
	b.transport.CloseIdleConnections()
	return err
}

// streamMany opens the service's stream of many viewers.
func (s *Service) streamMany(ctx context.Context, op string, m *many) (*http.Response, error) {
	u, err := url.Parse(m.url)
	if err != nil {
		return nil, &Error{op, BadArgument, errors.New("the stream URL cannot be read")}
	}
	s.events.notify(Request, RequestDetail{http.MethodGet, u.Path})
	m.mu.Lock()
	b := m.joined
	m.joined = nil
	m.mu.Unlock()
	if b == nil {
		c, cancel := context.WithTimeoutCause(ctx, s.m.cfg.ConnectTimeout, fmt.Errorf("the stream's source was not reached within %s", s.m.cfg.ConnectTimeout))
		defer cancel()
		if b, err = s.openMany(c, m); err != nil {
			return nil, &Error{op, manyCode(err), err}
		}
	}
	m.mu.Lock()
	m.current = b.peer
	m.mu.Unlock()
	h := http.Header{"Content-Type": {"video/x-flv"}}
	s.events.notify(Parsed, ParsedDetail{http.StatusOK, h})
	return &http.Response{StatusCode: http.StatusOK, Header: h, Body: b}, nil
}

// manyCode is the result code for a failure to join, or to go on with, a stream of many viewers.
func manyCode(err error) Code {
	var refused *peer.Refusal
	switch {
	case errors.Is(err, peer.ErrSealed):
		return DecryptFailed
	case errors.As(err, &refused):
		return Code(refused.Code)
	}
	return StreamFailed
}

// swarmEvent makes events of the swarm's lines of the log; what a viewer does about a
// lost source it does by itself.
func (s *Service) swarmEvent(e peer.Event) {
	switch e.Kind {
	case peer.SourceLost:
		s.events.notify(Reconnecting, ReconnectDetail{Attempt: 1, Reason: "the way to the stream's source broke: " + e.Reason, Code: StreamFailed})
	case peer.SourceFound:
		s.events.notify(Connected, PathDetail{Path: viaSwarm})
	case peer.Polluter:
		s.log.Warn("a viewer sent what the source has not signed, and was dropped", "viewer", e.Peer, "err", e.Reason)
	}
}

// endMany leaves the swarm.
func (s *Service) endMany() {
	m := s.manyNow()
	if m == nil {
		return
	}
	m.mu.Lock()
	b := m.joined
	m.joined, m.current = nil, nil
	m.mu.Unlock()
	if b != nil {
		b.Close()
	}
}

// renewMany follows a change of network.
func (m *many) renew() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != nil {
		m.current.Reset()
	}
}
