// SPDX-License-Identifier: LGPL-2.1-or-later

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/xp2p/xp2p/session"
)

// maxViewers bounds the players of one stream of many viewers: each keeps up to 20 MiB of
// it for others. The next one is answered with 503.
const maxViewers = 16

// many is a stream of many viewers (1vN; reference/xp2p.md §8). Each player is a viewer of
// its own, so that it begins at a key frame; they have the stream from each other.
type many struct {
	key    string // by which it is found in URLs
	info   session.StreamInfo
	module *session.Module
	log    *slog.Logger
	limit  int // of players

	traffic traffic

	mu               sync.Mutex
	viewers          map[*session.Service]struct{}
	started          int    // so far, which makes ids of services
	opening          int    // that are not among viewers yet
	peers, source    uint64 // bytes of viewers that have left
	download, upload bool   // switches
}

// newMany makes the stream of a Camera with a URL.
func newMany(c Camera, m *session.Module, log *slog.Logger) (*many, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the stream's URL is not one of http or https (https://HOST/live/a.flv)")
	}
	name := c.Name
	if name == "" {
		name = strings.TrimSuffix(path.Base(u.Path), ".flv")
	}
	if name == "" || name == "." || name == "/" || strings.Contains(name, "/") {
		return nil, fmt.Errorf("a stream of %s needs a name for its URL here, without a slash", u.Host)
	}
	return &many{key: name, info: session.StreamInfo{URL: c.URL, CodeURL: c.CodeURL}, module: m, log: log, limit: maxViewers,
		viewers: map[*session.Service]struct{}{}, download: true, upload: true}, nil
}

var errManyViewers = errors.New("as many players as can be have this stream already: end one, or play the source's URL")

// open is one viewer more; leave is its end.
func (m *many) open(ctx context.Context) (st *session.Stream, leave func(), err error) {
	m.mu.Lock()
	if len(m.viewers)+m.opening >= m.limit {
		m.mu.Unlock()
		return nil, nil, errManyViewers
	}
	m.opening++
	m.started++
	id := fmt.Sprintf("%s-%d", m.key, m.started)
	m.mu.Unlock()
	s, err := m.module.StartService(ctx, id, m.info)
	m.mu.Lock()
	m.opening--
	if err == nil {
		m.viewers[s] = struct{}{}
		err = s.SwitchSwarm(m.download, m.upload)
	}
	m.mu.Unlock()
	if s == nil {
		return nil, nil, err
	}
	if err == nil {
		st, err = s.StartStream(ctx, session.StreamRequest{})
	}
	if err != nil {
		m.leave(s)
		return nil, nil, err
	}
	m.log.Info("player joins", "stream", m.key, "path", s.Path().Path)
	return st, func() { m.leave(s) }, nil
}

func (m *many) leave(s *session.Service) {
	stats, _ := s.Swarm()
	s.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.viewers, s)
	m.peers += stats.PeerBytes
	m.source += stats.SourceBytes
}

// flow is what came from other viewers and from the source, of all players.
func (m *many) flow() (peers, source uint64, players int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	peers, source = m.peers, m.source
	for s := range m.viewers {
		stats, _ := s.Swarm()
		peers += stats.PeerBytes
		source += stats.SourceBytes
	}
	return peers, source, len(m.viewers)
}

// turn turns the switches of all players, now and to come.
func (m *many) turn(download, upload bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.download, m.upload = download, upload
	for s := range m.viewers {
		s.SwitchSwarm(download, upload) // fails for plain http-flv alone, which has none
	}
}

// serveMany gives a player a stream of many viewers.
func (s *Server) serveMany(w http.ResponseWriter, r *http.Request, m *many) {
	w.Header().Set("Content-Type", flvType)
	if r.Method == http.MethodHead {
		return
	}
	w, done := m.traffic.count(w)
	defer done()
	st, leave, err := m.open(r.Context())
	if err != nil {
		m.traffic.failed.Add(1)
	}
	if errors.Is(err, errManyViewers) {
		refuse(w, http.StatusServiceUnavailable, int(session.StreamFailed), err.Error())
		return
	}
	if err != nil {
		s.fail(w, r, m.key, err)
		return
	}
	defer leave()
	defer context.AfterFunc(r.Context(), func() { st.Close() })()
	if err := copyBody(w, st); err != nil {
		s.log.Debug("answer broke off", "stream", m.key, "err", err)
		panic(http.ErrAbortHandler) // the player must not take it for the end
	}
}

// serveStat and serveFeature are the reference's (§8), for the streams of many viewers here.

func (s *Server) serveStat(w http.ResponseWriter, r *http.Request) {
	m := s.many[r.URL.Query().Get("xresid")]
	if m == nil {
		refuse(w, http.StatusNotFound, int(session.NoService), "there is no such stream of many viewers here: xresid is its name")
		return
	}
	peers, source, _ := m.flow()
	reply(w, map[string]any{"flow": map[string]uint64{"p2pBytes": peers, "cdnBytes": source}})
}

func (s *Server) serveFeature(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.switching.Lock()
	defer s.switching.Unlock()
	download, upload := s.download, s.upload
	for _, x := range []struct {
		text string
		to   *bool
	}{{q.Get("download"), &download}, {q.Get("upload"), &upload}} {
		switch x.text {
		case "":
		case "0", "1":
			*x.to = x.text == "1"
		default:
			refuse(w, http.StatusBadRequest, int(session.BadArgument), "download and upload are 0 or 1")
			return
		}
	}
	s.download, s.upload = download, upload
	for _, m := range s.many {
		m.turn(download, upload)
	}
	number := map[bool]int{true: 1}
	reply(w, map[string]any{"ret": 0, "msg": "ok", "download": number[download], "upload": number[upload]})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
