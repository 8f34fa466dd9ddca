// SPDX-License-Identifier: LGPL-2.1-or-later

package simulate

import (
	"slices"
	"time"

	"github.com/xp2p/xp2p/swarm/plan"
)

// Result is what a run came to, counted from Config.Warm on.
type Result struct {
	// Offload is the part of the viewers' bytes that they had from each other: 1 less
	// what the source sent for each byte that was to be watched.
	Offload float64
	// Bound is the most that Offload could be: the fluid bound 1 - max(1, N - sum of upload)/N.
	Bound float64
	// Continuity is the part of chunks that were there at most plan.LateLag late.
	Continuity float64
	// Lags are quantiles of the lag of delivered chunks, beyond that of the first that the
	// source could have fed: Lags[i] for i/1000.
	Lags []time.Duration
	// Duplicates is the part of received chunks that were there already.
	Duplicates float64
	// LongestStall is the longest that a player with plan.LateLag in hand stood still.
	LongestStall time.Duration
	// Moves of stripes per viewer and minute, and requests for single chunks as a part of all.
	Moves, Requests, SourceRequests float64
	// Halved: half the viewers left.
	Halved bool
}

// Lag is a quantile, 0 to 1.
func (r *Result) Lag(q float64) time.Duration {
	if len(r.Lags) == 0 {
		return 0
	}
	return r.Lags[min(int(q*float64(len(r.Lags))), len(r.Lags)-1)]
}

// bound is what a swarm could reach if nothing took time: the source sends each byte at
// least once, and what uploads do not cover.
func bound(peers, uploads float64) float64 {
	if peers == 0 {
		return 0
	}
	return 1 - max(1, peers-uploads)/peers
}

// peerResult is a viewer's part.
type peerResult struct {
	before   plan.Stats // when counting began
	expected uint64
	late     uint64
	counting bool
	lastSeq  uint64
}

// histogram of lags, by millisecond up to ten seconds.
const lagBuckets = 10_000

func (w *world) startCounting() {
	for _, v := range w.viewers {
		v.result.before = v.node.Stats()
		v.result.counting = true
	}
	w.result.Lags = make([]time.Duration, lagBuckets) // counts, until finish
}

// settleAfter is how long after its start a viewer is counted: what a viewer sees first is
// as old as the group of pictures.
const settleAfter = 3 * time.Second

func (w *world) delivered(v *viewer, a plan.Action) {
	p, ok := w.source.kept[a.Sequence]
	if !ok {
		return
	}
	v.playing = true
	v.dueAt = p.born + chunkEvery + plan.LateLag + v.delay
	if w.now < w.cfg.Warm || w.now < v.joined+settleAfter {
		v.result.lastSeq = a.Sequence
		return
	}
	lag := w.now - p.born - v.delay - 5*time.Millisecond
	ms := int(max(0, lag).Milliseconds())
	w.result.Lags[min(ms, lagBuckets-1)]++
	v.result.expected++
	if lost := a.Sequence - v.result.lastSeq - 1; v.result.lastSeq != 0 && lost > 0 {
		v.result.expected += lost
		v.result.late += lost
	}
	if lag > plan.LateLag {
		v.result.late++
	}
	v.result.lastSeq = a.Sequence
}

// stall notes how long a player would have stood still.
func (w *world) stall(v *viewer) {
	if v.playing && w.now > w.cfg.Warm && w.now > v.joined+settleAfter && w.now > v.dueAt {
		w.result.LongestStall = max(w.result.LongestStall, w.now-v.dueAt)
	}
}

func (w *world) settle(v *viewer) {
	if w.now < w.cfg.Warm {
		return
	}
	s, b := v.node.Stats(), v.result.before
	w.base.PeerBytes += s.PeerBytes - b.PeerBytes
	w.base.SourceBytes += s.SourceBytes - b.SourceBytes
	w.base.PeerChunks += s.PeerChunks - b.PeerChunks
	w.base.SourceChunks += s.SourceChunks - b.SourceChunks
	w.base.Duplicates += s.Duplicates - b.Duplicates
	w.base.Moves += s.Moves - b.Moves
	w.base.Requests += s.Requests - b.Requests
	w.base.SourceRequests += s.SourceRequests - b.SourceRequests
	w.base.Delivered += v.result.expected
	w.base.Late += v.result.late
}

func (w *world) finish() Result {
	for _, v := range w.viewers {
		w.settle(v)
	}
	r := &w.result
	b := &w.base
	if got := float64(b.PeerBytes + b.SourceBytes); got > 0 {
		r.Offload = 1 - float64(w.source.bytes)/got
	}
	if b.Delivered > 0 {
		r.Continuity = 1 - float64(b.Late)/float64(b.Delivered)
	}
	chunks := float64(b.PeerChunks + b.SourceChunks)
	if chunks > 0 {
		r.Duplicates = float64(b.Duplicates) / (chunks + float64(b.Duplicates))
		r.Requests = float64(b.Requests) / chunks
		r.SourceRequests = float64(b.SourceRequests) / chunks
	}
	r.Moves = float64(b.Moves) / float64(w.cfg.Peers) / (w.cfg.Length - w.cfg.Warm).Minutes()
	r.Lags = quantiles(r.Lags)
	return *r
}

// quantiles turns counts by millisecond into a thousand quantiles.
func quantiles(counts []time.Duration) []time.Duration {
	var total, seen int64
	for _, c := range counts {
		total += int64(c)
	}
	if total == 0 {
		return nil
	}
	out := make([]time.Duration, 0, 1000)
	for ms, c := range counts {
		for seen += int64(c); len(out) < 1000 && seen*1000 > int64(len(out))*total; {
			out = append(out, time.Duration(ms)*time.Millisecond)
		}
	}
	return slices.Clip(out)
}
