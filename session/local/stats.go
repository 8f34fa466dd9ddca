// SPDX-License-Identifier: LGPL-2.1-or-later

package local

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Stats of a camera or a stream of many viewers, since the server was started.
type Stats struct {
	Connected bool   // it has a connection, or players
	Active    int    // requests under way: players, talkers, commands
	Requests  uint64 // so far, of all kinds
	Failed    uint64 // of these, for which it was not reached, or had no room
	SentBytes uint64 // of answers, to whoever asked here

	Many *ManyStats // nil: it is a camera
}

// ManyStats are those of a stream of many viewers (1vN), all players together.
type ManyStats struct {
	PeerBytes, SourceBytes uint64        // received from other viewers, from the source
	LagWorst               time.Duration // beyond what the source alone would have, of the players now
	Continuity             float64       // of the one now that sees least of the stream in time, 0 to 1
}

// Stats reads the counters of all that the server has, by their keys (see Keys).
func (s *Server) Stats() map[string]Stats {
	all := map[string]Stats{}
	for _, c := range s.cameras {
		x := c.traffic.stats()
		x.Connected = c.connected()
		all[c.key] = x
	}
	for _, m := range s.streams {
		x, many := m.traffic.stats(), m.stats()
		x.Connected, x.Many = x.Active > 0, &many
		all[m.key] = x
	}
	return all
}

func (m *many) stats() ManyStats {
	out := ManyStats{Continuity: 1}
	out.PeerBytes, out.SourceBytes, _ = m.flow()
	m.mu.Lock()
	defer m.mu.Unlock()
	for s := range m.viewers {
		if x, ok := s.Swarm(); ok {
			out.LagWorst = max(out.LagWorst, time.Duration(x.LagMS)*time.Millisecond)
			out.Continuity = min(out.Continuity, x.Continuity)
		}
	}
	return out
}

// traffic counts the requests for one camera or stream.
type traffic struct {
	active           atomic.Int64
	requests, failed atomic.Uint64
	bytes            atomic.Uint64
}

func (t *traffic) stats() Stats {
	return Stats{Active: int(t.active.Load()), Requests: t.requests.Load(), Failed: t.failed.Load(), SentBytes: t.bytes.Load()}
}

// count has a request counted; done is its end.
func (t *traffic) count(w http.ResponseWriter) (counted http.ResponseWriter, done func()) {
	t.requests.Add(1)
	t.active.Add(1)
	return &countedWriter{w, t}, func() { t.active.Add(-1) }
}

// countedWriter counts what is written. What else a writer can do http.ResponseController
// finds by Unwrap.
type countedWriter struct {
	http.ResponseWriter
	t *traffic
}

func (w *countedWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.t.bytes.Add(uint64(n))
	return n, err
}

func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
