// SPDX-License-Identifier: LGPL-2.1-or-later

// Package simulate runs the viewers of a swarm, ten or ten thousand, in simulated time:
// each is the very plan.Node that swarm/peer runs on real links, the tracker the very
// tracker.Tracker of the source. Only the network is made up: every viewer has a line
// with a rate and a queue, a delay to every other, packet loss as delay (links repeat
// what is lost), and a NAT through which some pairs cannot meet.
//
// A run follows from its Config alone.
package simulate

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/plan"
	"github.com/xp2p/xp2p/swarm/tracker"
	"github.com/xp2p/xp2p/swarm/wire"
)

// Config is a swarm and what happens to it. It is copied.
type Config struct {
	Seed  uint64
	Peers int
	// Rate of the stream, bytes/s; 0: 250,000 (2 Mbit/s).
	Rate float64
	// Upload of a peer as a multiple of Rate, drawn with equal chance from the list;
	// empty: 1.4. FreeRiders is the part of peers that upload nothing.
	Upload     []float64
	FreeRiders float64
	// Symmetric is the part of peers behind a symmetric NAT.
	Symmetric float64
	// Delay of a viewer's line, one way: drawn between the two; 0: 5 and 30 ms.
	MinDelay, MaxDelay time.Duration
	// Loss is the probability that a chunk meets a lost packet and waits for its repetition.
	Loss float64
	// Join is the time in which the peers come; 0: 10 s.
	Join time.Duration
	// Churn is the part of peers that leaves in a minute; another comes for each.
	Churn float64
	// Crash: those that leave do so without a word, and are missed Missed later; 0: 2 s.
	Crash  bool
	Missed time.Duration
	// HalfLeaves at this time, all at once, for good; 0: never.
	HalfLeaves time.Duration
	// Warm is when counting begins, Length when the run ends; 0: 30 s and 90 s.
	Warm, Length time.Duration
}

func (c Config) withDefaults() Config {
	if c.Rate == 0 {
		c.Rate = 250_000
	}
	if len(c.Upload) == 0 {
		c.Upload = []float64{1.4}
	}
	for d, v := range map[*time.Duration]time.Duration{&c.MaxDelay: 30 * time.Millisecond, &c.Join: 10 * time.Second, &c.Missed: 2 * time.Second,
		&c.Warm: 30 * time.Second, &c.Length: 90 * time.Second} {
		if *d == 0 {
			*d = v
		}
	}
	if c.MinDelay == 0 {
		c.MinDelay = 5 * time.Millisecond
	}
	return c
}

// viewer is one peer.
type viewer struct {
	id    wire.PeerID
	node  *plan.Node
	nat   string
	rate  float64 // upload, bytes/s
	delay time.Duration
	free  time.Duration // when its line is free again
	gone  bool
	links map[*viewer]bool
	epoch uint64 // first sequence that it was told of

	joined  time.Duration
	playing bool
	dueAt   time.Duration // when the next chunk is missed by a player
	result  peerResult
}

// world is a run.
type world struct {
	cfg     Config
	rng     *rand.Rand
	now     time.Duration
	queue   events
	order   uint64
	viewers []*viewer // present
	byID    map[wire.PeerID]*viewer
	tracker *tracker.Tracker
	source  origin
	nextID  uint64
	result  Result
	base    plan.Stats
}

// Run runs a swarm. The error is that of ctx, which ends the run.
func Run(ctx context.Context, cfg Config) (Result, error) {
	cfg = cfg.withDefaults()
	w := &world{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x5eed)), byID: map[wire.PeerID]*viewer{}}
	w.tracker = tracker.New(tracker.Config{Rand: w.rng, MaxMembers: 1 << 30})
	w.source.begin(w)
	uploads := 0.0
	for i := range cfg.Peers {
		at := time.Duration(w.rng.Int64N(int64(cfg.Join)))
		up := cfg.Upload[w.rng.IntN(len(cfg.Upload))]
		if float64(i) < cfg.FreeRiders*float64(cfg.Peers) {
			up = 0
		}
		uploads += up
		w.at(at, func() { w.join(up) })
	}
	w.result.Bound = bound(float64(cfg.Peers), uploads)
	if cfg.Churn > 0 {
		every := time.Duration(float64(time.Minute) / (cfg.Churn * float64(cfg.Peers)))
		for at := cfg.Join + time.Second; at < cfg.Length; at += every {
			w.at(at, w.churn)
		}
	}
	if cfg.HalfLeaves > 0 {
		w.at(cfg.HalfLeaves, w.halve)
	}
	for at := time.Second; at < cfg.Length; at += 5 * time.Second {
		w.at(at, func() { w.tracker.Balance(); w.pass() })
	}
	w.at(cfg.Warm, w.startCounting)
	for n := 0; len(w.queue) > 0; n++ {
		if n%lookEvery == 0 && ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		e := heap.Pop(&w.queue).(*event)
		if e.at > cfg.Length {
			break
		}
		w.now = e.at
		e.do()
	}
	return w.finish(), nil
}

// lookEvery is how many events pass between two looks at the context.
const lookEvery = 10_000

func (w *world) join(up float64) {
	w.nextID++
	x := w.nextID
	v := &viewer{id: wire.PeerID(mix(x + w.cfg.Seed<<32)), rate: up * w.cfg.Rate, joined: w.now, links: map[*viewer]bool{},
		delay: w.cfg.MinDelay + time.Duration(w.rng.Int64N(int64(w.cfg.MaxDelay-w.cfg.MinDelay)+1)), nat: "endpoint-independent"}
	if w.rng.Float64() < w.cfg.Symmetric {
		v.nat = "symmetric"
	}
	limit := v.rate
	if limit == 0 {
		limit = 1 // nothing: 0 would be unknown
	}
	v.node = plan.New(plan.Config{Self: v.id, MaxUpload: limit, NoUpload: up == 0, Window: 256,
		Rand: rand.New(rand.NewPCG(w.cfg.Seed, x))})
	w.viewers = append(w.viewers, v)
	w.byID[v.id] = v
	rtt := 2 * v.delay
	w.at(w.now+rtt, func() { // the source's answer
		if v.gone {
			return
		}
		v.node.Source(w.now, true)
		w.source.join(v)
		slots, _ := v.node.Slots()
		w.tracker.Join(wire.Member{ID: v.id, Pin: "x", NAT: v.nat, Slots: slots}, netip.Addr{})
		w.pass()
		w.run(v)
	})
	first := w.now + time.Duration(w.rng.Int64N(int64(plan.TickEvery)))
	w.at(first, func() { w.tick(v) })
	w.at(w.now+3*time.Second, func() { w.report(v) })
}

// mix spreads consecutive numbers over all bits (the finaliser of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (w *world) tick(v *viewer) {
	if v.gone {
		return
	}
	v.node.Tick(w.now)
	w.run(v)
	w.stall(v)
	w.at(w.now+plan.TickEvery, func() { w.tick(v) })
}

func (w *world) report(v *viewer) {
	if v.gone {
		return
	}
	all, used := v.node.Slots()
	w.tracker.Report(v.id, &wire.Report{Slots: all, Used: used})
	w.pass()
	w.at(w.now+3*time.Second, func() { w.report(v) })
}

// pass gives the tracker's messages to whom they are for.
func (w *world) pass() {
	for _, m := range w.tracker.Take() {
		v := w.byID[m.To]
		if v == nil {
			continue
		}
		w.at(w.now+v.delay, func() {
			if v.gone {
				return
			}
			if m.Policy != nil {
				v.node.Policy(w.now, *m.Policy)
			} else {
				v.node.Members(w.now, m.Members)
			}
			w.run(v)
		})
	}
}

// leave takes a viewer out.
func (w *world) leave(v *viewer) {
	if v.gone {
		return
	}
	v.gone = true
	for i, x := range w.viewers {
		if x == v {
			last := len(w.viewers) - 1
			w.viewers[i] = w.viewers[last]
			w.viewers = w.viewers[:last]
			break
		}
	}
	w.settle(v)
	missed := v.delay
	if w.cfg.Crash {
		missed = w.cfg.Missed
	}
	w.source.leave(v)
	w.at(w.now+missed, func() {
		delete(w.byID, v.id)
		w.tracker.Leave(v.id)
		w.pass()
	})
	for x := range v.links {
		w.at(w.now+missed+x.delay, func() { w.unlink(x, v) })
	}
}

func (w *world) unlink(x, v *viewer) {
	if !x.links[v] {
		return
	}
	delete(x.links, v)
	if !x.gone {
		x.node.LinkDown(w.now, v.id)
		w.run(x)
	}
}

// churn has one leave and another come.
func (w *world) churn() {
	if len(w.viewers) == 0 {
		return
	}
	v := w.viewers[w.rng.IntN(len(w.viewers))]
	w.leave(v)
	w.join(v.rate / w.cfg.Rate)
}

func (w *world) halve() {
	l := append([]*viewer(nil), w.viewers...)
	w.rng.Shuffle(len(l), func(i, k int) { l[i], l[k] = l[k], l[i] })
	for _, v := range l[:len(l)/2] {
		w.leave(v)
	}
	w.result.Halved = true
}

// origin is the source: it makes chunks and feeds who asks.
type origin struct {
	w     *world
	seq   uint64
	fed   map[*viewer]*[chunk.Stripes]feed
	order []*viewer
	kept  map[uint64]piece
	first uint64 // the oldest that is kept
	key   uint64 // the latest key frame
	bytes uint64
	total uint64
}

type feed struct {
	on          bool
	from, until uint64
}

type piece struct {
	dts  uint32
	size int
	key  bool
	born time.Duration
}

const (
	// The stream: a chunk every 60 ms, and every two seconds a key frame of four large ones.
	chunkEvery = 60 * time.Millisecond
	keyEvery   = 2 * time.Second
	keptChunks = 512
	epochFirst = 4096
)

func (o *origin) begin(w *world) {
	*o = origin{w: w, seq: epochFirst, first: epochFirst, fed: map[*viewer]*[chunk.Stripes]feed{}, kept: map[uint64]piece{}}
	for at := time.Duration(0); at < w.cfg.Length; at += chunkEvery {
		key := at%keyEvery < chunkEvery
		w.at(at, func() { o.make(key) })
	}
}

// make cuts the chunks of one moment.
func (o *origin) make(key bool) {
	perSecond := float64(time.Second / chunkEvery)
	mean := o.w.cfg.Rate / perSecond
	n, size := 1, int(mean*0.85)
	if key {
		n, size = 4, int(mean*0.15*perSecond*keyEvery.Seconds()/4)
	}
	for i := range n {
		p := piece{uint32(o.w.now.Milliseconds()), size, key && i == 0, o.w.now}
		seq := o.seq
		o.seq++
		o.kept[seq] = p
		if p.key {
			o.key = seq
		}
		if o.seq-o.first > keptChunks {
			delete(o.kept, o.first)
			o.first++
		}
		if o.w.now >= o.w.cfg.Warm {
			o.total += uint64(size)
		}
		for _, v := range o.order {
			if f := &o.fed[v][chunk.StripeOf(seq)]; f.on && seq >= f.from {
				if f.until != 0 && seq >= f.until {
					*f = feed{}
					continue
				}
				o.send(v, seq)
			}
		}
	}
}

func (o *origin) send(v *viewer, seq uint64) {
	p, ok := o.kept[seq]
	if !ok {
		return
	}
	if o.w.now >= o.w.cfg.Warm {
		o.bytes += uint64(p.size)
	}
	o.w.at(o.w.now+v.delay+5*time.Millisecond, func() { o.w.arrive(v, wire.Source, seq, p) })
}

func (o *origin) join(v *viewer) {
	f := &[chunk.Stripes]feed{}
	o.fed[v] = f
	o.order = append(o.order, v)
	for s := range f {
		f[s] = feed{on: true, from: o.key}
	}
	for seq := o.key; seq < o.seq; seq++ {
		o.send(v, seq)
	}
}

func (o *origin) leave(v *viewer) {
	if o.fed[v] == nil {
		return
	}
	delete(o.fed, v)
	for i, x := range o.order {
		if x == v {
			o.order = append(o.order[:i], o.order[i+1:]...)
			break
		}
	}
}
