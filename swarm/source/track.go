// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/xp2p/xp2p/swarm/wire"
)

// serveTrack is the way of what the tracker says to a viewer.
func (m *room) serveTrack(w http.ResponseWriter, r *http.Request) {
	v := m.find(w, r)
	if v == nil {
		return
	}
	if m.cfg.NoTracker || v.id == wire.Source {
		refuse(w, http.StatusNotFound, codeBadArgument, "there is no tracker here, or the viewer has no key")
		return
	}
	j, member, err := readJoin(w, r)
	if err != nil || member.ID != v.id {
		refuse(w, http.StatusBadRequest, codeBadArgument, "the track's body is not that of the join")
		return
	}
	if !m.admit(w, r, j) {
		return
	}
	ctx, cut := context.WithCancel(r.Context())
	defer cut()
	m.mu.Lock()
	if old := m.byID[v.id]; old != nil {
		old.cut() // it came back before we saw it go
	}
	v.out, v.cut = make(chan []byte, maxOut), cut
	m.byID[v.id] = v
	err = m.tracker.Join(member, addressOf(r))
	m.pass()
	m.mu.Unlock()
	defer m.untrack(v)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, codeStreamFailed, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	out := newOutput(w)
	alive := time.NewTicker(beat)
	defer alive.Stop()
	for {
		var b []byte
		select {
		case b = <-v.out:
		case <-alive.C:
			b = wire.AppendList(nil, wire.TypeMissing, nil)
		case <-ctx.Done():
			return
		}
		if out.write(b) != nil {
			return
		}
	}
}

// admit says whether a viewer proves that it has a key of the stream; if not, the request
// is answered.
func (m *room) admit(w http.ResponseWriter, r *http.Request, j wire.Join) bool {
	ok, err := m.s.proved(r.Context(), j)
	switch {
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, codeStreamFailed, err.Error())
	case !ok:
		refuse(w, http.StatusForbidden, codeDecryptFailed, "this stream is sealed, and only who has its key takes part: give the codeUrl that its owner has for you")
	}
	return ok && err == nil
}

// serveProve tells a mirror whether a viewer of its has a key of the stream. Anybody may ask
// for who can show the proofs: they say so themselves when they join.
func (m *room) serveProve(w http.ResponseWriter, r *http.Request) {
	j, _, err := readJoin(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, codeBadArgument, err.Error())
		return
	}
	if m.admit(w, r, j) {
		w.WriteHeader(http.StatusNoContent)
	}
}

// addressOf is where a request comes from.
func addressOf(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

func (m *room) untrack(v *viewer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID[v.id] == v {
		delete(m.byID, v.id)
		m.tracker.Leave(v.id)
		m.pass()
	}
}

// pass gives the tracker's messages to whom they are for. Called with mu held.
func (m *room) pass() {
	for _, msg := range m.tracker.Take() {
		v := m.byID[msg.To]
		if v == nil {
			continue
		}
		if msg.Policy != nil {
			v.say(wire.AppendJSON(nil, wire.TypePolicy, msg.Policy))
		} else {
			v.say(wire.AppendJSON(nil, wire.TypeMembers, msg.Members))
		}
	}
}

// say puts a frame onto the viewer's track. Called with mu held.
func (v *viewer) say(frame []byte) {
	select {
	case v.out <- frame:
	default:
		v.cut() // it does not read
	}
}
