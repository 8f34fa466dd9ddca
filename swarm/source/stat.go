// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"net/http"
	"strings"
	"time"

	"github.com/xp2p/xp2p/internal/bearer"
)

// Stats of a stream since the source was started.
type Stats struct {
	Viewers     int    // of all kinds, now
	Members     int    // of the swarm, as the tracker knows them
	Mirrors     int    // other sources of the stream that are known here
	Leads       bool   // this source cuts and signs the stream
	SourceBytes uint64 // sent to viewers
	PeerBytes   uint64 // that viewers had from each other, by their own account
	Pulls       uint64 // connections to the origin
	OriginBytes uint64 // received from it
	Asked       uint64 // chunks that viewers missed and asked for

	// By the members' own account: how often one dropped another that sent what the source
	// had not signed; how late chunks come beyond what the source alone would be, in the
	// mean of all members and at the worst; and the mean part of chunks that came in time.
	Polluted          uint64
	LagMean, LagWorst time.Duration
	Continuity        float64
}

// Stats reads the counters of the stream with a path; false: there is none.
func (s *Source) Stats(path string) (Stats, bool) {
	st := s.streams[path]
	if st == nil {
		return Stats{}, false
	}
	out := Stats{SourceBytes: st.sent.Load(), Pulls: st.pulls.Load(), OriginBytes: st.took.Load(), Asked: st.asked.Load(), Continuity: 1}
	st.mu.Lock()
	out.Viewers = st.viewers
	st.mu.Unlock()
	out.Leads = st.group.leads() && (st.group != nil || st.mirror == nil)
	st.room.account(&out)
	st.room.mu.Lock()
	out.Members, out.Mirrors, out.PeerBytes = st.room.tracker.Len(), len(st.room.mirrors)+len(st.room.fellows), st.room.p2p
	st.room.mu.Unlock()
	return out, true
}

// serveStat is the reference's statistics of a stream, which may be named by its path
// with or without the slash in front and the ending.
func (s *Source) serveStat(w http.ResponseWriter, r *http.Request) {
	name := "/" + strings.TrimPrefix(r.URL.Query().Get("xresid"), "/")
	stats, ok := s.Stats(name)
	if !ok {
		stats, ok = s.Stats(name + ".flv")
	}
	if !ok {
		refuse(w, http.StatusNotFound, codeBadArgument, "there is no such stream here: xresid is its path")
		return
	}
	reply(w, http.StatusOK, map[string]any{"flow": map[string]uint64{"p2pBytes": stats.PeerBytes, "cdnBytes": stats.SourceBytes}})
}

// serveFeature is the reference's switches, here for all viewers of the source.
func (s *Source) serveFeature(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	change := q.Has("download") || q.Has("upload")
	if change && !bearer.FromOwner(r, s.cfg.Token) {
		refuse(w, http.StatusUnauthorized, codeBadArgument, "the switches are for the source's owner: the token is missing or wrong")
		return
	}
	s.mu.Lock()
	download, upload := s.download, s.upload
	ok := readSwitch(q.Get("download"), &download) && readSwitch(q.Get("upload"), &upload)
	if ok {
		s.download, s.upload = download, upload
	}
	s.mu.Unlock()
	if !ok {
		refuse(w, http.StatusBadRequest, codeBadArgument, "download and upload are 0 or 1")
		return
	}
	if change {
		for _, st := range s.streams {
			st.room.mu.Lock()
			st.room.tracker.Switch(download, upload)
			st.room.pass()
			st.room.mu.Unlock()
		}
	}
	reply(w, http.StatusOK, map[string]any{"ret": 0, "msg": "ok", "download": number(download), "upload": number(upload)})
}

func readSwitch(s string, to *bool) bool {
	switch s {
	case "":
	case "0", "1":
		*to = s == "1"
	default:
		return false
	}
	return true
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
