// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	dialTimeout = 10 * time.Second
	// sourceSilent is how long the source may say nothing: it has a beat of 5 s.
	sourceSilent = 16 * time.Second
	tellTimeout  = 5 * time.Second
	retryMin     = 300 * time.Millisecond
	retryMax     = 10 * time.Second
	// maxTold bounds the frames that wait to be told to the source; more are lost, which
	// those who sent them notice and repeat.
	maxTold     = 256
	maxTellBody = 32 << 10
)

// toSource is a way to the source that stands.
type toSource struct {
	welcome wire.Welcome
	body    io.ReadCloser
	frames  *wire.Reader
	cancel  context.CancelFunc
	ctx     context.Context
	told    chan []byte
	base    string // the stream's URL there
}

// join opens a way to the source at a URL and reads the welcome. The source may send the
// viewer on to another one of the stream's.
func (p *Peer) join(ctx context.Context, base string, stripes uint8, from uint64) (*toSource, error) {
	w := &toSource{told: make(chan []byte, maxTold)}
	w.ctx, w.cancel = context.WithCancel(p.life)
	defer context.AfterFunc(ctx, w.cancel)()
	b, err := json.Marshal(p.introduction(stripes, from, 0))
	if err != nil {
		w.cancel()
		return nil, err
	}
	res, err := p.ask(w.ctx, request(base, "join", ""), b)
	if sent := new(sentError); errors.As(err, &sent) { // the one to which we were sent is not there
		res, err = p.ask(w.ctx, withQuery(request(base, "join", ""), sentOn, "1"), b)
	}
	if err != nil {
		w.cancel()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	w.base = base
	if to := res.Request.URL; to != nil {
		w.base = withoutRequest(to)
	}
	if strings.HasPrefix(p.cfg.URL, "https:") && !strings.HasPrefix(w.base, "https:") {
		res.Body.Close()
		w.cancel()
		return nil, errors.New("the source sends its viewers on to one without https")
	}
	w.body, w.frames = res.Body, wire.NewReader(res.Body)
	t, body, err := w.frames.Next()
	if err == nil && t != wire.TypeWelcome || errors.Is(err, wire.ErrTooLong) {
		err = ErrNotSwarm // a server that takes a POST for a GET begins its FLV
	}
	if err == nil {
		err = wire.ParseJSON(body, &w.welcome)
	}
	if err == nil && len(w.welcome.Key) != ed25519.PublicKeySize {
		err = ErrNotSwarm
	}
	if err != nil {
		w.end()
		return nil, fmt.Errorf("welcome of the source: %w", err)
	}
	return w, nil
}

func (w *toSource) end() {
	w.cancel()
	w.body.Close()
}

// introduction is what this viewer says of itself.
func (p *Peer) introduction(stripes uint8, from uint64, slots int) wire.Join {
	return wire.Join{Pin: p.pin, Stripes: stripes, From: from, NAT: string(p.cfg.NAT), Slots: slots}
}

// keepSource reads from the source, and opens the way again whenever it breaks.
func (p *Peer) keepSource(w *toSource) {
	at := places{asked: p.cfg.URL}
	at.found(w)
	for wait := retryMin; ; {
		if w != nil {
			began := time.Now()
			err := p.readSource(w, &at)
			if p.life.Err() != nil {
				return
			}
			p.log.Info("the way to the source broke", "err", err)
			p.event(SourceLost, wire.Source, err)
			if time.Since(began) > retryMax {
				wait = retryMin
			}
		}
		select {
		case <-time.After(wait + rand.N(wait)):
		case <-p.life.Done():
			return
		}
		w = p.rejoin(at.next())
		if at.round() { // else the next place may be alive
			wait = min(2*wait, retryMax)
		}
		at.found(w)
	}
}

func (p *Peer) rejoin(base string) *toSource {
	var stripes uint8
	var from uint64
	asked := make(chan struct{})
	if !p.post(p.life, func() { stripes, from = p.node.FromSource(); close(asked) }) {
		return nil
	}
	select {
	case <-asked:
	case <-p.life.Done():
		return nil
	}
	ctx, cancel := context.WithTimeout(p.life, dialTimeout)
	defer cancel()
	w, err := p.join(ctx, base, stripes, from)
	if err != nil {
		p.log.Debug("join the source again", "err", err)
		return nil
	}
	p.event(SourceFound, wire.Source, nil)
	return w
}

// readSource is the life of one way to the source; at learns where else the stream is.
func (p *Peer) readSource(w *toSource, at *places) (err error) {
	defer w.end()
	up := p.post(w.ctx, func() {
		if p.verifier != nil && (!bytes.Equal(p.verifier.Source, w.welcome.Key) || p.stream != w.welcome.Stream) {
			p.fail(ErrOtherKey)
			return
		}
		p.welcome(&w.welcome)
		p.source = w
		p.node.Source(p.now(), true)
	})
	if !up {
		return w.ctx.Err()
	}
	done := make(chan struct{}, 2)
	helpers := 1
	go func() { p.tell(w); done <- struct{}{} }()
	if !w.welcome.NoTracker && p.cfg.Identity != nil {
		helpers++
		go func() { p.track(w); done <- struct{}{} }()
	}
	defer func() {
		w.cancel()
		for range helpers {
			<-done
		}
		p.post(p.life, func() {
			if p.source == w {
				p.source = nil
				p.node.Source(p.now(), false)
			}
		})
	}()
	idle := time.AfterFunc(sourceSilent, w.cancel)
	defer idle.Stop()
	for {
		t, body, err := w.frames.Next()
		if err != nil {
			return err
		}
		idle.Reset(sourceSilent)
		if t == wire.TypeSources {
			if err := wire.ParseJSON(body, &w.welcome.Sources); err != nil {
				return err
			}
			at.found(w)
			continue
		}
		failed := make(chan error, 1)
		if !p.post(w.ctx, func() { failed <- p.frame(wire.Source, t, body) }) {
			return w.ctx.Err()
		}
		select {
		case err := <-failed:
			if err != nil {
				return fmt.Errorf("the source sent something wrong: %w", err)
			}
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
	}
}

// tellSource has frames told to the source.
func (p *Peer) tellSource(b []byte) {
	if p.source == nil {
		return
	}
	select {
	case p.source.told <- b:
	default:
		p.log.Debug("a frame for the source is lost: too many wait")
	}
}

// tell tells the source what waits, all at once.
func (p *Peer) tell(w *toSource) {
	u := request(w.base, "tell", w.welcome.Token)
	for {
		var b []byte
		select {
		case b = <-w.told:
		case <-w.ctx.Done():
			return
		}
		for more := true; more && len(b) < maxTellBody; {
			select {
			case next := <-w.told:
				b = append(b, next...)
			default:
				more = false
			}
		}
		ctx, cancel := context.WithTimeout(w.ctx, tellTimeout)
		res, err := p.ask(ctx, u, b)
		if err != nil {
			p.log.Debug("tell the source", "err", err)
		} else {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		cancel()
	}
}

// track reads what the tracker says, and asks again whenever it breaks off.
func (p *Peer) track(w *toSource) {
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		began := time.Now()
		err := p.readTracker(w)
		p.tracked.Store(false)
		if w.ctx.Err() != nil {
			return
		}
		p.log.Debug("tracker", "err", err)
		if time.Since(began) > retryMax {
			wait = retryMin
		}
		p.post(w.ctx, func() { p.node.Untracked() })
		select {
		case <-time.After(wait + rand.N(wait)):
		case <-w.ctx.Done():
			return
		}
	}
}

func (p *Peer) readTracker(w *toSource) error {
	slots := make(chan int, 1)
	if !p.post(w.ctx, func() { n, _ := p.node.Slots(); slots <- n }) {
		return w.ctx.Err()
	}
	var n int
	select {
	case n = <-slots:
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
	intro := p.introduction(0, 0, n)
	if p.ring != nil {
		intro.Proofs = p.ring.Proofs(chunk.IDOf(w.welcome.Key, w.welcome.Stream), p.pin)
	}
	b, err := json.Marshal(intro)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	idle := time.AfterFunc(sourceSilent, cancel)
	defer idle.Stop()
	res, err := p.ask(ctx, request(w.base, "track", w.welcome.Token), b)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	p.tracked.Store(true)
	frames := wire.NewReader(res.Body)
	for {
		t, body, err := frames.Next()
		if err != nil {
			return err
		}
		idle.Reset(sourceSilent)
		if err := p.hear(w.ctx, t, body); err != nil {
			return err
		}
	}
}

// hear takes what the tracker says.
func (p *Peer) hear(ctx context.Context, t wire.Type, body []byte) error {
	var f func()
	switch t {
	case wire.TypePolicy:
		var x wire.Policy
		if err := wire.ParseJSON(body, &x); err != nil {
			return err
		}
		if x.Home < 0 || x.Home >= chunk.Stripes {
			return fmt.Errorf("%w: home stripe %d", wire.ErrBody, x.Home)
		}
		f = func() { p.node.Policy(p.now(), x) }
	case wire.TypeMembers:
		var l []wire.Member
		if err := wire.ParseJSON(body, &l); err != nil {
			return err
		}
		f = func() { p.learn(l) }
	case wire.TypeSignal:
		var s wire.Signal
		if err := wire.ParseJSON(body, &s); err != nil {
			return err
		}
		f = func() { p.signal(s) }
	default:
		return nil
	}
	if !p.post(ctx, f) {
		return ctx.Err()
	}
	return nil
}
