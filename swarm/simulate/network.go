// SPDX-License-Identifier: LGPL-2.1-or-later

package simulate

import (
	"container/heap"
	"slices"
	"time"

	"github.com/xp2p/xp2p/swarm/plan"
	"github.com/xp2p/xp2p/swarm/tracker"
	"github.com/xp2p/xp2p/swarm/wire"
)

// event is something that happens.
type event struct {
	at    time.Duration
	order uint64
	do    func()
}

// events is a heap: what comes first, and of the same moment what was planned first.
type events []*event

func (q events) Len() int { return len(q) }
func (q events) Less(i, k int) bool {
	return q[i].at < q[k].at || q[i].at == q[k].at && q[i].order < q[k].order
}
func (q events) Swap(i, k int) { q[i], q[k] = q[k], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(*event)) }
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return e
}

func (w *world) at(at time.Duration, do func()) {
	w.order++
	heap.Push(&w.queue, &event{max(at, w.now), w.order, do})
}

const (
	controlSize = 150 // bytes of a message that is not a chunk
	frameSize   = 160 // of a chunk, beside its payload
)

// run does what a node has decided.
func (w *world) run(v *viewer) {
	for _, a := range slices.Clone(v.node.Take()) {
		switch a.Kind {
		case plan.Deliver:
			w.delivered(v, a)
		case plan.Connect:
			w.connect(v, a.Peer)
		case plan.Ask:
			w.at(w.now+v.delay, func() { w.tracker.Ask(v.id); w.pass() })
		case plan.Disconnect:
			if x := w.byID[a.Peer]; x != nil && v.links[x] {
				delete(v.links, x)
				w.at(w.now+v.delay+x.delay, func() { w.unlink(x, v) })
			}
		case plan.Accuse:
		default:
			if a.Peer == wire.Source {
				w.toSource(v, a)
			} else if x := w.byID[a.Peer]; x != nil && v.links[x] {
				w.toPeer(v, x, a)
			}
		}
	}
}

// connect makes a link, which takes a few round trips, or finds that there can be none.
func (w *world) connect(v *viewer, id wire.PeerID) {
	x := w.byID[id]
	if x == nil || !tracker.CanMeet(v.nat, x.nat) {
		w.at(w.now+5*time.Second, func() {
			if !v.gone {
				v.node.LinkDown(w.now, id)
				w.run(v)
			}
		})
		return
	}
	rtt := 2 * (v.delay + x.delay)
	w.at(w.now+3*rtt+50*time.Millisecond, func() {
		if v.gone {
			return
		}
		if v.links[x] {
			return // the other began one meanwhile
		}
		if x.gone || !x.node.Room(v.id) {
			v.node.LinkDown(w.now, id)
			w.run(v)
			return
		}
		v.links[x], x.links[v] = true, true
		v.node.LinkUp(w.now, x.id, true, rtt)
		x.node.LinkUp(w.now, v.id, false, rtt)
		w.run(v)
		w.run(x)
	})
}

func (w *world) toSource(v *viewer, a plan.Action) {
	w.at(w.now+v.delay+5*time.Millisecond, func() {
		fed := w.source.fed[v]
		if v.gone || fed == nil {
			return
		}
		switch a.Kind {
		case plan.Subscribe:
			fed[a.Stripe] = feed{on: true, from: a.Sequence}
			for seq := max(a.Sequence, w.source.first); seq < w.source.seq; seq++ {
				if int(seq%4) == a.Stripe {
					w.source.send(v, seq)
				}
			}
		case plan.Unsubscribe:
			f := &fed[a.Stripe]
			if f.until = a.Sequence; a.Sequence <= w.source.seq {
				*f = feed{}
			}
		case plan.Request:
			var missing []uint64
			for _, seq := range a.List {
				if seq >= w.source.seq || seq < w.source.first {
					missing = append(missing, seq)
					continue
				}
				w.source.send(v, seq)
			}
			if len(missing) > 0 {
				w.at(w.now+v.delay+5*time.Millisecond, func() { v.node.Lacks(w.now, wire.Source, missing) })
			}
		}
	})
}

// toPeer sends a message over a viewer's line.
func (w *world) toPeer(v, x *viewer, a plan.Action) {
	size := controlSize
	var p piece
	if a.Kind == plan.Send {
		p = w.source.kept[a.Sequence]
		size = p.size + frameSize
	}
	depart := w.now
	if v.rate > 0 {
		depart = max(v.free, w.now) + time.Duration(float64(size)/v.rate*float64(time.Second))
		if a.Kind == plan.Send {
			v.free = depart // small messages go between
		} else {
			depart = w.now
		}
	}
	arrive := depart + v.delay + x.delay
	if a.Kind == plan.Send && w.rng.Float64() < w.cfg.Loss {
		arrive += 2*(v.delay+x.delay) + 10*time.Millisecond
	}
	if a.Kind == plan.Send {
		bytes := p.size
		w.at(depart, func() {
			if !v.gone {
				v.node.Sent(w.now, bytes)
			}
		})
	}
	w.at(arrive, func() {
		if x.gone || v.gone && w.cfg.Crash || !x.links[v] {
			return
		}
		switch a.Kind {
		case plan.Send:
			if p.size > 0 {
				w.arrive(x, v.id, a.Sequence, p)
			}
			return
		case plan.Subscribe:
			x.node.Subscribed(w.now, v.id, a.Stripe, a.Sequence)
		case plan.Unsubscribe:
			x.node.Unsubscribed(w.now, v.id, a.Stripe, a.Sequence)
		case plan.Answer:
			x.node.Answered(w.now, v.id, a.Stripe, a.Code)
		case plan.Request:
			x.node.Requested(w.now, v.id, a.List)
		case plan.Missing:
			x.node.Lacks(w.now, v.id, a.List)
		case plan.SendMap:
			x.node.Map(w.now, v.id, a.Map)
		}
		w.run(x)
	})
}

// arrive gives a chunk to a node.
func (w *world) arrive(v *viewer, from wire.PeerID, seq uint64, p piece) {
	if v.gone {
		return
	}
	if v.epoch == 0 {
		v.epoch = epochFirst
		v.node.Epoch(w.now, epochFirst, epochFirst)
	}
	v.node.Chunk(w.now, from, seq, p.dts, p.size, p.key)
	w.run(v)
}
