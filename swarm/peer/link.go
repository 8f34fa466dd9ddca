// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// connectTimeout bounds the making of a link.
	connectTimeout = 10 * time.Second
	// maxLinkings bounds the links that others are making to this viewer at a time; its own
	// are bounded by the node, and must not want for room in a crowd.
	maxLinkings = 24
	// maxSignals bounds the signals that wait for a link; more are lost, which costs candidates.
	maxSignals = 64
	// codeNotHere is the X-P2P code for a member that does not take part (reference/xp2p.md §2).
	codeNotHere = -2402
)

// linking is a link that is being made, or stands: what its signals are for.
type linking struct {
	id     string
	peer   wire.PeerID
	ours   bool
	link   *link.Link
	answer chan link.Signal // one; for ours
	recv   chan link.Signal
	ctx    context.Context
	cancel context.CancelFunc
	up     bool
}

// hello is what a viewer shows another: that it means this stream.
func (p *Peer) hello() string { return "xp2p swarm " + p.verifier.Swarm.String() }

// newLinking prepares a link. It is the loop's.
func (p *Peer) newLinking(id string, peer wire.PeerID, pin link.Pin, ours bool) (*linking, error) {
	if !ours && p.guests() >= maxLinkings {
		return nil, errors.New("too many links are being made")
	}
	if p.linkings[id] != nil {
		return nil, errors.New("a link of that name exists")
	}
	k := &linking{id: id, peer: peer, ours: ours, answer: make(chan link.Signal, 1), recv: make(chan link.Signal, maxSignals)}
	cfg := link.Config{ID: id, Controlling: ours, Identity: p.cfg.Identity, Peer: pin, RelayOnly: p.cfg.RelayOnly,
		MayRestart: p.tracked.Load, Servers: p.servers(),
		OnSignal: func(s link.Signal) { // not the loop: pion's goroutines
			if b, err := json.Marshal(s); err == nil {
				p.post(k.ctx, func() {
					p.tellSource(wire.AppendJSON(nil, wire.TypeSignal, wire.Signal{Peer: peer, Link: id, Signal: b}))
				})
			}
		}}
	if !ours {
		swarm := p.hello()
		cfg.Admit = func(ctx context.Context, hello []byte) (context.Context, error) {
			if string(hello) != swarm {
				return nil, &link.Refusal{Code: codeNotHere, Reason: "this viewer does not watch that stream"}
			}
			return ctx, nil
		}
		cfg.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serveExchange(k, w, r) })
	}
	k.ctx, k.cancel = context.WithCancel(p.life)
	var err error
	if k.link, err = p.cfg.Socket.NewLink(cfg); err != nil {
		k.cancel()
		return nil, err
	}
	p.linkings[id] = k
	return k, nil
}

// guests counts the links that others are making.
func (p *Peer) guests() (n int) {
	for _, k := range p.linkings {
		if !k.ours && !k.up {
			n++
		}
	}
	return n
}

// servers are those that find paths. Relays are left out: what viewers send each other
// through one costs its owner as much as the source would have cost theirs, twice.
func (p *Peer) servers() (l []link.Server) {
	for _, s := range p.stun {
		l = append(l, link.Server{URL: s})
	}
	if lent := p.lent.Load(); lent != nil {
		for _, s := range *lent {
			if p.cfg.RelayOnly || strings.HasPrefix(s.URL, "stun:") {
				l = append(l, s)
			}
		}
	}
	return l
}

// lendEvery is how often STUN and TURN servers are asked for: their credentials end.
const lendEvery = time.Minute

// keepServers asks for them, since the loop must not wait.
func (p *Peer) keepServers() {
	t := time.NewTicker(lendEvery)
	defer t.Stop()
	for {
		if l := p.cfg.Servers(p.life); len(l) > 0 {
			p.lent.Store(&l)
		}
		select {
		case <-t.C:
		case <-p.life.Done():
			return
		}
	}
}

// connect makes a link to a member.
func (p *Peer) connect(id wire.PeerID) {
	pin, known := p.pins[id]
	var k *linking
	err := errors.New("its key is not known")
	if known {
		k, err = p.newLinking(link.NewID(), id, pin, true)
	}
	if err != nil {
		p.log.Debug("link", "peer", id, "err", err)
		p.node.LinkDown(p.now(), id)
		return
	}
	desc, err := k.link.LocalDescription()
	var offer []byte
	if err == nil {
		offer, err = json.Marshal(link.Offer{Pin: p.cfg.Identity.Pin(), Description: desc})
	}
	if err == nil {
		p.tellSource(wire.AppendJSON(nil, wire.TypeSignal, wire.Signal{Peer: id, Link: k.id, Offer: offer}))
	}
	p.wg.Go(func() { p.bring(k, link.Signal{}, err) })
}

// signal takes a signal of another member.
func (p *Peer) signal(s wire.Signal) {
	if s.Offer != nil {
		if err := p.offered(s); err != nil {
			p.log.Debug("offer", "peer", s.Peer, "err", err)
		}
		return
	}
	k := p.linkings[s.Link]
	if k == nil || k.peer != s.Peer {
		return
	}
	if s.Answer != nil {
		if a, err := link.ParseAnswer(s.Answer); err == nil && k.ours {
			select {
			case k.answer <- a:
			default:
			}
		}
		return
	}
	var sig link.Signal
	if json.Unmarshal(s.Signal, &sig) == nil {
		select {
		case k.recv <- sig:
		default:
		}
	}
}

// offered answers a member that wants a link. Where both want one at once, the one that
// the member with the lower ID began is made.
func (p *Peer) offered(s wire.Signal) error {
	var o link.Offer
	if err := json.Unmarshal(s.Offer, &o); err != nil {
		return err
	}
	if wire.IDOfPin(o.Pin) != s.Peer || o.Pin.String() != s.Pin || len(s.Link) > 60 {
		return errors.New("it is not the member's own")
	}
	for _, k := range p.linkings {
		if k.peer != s.Peer || k.up {
			continue
		}
		if k.ours && p.self < s.Peer {
			return errors.New("ours comes first")
		}
		k.cancel()
	}
	if !p.node.Room(s.Peer) {
		return errors.New("there is no room for another link")
	}
	k, err := p.newLinking(s.Link, s.Peer, o.Pin, false)
	if err != nil {
		return err
	}
	desc, err := k.link.LocalDescription()
	var answer []byte
	if err == nil {
		answer, err = json.Marshal(desc)
	}
	if err == nil {
		p.tellSource(wire.AppendJSON(nil, wire.TypeSignal, wire.Signal{Peer: s.Peer, Link: s.Link, Answer: answer}))
	}
	p.wg.Go(func() { p.bring(k, o.Description, err) })
	return nil
}

// bring brings a link up, carries its signals and keeps it in the books until it is gone.
func (p *Peer) bring(k *linking, remote link.Signal, err error) {
	stop := context.AfterFunc(k.ctx, func() { k.link.End(&link.Refusal{Code: codeNotHere, Reason: "left the swarm"}) })
	defer stop()
	signals := make(chan struct{})
	go func() {
		defer close(signals)
		for {
			select {
			case s := <-k.recv:
				if err := k.link.HandleSignal(s); err != nil {
					p.log.Debug("signal", "peer", k.peer, "err", err)
				}
			case <-k.link.Done():
				return
			}
		}
	}()
	if err == nil {
		err = p.bringUp(k, remote)
	}
	if err == nil && k.ours {
		err = p.exchange(k)
	} else if err == nil {
		<-k.link.Done()
		err = k.link.Err()
	}
	k.link.Close()
	k.cancel()
	<-signals
	p.post(p.life, func() {
		delete(p.linkings, k.id)
		if n := p.links[k.peer]; n != nil && n.linking == k {
			p.unlink(n)
			p.node.LinkDown(p.now(), k.peer)
			p.event(LinkDown, k.peer, err)
		} else if n == nil && k.ours && !k.up {
			p.node.LinkDown(p.now(), k.peer)
		}
		p.log.Debug("link gone", "peer", k.peer, "err", err)
	})
}

func (p *Peer) bringUp(k *linking, remote link.Signal) error {
	ctx, cancel := context.WithTimeout(k.ctx, connectTimeout)
	defer cancel()
	if k.ours {
		select {
		case remote = <-k.answer:
		case <-ctx.Done():
			return fmt.Errorf("no answer to the offer: %w", ctx.Err())
		}
	}
	return k.link.Connect(ctx, remote, []byte(p.hello()))
}

// disconnect ends the link to a peer, or the making of one.
func (p *Peer) disconnect(id wire.PeerID) {
	if n := p.links[id]; n != nil {
		p.unlink(n)
		n.cancel()
		p.event(LinkDown, id, errors.New("not needed any more, or not wanted"))
	}
	for _, k := range p.linkings {
		if k.peer == id {
			k.cancel()
		}
	}
}

// unlink takes a link out of the books; what waits for it is not sent any more.
func (p *Peer) unlink(n *neighbour) {
	delete(p.links, n.peer)
	p.control += n.queue.controlBytes()
	p.node.Sent(p.now(), n.unsent)
	n.unsent = 0
}
