// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/keys"
	"github.com/xp2p/xp2p/swarm/plan"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// windowChunks and windowBytes bound the chunks that are kept for others.
	windowChunks = 1024
	windowBytes  = 12 << 20
	maxEpochs    = 32
	// maxInbox bounds what waits for the loop; who has more waits.
	maxInbox    = 256
	reportEvery = 3 * time.Second
)

// Peer is a viewer. It is an io.ReadCloser of the stream's FLV.
type Peer struct {
	cfg    Config
	log    *slog.Logger
	self   wire.PeerID
	pin    string
	start  time.Time
	life   context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	inbox  chan func()
	done   chan struct{} // the loop has ended
	out    *output
	ring   *keys.Ring // nil: no codeUrl
	own    *http.Transport
	left   sync.Once // says so once

	tracked atomic.Bool
	lent    atomic.Pointer[[]link.Server] // what Config.Servers gave last

	// What follows is the loop's.
	node     *plan.Node
	verifier *chunk.Verifier // nil before the welcome
	stream   string
	epochs   map[uint32]*chunk.Epoch
	window   *chunk.Window
	asm      *chunk.Assembler
	waiting  []uint64 // chunks in order whose key is not here yet
	links    map[wire.PeerID]*neighbour
	linkings map[string]*linking // by the link's ID
	pins     map[wire.PeerID]link.Pin
	stun     []string
	source   *toSource // nil: there is no way to it
	accused  []wire.PeerID
	dropped  uint64
	control  uint64   // bytes on links that are gone
	mischief mischief // of tests

	mu    sync.Mutex
	stats Stats
}

// mischief is what a test has a peer do that no honest one does; nil: nothing.
type mischief struct {
	chunk func(*chunk.Chunk) []byte // sent in its place; nil bytes: nothing is
	tell  func(*wire.Map)
}

// Stats of a peer since it was started.
type Stats struct {
	plan.Stats
	Links        int            // that stand
	Slots, Used  int            // stripes that can be uploaded, and are
	Parents      [4]wire.PeerID // who each stripe comes from; wire.Source: the source
	Orphans      int            // stripes that come from nobody now
	Lag          time.Duration  // the mean of what was delivered in the last seconds
	Forged       uint64         // chunks and epochs that the source has not signed
	Dropped      uint64         // times that FLV was dropped because nobody read it
	ControlBytes uint64         // to other viewers, of frames that are no chunks
	Home         int            // the stripe that the upload is for
	Heads        uint8          // stripes that are taken from the source for others, bit n for stripe n
	SourceStands bool           // there is a way to the source
	Download     bool           // the switches
	Upload       bool
}

// Start joins the stream at the URL and returns when the source has answered. ctx bounds
// the call alone. The error is ErrNotSwarm, ErrSealed where a code is missing or does not
// hold, or a *Refusal; anything else says that the source cannot be reached.
func Start(ctx context.Context, cfg Config) (*Peer, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Peer{cfg: cfg, log: cfg.Logger, start: time.Now(), inbox: make(chan func(), maxInbox), done: make(chan struct{}), out: newOutput(),
		epochs: map[uint32]*chunk.Epoch{}, window: chunk.NewWindow(windowChunks, windowBytes),
		links: map[wire.PeerID]*neighbour{}, linkings: map[string]*linking{}, pins: map[wire.PeerID]link.Pin{}}
	if cfg.HTTP == nil {
		p.own = &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout: dialTimeout, DisableCompression: true, ForceAttemptHTTP2: true}
		p.cfg.HTTP = &http.Client{Transport: p.own}
	}
	if cfg.Identity != nil {
		p.pin = cfg.Identity.Pin().String()
		p.self = wire.IDOfPin(cfg.Identity.Pin())
	}
	p.node = plan.New(plan.Config{Self: p.self, MaxUpload: cfg.MaxUpload, NoUpload: cfg.NoUpload || cfg.Identity == nil,
		NoDownload: cfg.NoDownload || cfg.Identity == nil, Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))})
	p.stats.Download, p.stats.Upload = !cfg.NoDownload, !cfg.NoUpload
	p.life, p.cancel = context.WithCancel(context.Background())
	if cfg.CodeURL != "" {
		p.ring = keys.NewRing(cfg.CodeURL, p.cfg.HTTP, p.log)
		p.wg.Go(func() { p.ring.Run(p.life) })
	}
	first, err := p.join(ctx, cfg.URL, 1<<chunk.Stripes-1, 0)
	if err == nil && first.welcome.Sealed {
		if err = p.awaitKeys(ctx); err != nil {
			first.end()
		}
	}
	if err != nil {
		p.cancel()
		p.wg.Wait()
		p.closeIdle()
		return nil, err
	}
	p.welcome(&first.welcome)
	p.log.Info("joined the swarm", "stream", p.stream, "self", p.self, "nat", cfg.NAT)
	p.wg.Go(p.loop)
	if cfg.Servers != nil {
		p.wg.Go(p.keepServers)
	}
	p.wg.Go(func() { p.keepSource(first) })
	if p.ring != nil {
		p.wg.Go(p.watchRing)
	}
	return p, nil
}

// awaitKeys waits for the first answer of the key service.
func (p *Peer) awaitKeys(ctx context.Context) error {
	if p.ring == nil {
		return fmt.Errorf("%w: give the codeUrl that its owner has for you", ErrSealed)
	}
	changed, err := p.ring.Changed()
	if err == nil && !p.ring.Filled() {
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		_, err = p.ring.Changed()
	}
	if errors.Is(err, keys.ErrNoCode) {
		return fmt.Errorf("%w: %w", ErrSealed, err)
	}
	return nil // a service that cannot be reached now is tried again
}

// Read gives FLV bytes: the stream from a key frame on. Where nobody reads for long the
// stream goes on at a later key frame. It ends with an error that wraps ErrSealed or
// ErrOtherKey, or net.ErrClosed after Close.
func (p *Peer) Read(b []byte) (int, error) { return p.out.Read(b) }

// Close leaves the swarm. It may be called from any goroutine and wakes Read.
func (p *Peer) Close() error {
	p.out.drop(fmt.Errorf("swarm: %w", net.ErrClosed))
	p.cancel()
	p.wg.Wait()
	p.closeIdle()
	p.left.Do(func() {
		s := p.Stats()
		p.log.Info("left the swarm", "p2p_bytes", s.PeerBytes, "cdn_bytes", s.SourceBytes, "sent_bytes", s.SentBytes, "late", s.Late, "lost", s.Lost, "duplicates", s.Duplicates, "forged", s.Forged)
	})
	return nil
}

func (p *Peer) closeIdle() {
	if p.own != nil {
		p.own.CloseIdleConnections()
	}
}

// Stats reads the counters, as they were at most a second ago.
func (p *Peer) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// ID names the peer to other members.
func (p *Peer) ID() wire.PeerID { return p.self }

// Stream is the stream's name at its source.
func (p *Peer) Stream() string { return p.stream }

// Switch turns taking from other viewers, and giving to them, on or off: the reference's
// switches (reference/xp2p.md §8).
func (p *Peer) Switch(download, upload bool) {
	p.mu.Lock()
	p.stats.Download, p.stats.Upload = download, upload
	p.mu.Unlock()
	p.post(p.life, func() {
		p.node.Switch(p.now(), download && p.cfg.Identity != nil, upload && p.cfg.Identity != nil)
	})
}

// Reset follows a change of network: every link looks for another path.
func (p *Peer) Reset() {
	p.post(p.life, func() {
		for _, n := range p.links {
			if n.ours {
				p.wg.Go(func() { n.link.Restart() }) // it may wait; what it finds wrong ends the link
			}
		}
		if p.source != nil {
			p.source.cancel() // its connection may be dead without knowing
		}
	})
}

func (p *Peer) now() time.Duration { return time.Since(p.start) }

// post has the loop do something; false: it will not, ctx or the peer has ended.
func (p *Peer) post(ctx context.Context, f func()) bool {
	select {
	case p.inbox <- f:
		return true
	case <-p.done:
		return false
	case <-ctx.Done():
		return false
	}
}

// fail ends the stream.
func (p *Peer) fail(err error) {
	p.log.Warn("the stream ends", "err", err)
	p.out.end(err)
	p.cancel()
}

func (p *Peer) event(k EventKind, id wire.PeerID, reason error) {
	if p.cfg.OnEvent == nil {
		return
	}
	e := Event{Kind: k}
	if id != wire.Source {
		e.Peer = id.String()
	}
	if reason != nil {
		e.Reason = reason.Error()
	}
	p.cfg.OnEvent(e)
}
