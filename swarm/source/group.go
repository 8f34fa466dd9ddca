// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/swarm/chunk"
)

// Registry is where the sources of a stream find each other: a *rendezvous.Client.
type Registry interface {
	AnnounceSource(ctx context.Context, key ed25519.PrivateKey, n rendezvous.SourceNews) (rendezvous.SourceList, error)
}

const (
	// newsTimeout bounds one announcement, and goneTimeout the last.
	newsTimeout = 2 * time.Second
	goneTimeout = time.Second
	// probeTimeout is how long a leader may take to show that it is there.
	probeTimeout = 2 * time.Second
	// marginChunks and marginEpochs are left out behind what is known of the leader before,
	// which may have cut more since it said so.
	marginChunks = 1 << 14
	marginEpochs = 1 << 10
	// yieldAfter is how long a leader may have nothing from its origin, for viewers that
	// wait, before it lets another one try, and abstain how long it does not lead then.
	yieldAfter = originIdle + 2*time.Second
	abstain    = 20 * time.Second
)

var (
	// errOtherLeader says that the stream is to come from elsewhere now.
	errOtherLeader = errors.New("another source leads the stream now")
	errNoLeader    = errors.New("no source leads the stream: can this one reach the rendezvous?")
)

// group is this source among several that have the same key for a stream: one leads, which
// pulls the origin, cuts and signs, and the others pass its chunks on, as mirrors do. Who
// leads has a lease at the rendezvous.
//
// A follower leads when nobody has the lease and the last leader does not answer it. So a
// rendezvous that is away, or that has forgotten all, changes nothing: a leader that cannot
// renew its lease goes on. Two may lead for a while where a leader is cut off from both, the
// rendezvous and its followers, and comes back: then the one without the lease follows.
type group struct {
	s        *stream
	registry Registry
	key      ed25519.PrivateKey
	self     rendezvous.Source // ID and URL
	poke     chan struct{}     // one token: say it now

	// begun is the term in which this source has begun to cut. It belongs to pull.
	begun int

	mu      sync.Mutex
	leading bool
	term    int               // how often it has become the leader
	vacant  bool              // nobody had the lease when it was asked for last
	alone   bool              // there is no other source
	since   time.Time         // when it became the leader
	resting time.Time         // it does not lead before
	leader  rendezvous.Source // the last that was not this one; without URL: none
	changed chan struct{}     // closed when leading or leader change
}

func newGroup(s *stream, cfg *Config) *group {
	g := &group{s: s, registry: cfg.Registry, key: cfg.Key, poke: make(chan struct{}, 1), changed: make(chan struct{}),
		self: rendezvous.Source{ID: rand.Text(), URL: strings.TrimSuffix(cfg.Public, "/") + s.name, Most: cfg.MaxViewers}}
	s.mirror = newMirror(s, Upstream{})
	return g
}

// run says what this source is until ctx ends, and learns what the others are.
func (g *group) run(ctx context.Context) {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-g.poke:
		case <-ctx.Done():
			g.leave()
			return
		}
		t.Reset(g.announce(ctx))
	}
}

// announce says what this source is and would be; again is when to do it next.
func (g *group) announce(ctx context.Context) (again time.Duration) {
	want := g.want(ctx)
	ctx, cancel := context.WithTimeout(ctx, newsTimeout)
	defer cancel()
	l, err := g.registry.AnnounceSource(ctx, g.key, g.news(want))
	if err != nil {
		g.s.log.Debug("rendezvous; the sources stay what they are", "err", err)
		return rendezvous.AnnounceEvery
	}
	g.take(l)
	if l.Leader == "" && want == rendezvous.Follow && g.want(ctx) == rendezvous.Lead {
		return 0
	}
	return rendezvous.AnnounceEvery
}

// want is what this source would be.
func (g *group) want(ctx context.Context) rendezvous.Role {
	now := time.Now()
	g.mu.Lock()
	if g.leading && !g.alone && now.Sub(g.since) > yieldAfter && g.s.starved(now) {
		g.s.log.Warn("nothing comes from the origin: another source may try")
		g.move(false, g.leader)
		g.resting = now.Add(abstain)
	}
	leading, vacant, leader, rests := g.leading, g.vacant, g.leader, now.Before(g.resting)
	g.mu.Unlock()
	switch {
	case leading:
		return rendezvous.Leading
	case vacant && !rests && (leader.URL == "" || !g.answers(ctx, leader)):
		return rendezvous.Lead
	}
	return rendezvous.Follow
}

// answers says whether a leader is there, and thinks itself one.
func (g *group) answers(ctx context.Context, leader rendezvous.Source) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, leader.URL, nil)
	if err != nil {
		return false
	}
	res, err := g.s.mirror.client.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.Header.Get(leaderHeader) == leader.ID
}

// leaderHeader is in the answer to HEAD of who leads: its ID.
const leaderHeader = "Xp2p-Leader"

// sign has an answer to HEAD say whether this source leads.
func (g *group) sign(h http.Header) {
	if g != nil && g.leads() {
		h.Set(leaderHeader, g.self.ID)
	}
}

func (g *group) news(want rendezvous.Role) rendezvous.SourceNews {
	n := rendezvous.SourceNews{Stream: g.s.name, Source: g.self, Want: want}
	n.Viewers = g.s.room.len()
	n.High, n.Number = g.reached()
	return n
}

// reached is behind the newest chunk and the number of the newest epoch that are known here.
func (g *group) reached() (high uint64, number uint32) {
	if g.leads() {
		g.s.pmu.Lock()
		high, _ = g.s.p.Filling()
		g.s.pmu.Unlock()
	}
	return max(high, g.s.hub.end()), g.s.hub.number()
}

// take learns who leads, and who else is there.
func (g *group) take(l rendezvous.SourceList) {
	var leader rendezvous.Source
	var fellows []*mirrored
	for _, x := range l.Sources {
		if x.ID == g.self.ID || x.URL == g.self.URL { // or an earlier run of it
			continue
		}
		fellows = append(fellows, &mirrored{url: x.URL, viewers: x.Viewers, most: x.Most})
		if x.ID == l.Leader {
			leader = x
		}
	}
	g.s.room.meet(fellows)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.vacant, g.alone = l.Leader == "", len(fellows) == 0
	switch {
	case l.Leader == g.self.ID:
		g.move(true, g.leader)
	case leader.ID != "":
		g.move(false, leader)
	}
}

// move notes whether this source leads, and who did last besides. Called with mu held.
func (g *group) move(leading bool, leader rendezvous.Source) {
	same := leading == g.leading && leader.ID == g.leader.ID
	if leading && !g.leading {
		g.term++
		g.since = time.Now()
	}
	g.leading, g.leader = leading, leader
	if !same {
		close(g.changed)
		g.changed = make(chan struct{})
		g.s.log.Info("the stream's sources", "leads", leading, "leader", leader.URL)
	}
}

// leads says whether this source cuts the stream: also where it is the only one, nil.
func (g *group) leads() bool {
	if g == nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leading
}

// moved is closed when the stream is to come from elsewhere; nil, for ever, without a group.
func (g *group) moved() <-chan struct{} {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// leave tells the others, so that one of them need not wait for the lease to end.
func (g *group) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), goneTimeout)
	defer cancel()
	n := g.news(rendezvous.Gone)
	g.mu.Lock()
	g.move(false, g.leader) // for whoever still asks here
	g.mu.Unlock()
	if _, err := g.registry.AnnounceSource(ctx, g.key, n); err != nil {
		g.s.log.Debug("take leave at the rendezvous", "err", err)
	}
}

// pull pulls the origin where this source leads, else the leader's chunks, until that
// changes: errOtherLeader.
func (g *group) pull(ctx context.Context) error {
	g.mu.Lock()
	leading, term, leader, changed := g.leading, g.term, g.leader, g.changed
	g.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-changed:
			cancel(errOtherLeader)
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(nil); <-watched }()
	err := errNoLeader
	switch {
	case leading:
		if err = g.begin(ctx, term); err == nil {
			err = g.s.pullOrigin(ctx)
		}
	case leader.URL != "":
		g.s.mirror.URL = leader.URL
		err = g.s.mirror.pull(ctx)
		select {
		case g.poke <- struct{}{}: // it may be gone
		default:
		}
	}
	if errors.Is(context.Cause(ctx), errOtherLeader) {
		return errOtherLeader
	}
	return err
}

// begin begins a run of this source's behind all that the leaders before have cut, with a
// key of its own.
func (g *group) begin(ctx context.Context, term int) error {
	if g.begun == term {
		return nil
	}
	s := g.s
	high, number := g.reached()
	g.mu.Lock()
	high, number = max(high, g.leader.High), max(number, g.leader.Number)
	g.mu.Unlock()
	now := time.Now().Unix()
	s.pmu.Lock()
	s.p = chunk.NewPackager(chunk.PackagerConfig{Key: g.key, Stream: s.name, Begin: s.hub.begin, Emit: s.hub.put,
		First: max(uint64(now)<<10, high+marginChunks), Number: max(uint32(now), number+marginEpochs)})
	s.pmu.Unlock()
	if s.keys.issuer != nil {
		if err := s.obtainKey(ctx); err != nil {
			return err
		}
	}
	g.begun = term
	return nil
}
