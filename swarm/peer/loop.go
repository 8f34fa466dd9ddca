// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"errors"
	"fmt"
	"time"

	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/keys"
	"github.com/xp2p/xp2p/swarm/plan"
	"github.com/xp2p/xp2p/swarm/wire"
)

// loop owns the peer's state.
func (p *Peer) loop() {
	defer close(p.done)
	tick := time.NewTicker(plan.TickEvery)
	defer tick.Stop()
	report := time.NewTicker(reportEvery)
	defer report.Stop()
	for {
		select {
		case f := <-p.inbox:
			f()
		case <-tick.C:
			p.node.Tick(p.now())
			p.publish()
		case <-report.C:
			p.report()
		case <-p.life.Done():
			for _, l := range p.linkings {
				l.cancel()
			}
			return
		}
		p.act()
	}
}

// welcome takes the source's first frame. It runs before the loop, and then in it.
func (p *Peer) welcome(w *wire.Welcome) {
	p.stun = w.STUN
	if p.verifier == nil {
		p.stream = w.Stream
		p.verifier = chunk.NewVerifier(w.Key, w.Stream)
		p.asm = chunk.NewAssembler(p.verifier.Swarm, p.key)
	}
}

func (p *Peer) key(id uint32) (chunk.StreamKey, bool) {
	if p.ring == nil {
		return chunk.StreamKey{}, false
	}
	return p.ring.Key(id)
}

// act does what the node has decided.
func (p *Peer) act() {
	for _, a := range p.node.Take() {
		switch a.Kind {
		case plan.Deliver:
			p.deliver(a.Sequence)
		case plan.Connect:
			p.connect(a.Peer)
		case plan.Disconnect:
			p.disconnect(a.Peer)
		case plan.Ask:
			p.tellSource(wire.Append(nil, wire.TypeAsk, nil))
		case plan.Accuse:
			p.accused = append(p.accused, a.Peer)
			p.report()
		case plan.Send:
			p.send(a)
		default:
			p.say(a)
		}
	}
}

// say sends a message.
func (p *Peer) say(a plan.Action) {
	var b []byte
	switch a.Kind {
	case plan.Subscribe:
		b = wire.AppendSubscription(nil, wire.TypeSubscribe, a.Stripe, a.Sequence)
	case plan.Unsubscribe:
		b = wire.AppendSubscription(nil, wire.TypeUnsubscribe, a.Stripe, a.Sequence)
	case plan.Answer:
		b = wire.AppendAnswer(nil, a.Stripe, a.Code)
	case plan.Request:
		b = wire.AppendList(nil, wire.TypeRequest, a.List)
	case plan.Missing:
		for l := a.List; len(l) > 0; l = l[min(len(l), wire.MaxList):] {
			b = wire.AppendList(b, wire.TypeMissing, l[:min(len(l), wire.MaxList)])
		}
	case plan.SendMap:
		if p.mischief.tell != nil {
			p.mischief.tell(a.Map)
		}
		b = wire.AppendMap(nil, a.Map)
	}
	if a.Peer == wire.Source {
		p.tellSource(b)
	} else if n := p.links[a.Peer]; n != nil {
		n.queue.put(b, 0)
	}
}

// send passes a chunk on.
func (p *Peer) send(a plan.Action) {
	c, n := p.window.Get(a.Sequence), p.links[a.Peer]
	if c == nil { // forgotten, by its bytes
		p.node.Sent(p.now(), a.Size)
		return
	}
	size := len(c.Bytes())
	if n == nil {
		p.node.Sent(p.now(), size)
		return
	}
	if n.epoch != c.Epoch {
		if e := p.epochs[c.Epoch]; e != nil {
			n.epoch = c.Epoch
			n.queue.put(wire.Append(nil, wire.TypeEpoch, e.Bytes()), 0)
		}
	}
	b := c.Bytes()
	if p.mischief.chunk != nil {
		if b = p.mischief.chunk(c); b == nil {
			p.node.Sent(p.now(), size)
			return
		}
	}
	if n.queue.put(wire.Append(nil, wire.TypeChunk, b), size) {
		n.unsent += size
	} else {
		p.node.Sent(p.now(), size)
	}
}

// frame takes what a peer or the source sent. An error says that it is no member of the
// swarm that keeps to the rules.
func (p *Peer) frame(from wire.PeerID, t wire.Type, body []byte) error {
	now := p.now()
	switch t {
	case wire.TypeEpoch:
		return p.takeEpoch(body)
	case wire.TypeChunk:
		return p.takeChunk(from, body)
	case wire.TypeMissing:
		l, err := wire.ParseList(body)
		p.node.Lacks(now, from, l)
		return err
	}
	if from == wire.Source {
		return nil
	}
	switch t {
	case wire.TypeMap:
		m, err := wire.ParseMap(body)
		if err == nil {
			p.node.Map(now, from, m)
		}
		return err
	case wire.TypeSubscribe:
		s, seq, err := wire.ParseSubscription(body)
		if err == nil {
			p.node.Subscribed(now, from, s, seq)
		}
		return err
	case wire.TypeUnsubscribe:
		s, seq, err := wire.ParseSubscription(body)
		if err == nil {
			p.node.Unsubscribed(now, from, s, seq)
		}
		return err
	case wire.TypeAnswer:
		s, c, err := wire.ParseAnswer(body)
		if err == nil {
			p.node.Answered(now, from, s, c)
		}
		return err
	case wire.TypeRequest:
		l, err := wire.ParseList(body)
		p.node.Requested(now, from, l)
		return err
	}
	return nil
}

func (p *Peer) takeEpoch(body []byte) error {
	e, err := p.verifier.Epoch(body)
	if err != nil {
		return err
	}
	if p.epochs[e.Number] != nil {
		return nil
	}
	if len(p.epochs) >= maxEpochs {
		oldest := e.Number
		for n := range p.epochs {
			oldest = min(oldest, n)
		}
		if oldest == e.Number {
			return nil // of long ago, which somebody sends again
		}
		delete(p.epochs, oldest)
	}
	p.epochs[e.Number] = e
	if e.Sealed && p.ring == nil {
		p.fail(fmt.Errorf("%w: give the codeUrl that its owner has for you", ErrSealed))
	}
	p.node.Epoch(p.now(), e.First, e.Run)
	return nil
}

// takeChunk verifies a chunk, keeps it and tells the node.
func (p *Peer) takeChunk(from wire.PeerID, body []byte) error {
	c, err := chunk.Parse(body)
	if err != nil {
		return err
	}
	if c.Swarm != p.verifier.Swarm {
		return chunk.ErrSwarm
	}
	size := len(body)
	if p.window.Get(c.Sequence) == nil { // else it is here, verified
		if err := p.verifier.Verify(c); err != nil {
			return err
		}
		if p.epochs[c.Epoch] == nil {
			return nil // of an epoch that was not announced, or long ago
		}
		p.window.Put(c)
	}
	p.node.Chunk(p.now(), from, c.Sequence, c.DTS, size, c.Flags&chunk.Key != 0)
	return nil
}

// maxWaiting bounds the chunks that wait for a key; when it is full the oldest goes.
const maxWaiting = 1024

// deliver makes FLV of the stream's next chunk.
func (p *Peer) deliver(sequence uint64) {
	if len(p.waiting) == maxWaiting {
		p.waiting = p.waiting[1:]
	}
	p.waiting = append(p.waiting, sequence)
	p.assemble()
}

func (p *Peer) assemble() {
	for len(p.waiting) > 0 {
		c := p.window.Get(p.waiting[0])
		if c == nil { // its key took too long
			p.waiting = p.waiting[1:]
			continue
		}
		e := p.epochs[c.Epoch]
		if e == nil {
			p.waiting = p.waiting[1:]
			continue
		}
		b, err := p.asm.Append(nil, c, e)
		switch {
		case errors.Is(err, chunk.ErrNoKey):
			if p.ring.Passed(c.KeyID) { // it comes too late: the stream goes on at a key frame
				p.waiting = p.waiting[1:]
				p.asm.Break()
				continue
			}
			if _, lost := p.ring.Changed(); errors.Is(lost, keys.ErrNoCode) {
				p.fail(fmt.Errorf("%w: %w", ErrSealed, lost))
			}
			return
		case errors.Is(err, chunk.ErrSeal):
			p.fail(fmt.Errorf("%w: %w", ErrSealed, err))
			return
		case err != nil:
			p.log.Warn("a chunk of the source cannot be used", "err", err)
		}
		p.waiting = p.waiting[1:]
		if len(b) > 0 && !p.out.put(b) {
			p.dropped++
			p.asm.Break()
		}
	}
}

// watchRing assembles what waited for a key.
func (p *Peer) watchRing() {
	for {
		changed, err := p.ring.Changed()
		if !p.post(p.life, p.assemble) || errors.Is(err, keys.ErrNoCode) {
			return
		}
		select {
		case <-changed:
		case <-p.life.Done():
			return
		}
	}
}

// pollute ends the link to a peer that sent what it should not have.
func (p *Peer) pollute(from wire.PeerID, err error) {
	p.mu.Lock()
	p.stats.Forged++
	p.mu.Unlock()
	p.log.Warn("a peer is dropped", "peer", from, "err", err)
	p.event(Polluter, from, err)
	p.node.Bad(p.now(), from)
}

// maxPins bounds the keys of members that are remembered.
const maxPins = 512

func (p *Peer) learn(l []wire.Member) {
	if len(l) > wire.MaxMembers {
		l = l[:wire.MaxMembers]
	}
	if len(p.pins) > maxPins {
		clear(p.pins)
	}
	var good []wire.Member
	for _, m := range l {
		pin, err := link.ParsePin(m.Pin)
		if err != nil || wire.IDOfPin(pin) != m.ID {
			continue
		}
		p.pins[m.ID] = pin
		good = append(good, m)
	}
	p.node.Members(p.now(), good)
}

// report tells the tracker how things are.
func (p *Peer) report() {
	s := p.node.Stats()
	all, used := p.node.Slots()
	r := wire.Report{P2PBytes: s.PeerBytes, SourceBytes: s.SourceBytes, SentBytes: s.SentBytes, Slots: all, Used: used, Bad: p.accused, Continuity: 1}
	if n := len(r.Bad); n > 8 {
		r.Bad = r.Bad[n-8:]
	}
	for stripe, parent := range p.node.Parents() {
		if parent == wire.Source {
			r.FromSource |= 1 << stripe
		}
	}
	if n := s.Delivered + s.Lost; n > 0 {
		r.Continuity = 1 - float64(s.Late+s.Lost)/float64(n)
	}
	r.LagMS = int(p.node.Lag().Milliseconds())
	p.tellSource(wire.AppendJSON(nil, wire.TypeReport, r))
}

// publish copies the counters for Stats.
func (p *Peer) publish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.stats
	s.Stats = p.node.Stats()
	s.Links, s.Dropped, s.SourceStands = len(p.links), p.dropped, p.source != nil
	s.Slots, s.Used = p.node.Slots()
	s.Home, s.Heads = p.node.Place()
	s.Lag = p.node.Lag()
	s.ControlBytes = p.control
	for _, n := range p.links {
		s.ControlBytes += n.queue.controlBytes()
	}
	s.Orphans = 0
	for i, parent := range p.node.Parents() {
		if parent != s.Parents[i] && parent != plan.Nobody {
			p.log.Debug("stripe moved", "stripe", i, "parent", parent)
		}
		s.Parents[i] = parent
		if parent == plan.Nobody {
			s.Orphans++
		}
	}
}
