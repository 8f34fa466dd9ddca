// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/tracker"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// beat is how often a stream of frames says that it is alive, by a frame without
	// meaning where there is none with.
	beat = 5 * time.Second
	// maxTell bounds what a viewer says at once, in bytes.
	maxTell = 64 << 10
	// maxOut bounds the frames that wait for a viewer's track; with more it is cut off,
	// and comes again.
	maxOut       = 512
	balanceEvery = 5 * time.Second
)

// room is the viewers of a stream that are of its swarm (the reference's word).
type room struct {
	s   *stream
	cfg *Config

	mu      sync.Mutex // guards all below and the viewers' fields
	tracker *tracker.Tracker
	viewers map[string]*viewer      // by token
	mirrors map[*viewer]*mirrored   // of the viewers those that are other sources
	fellows []*mirrored             // sources that lead the stream by turns with this one
	byID    map[wire.PeerID]*viewer // those with a track

	p2p      uint64 // bytes that viewers had from each other
	polluted uint64 // times that a viewer met one that sent what was not signed
}

// viewer is one that joined.
type viewer struct {
	cursor
	token  string
	id     wire.PeerID
	member wire.Member
	out    chan []byte // frames of the tracker
	cut    func()      // ends the track
	p2p    uint64      // as it reported last
	bad    uint64      // likewise, how many it dropped

	base uint64 // bytes of the stream that were gone when it joined
	talk talk

	reported   bool
	lag        time.Duration
	continuity float64
}

func newRoom(s *stream, cfg *Config) *room {
	return &room{s: s, cfg: cfg, viewers: map[string]*viewer{}, mirrors: map[*viewer]*mirrored{}, byID: map[wire.PeerID]*viewer{},
		tracker: tracker.New(tracker.Config{MaxMembers: cfg.MaxViewers, Rand: newRand()})}
}

func (m *room) run(ctx context.Context) {
	t := time.NewTicker(balanceEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			m.mu.Lock()
			m.tracker.Balance()
			m.pass()
			m.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// readJoin reads what a viewer says of itself.
func readJoin(w http.ResponseWriter, r *http.Request) (wire.Join, wire.Member, error) {
	var j wire.Join
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxJoin))
	if err == nil {
		err = json.Unmarshal(b, &j)
	}
	if err != nil {
		return j, wire.Member{}, fmt.Errorf("the body is not a wire.Join: %w", err)
	}
	m := wire.Member{Pin: j.Pin, NAT: j.NAT, Slots: j.Slots}
	if j.Pin != "" {
		pin, err := link.ParsePin(j.Pin)
		if err != nil {
			return j, m, err
		}
		m.ID = wire.IDOfPin(pin)
	}
	if len(j.NAT) > 32 || j.Stripes >= 1<<chunk.Stripes {
		return j, m, errors.New("the join names no such NAT or stripes")
	}
	return j, m, nil
}

// serveJoin is the way of a viewer's frames from the source.
func (m *room) serveJoin(w http.ResponseWriter, r *http.Request, owner bool) {
	j, member, err := readJoin(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, codeBadArgument, err.Error())
		return
	}
	v := &viewer{token: rand.Text(), id: member.ID, member: member, cursor: cursor{fresh: make(chan struct{}, 1)}}
	_, v.base = m.s.hub.bytes()
	if j.Mirror != "" {
		if err := checkMirror(j, owner); err != nil {
			refuse(w, http.StatusForbidden, codeBadArgument, err.Error())
			return
		}
	} else if to := m.direct(j, r); to != "" {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		return
	}
	if m.s.mirror != nil {
		m.s.mirror.from.Store(j.From)
	}
	announces := j.Mirror != "" && j.Stripes == 0
	if announces {
		m.enter(v, j.Mirror)
	} else {
		leave, err := m.s.enter()
		if err != nil {
			refuse(w, http.StatusServiceUnavailable, codeStreamFailed, err.Error())
			return
		}
		defer leave()
		m.enter(v, "")
	}
	defer m.forget(v)
	id, err := m.s.awaitIdentity(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, codeStreamFailed, err.Error())
		return
	}
	from := j.From
	if from == 0 && !announces {
		if from, err = m.s.awaitStart(r.Context()); err != nil {
			refuse(w, http.StatusServiceUnavailable, codeStreamFailed, err.Error())
			return
		}
	}
	for s := range chunk.Stripes {
		if j.Stripes>>s&1 != 0 {
			m.s.hub.subscribe(&v.cursor, s, from)
		}
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := newOutput(w)
	told := m.others(id)
	buf := wire.AppendJSON(nil, wire.TypeWelcome, wire.Welcome{Stream: m.s.name, Key: id.key, Token: v.token, STUN: slices.Concat(m.cfg.STUN, id.stun),
		NoTracker: m.cfg.NoTracker, Sealed: m.s.code() != "" || id.sealed, Sources: told})
	alive := time.NewTicker(beat)
	defer alive.Stop()
	for {
		var chunks int
		var fresh <-chan struct{}
		buf, chunks, fresh = m.s.hub.take(buf, &v.cursor)
		if len(buf) > 0 {
			if out.write(buf) != nil {
				return
			}
			m.s.sent.Add(uint64(chunks))
			buf = buf[:0]
			continue
		}
		select {
		case <-fresh:
		case <-v.fresh:
		case <-alive.C:
			if now := m.others(m.s.identity()); !slices.Equal(now, told) {
				told = now
				buf = wire.AppendJSON(buf, wire.TypeSources, now)
			} else {
				buf = wire.AppendList(buf, wire.TypeMissing, nil)
			}
		case <-r.Context().Done():
			return
		}
	}
}

func (m *room) forget(v *viewer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.viewers, v.token)
	delete(m.mirrors, v)
	if v.cut != nil {
		v.cut()
	}
}

// find is the viewer with the request's token; nil, and the request is answered: there
// is none.
func (m *room) find(w http.ResponseWriter, r *http.Request) *viewer {
	m.mu.Lock()
	v := m.viewers[r.URL.Query().Get("token")]
	m.mu.Unlock()
	if v == nil {
		refuse(w, http.StatusForbidden, codeBadArgument, "the token is not (or no longer) a viewer's: join first")
	}
	return v
}

// serveTell takes what a viewer says.
func (m *room) serveTell(w http.ResponseWriter, r *http.Request) {
	v := m.find(w, r)
	if v == nil {
		return
	}
	frames := wire.NewReader(http.MaxBytesReader(w, r.Body, maxTell))
	for {
		t, body, err := frames.Next()
		if errors.Is(err, io.EOF) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if err == nil {
			err = m.hear(v, t, body)
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, codeBadArgument, err.Error())
			return
		}
	}
}

func (m *room) hear(v *viewer, t wire.Type, body []byte) error {
	switch t {
	case wire.TypeSubscribe:
		stripe, from, err := wire.ParseSubscription(body)
		if err == nil {
			m.s.hub.subscribe(&v.cursor, stripe, from)
		}
		return err
	case wire.TypeUnsubscribe:
		stripe, until, err := wire.ParseSubscription(body)
		if err == nil {
			m.s.hub.unsubscribe(&v.cursor, stripe, until)
		}
		return err
	case wire.TypeRequest:
		l, err := wire.ParseList(body)
		if err == nil {
			m.s.asked.Add(uint64(len(l)))
			m.s.hub.request(&v.cursor, l)
		}
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if x := m.mirrors[v]; x != nil && t == wire.TypeReport {
		return x.hear(body)
	}
	if m.byID[v.id] != v {
		return nil // it has no track: the tracker does not know it
	}
	switch t {
	case wire.TypeSignal:
		if !v.talk.signal(time.Now()) {
			return nil // whom it floods would be cut off
		}
		return m.signal(v, body)
	case wire.TypeReport:
		var rep wire.Report
		if err := wire.ParseJSON(body, &rep); err != nil {
			return err
		}
		m.note(v, &rep)
		m.tracker.Report(v.id, &rep)
		m.pass()
	case wire.TypeAsk:
		if v.talk.ask(time.Now()) {
			m.tracker.Ask(v.id)
			m.pass()
		}
	}
	return nil
}

// signal passes one on. Called with mu held.
func (m *room) signal(v *viewer, body []byte) error {
	var s wire.Signal
	if err := wire.ParseJSON(body, &s); err != nil {
		return err
	}
	to := m.byID[s.Peer]
	if to == nil || !m.tracker.Has(v.id) || len(body) > wire.MaxSignal {
		return nil // it has gone meanwhile; the sender's link times out
	}
	s.Peer, s.Pin = v.id, v.member.Pin
	to.say(wire.AppendJSON(nil, wire.TypeSignal, s))
	return nil
}
