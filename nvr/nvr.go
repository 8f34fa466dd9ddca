// SPDX-License-Identifier: LGPL-2.1-or-later

// Package nvr is the recording service: it keeps a stream open to each of its
// cameras and gives the units to the recorder.
//
//	source     where a camera's FLV bytes come from: a peer link or plain http-flv
//	camera     the loop around it: one attempt, then a pause that grows, then another
//	ingest     one attempt: bytes -> demux/flv -> recorder.Run, in batches of time
//	watch      live fan-out: the same stream for others in this process
//	bus        what happens, for whoever subscribed
//
// A stream of 2 Mbit/s costs little to copy and much to wake up for, so streams
// read together on a shared tick and what arrived between two ticks is handled at
// once. Cameras share nothing else: a camera that sends garbage, too much or
// nothing ends its own attempt only.
package nvr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/xp2p/xp2p/nvr/objectstore"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

// Options are what a Config cannot say. The zero value is usable.
type Options struct {
	// Logger; nil: discarded.
	Logger *slog.Logger
	// Peers makes the module that reaches cameras by xp2pInfo; nil: session.Init with the
	// configuration's account. It is called when the first of them is tried, and again
	// until it succeeds.
	Peers func(ctx context.Context) (Peers, error)
	// AAC turns G.711 into AAC for exports that ask for it; nil: they are refused.
	AAC recorder.AACEncoder
	// Timing replaces waits in tests.
	Timing Timing
}

// NVR records its cameras from Open to Close.
type NVR struct {
	cfg     Config
	log     *slog.Logger
	archive *recorder.Archive
	store   *objectstore.Store // nil: there is no remote store
	pacer   pacer
	bus     bus
	peers   *peerPool
	alone   *peerPool // without an account, for streams of many viewers
	http    *http.Transport
	timing  Timing
	ctx     context.Context // of everything that runs
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	change  sync.Mutex // held while cameras are added, changed or removed
	mu      sync.RWMutex
	cameras []*camera // in the order of the configuration, then as they were added
	faces   []*face
	closed  bool

	needsAccount bool // cameras with xp2p-info are reached by the configuration's account
}

// Open opens the archive and begins to record every camera. An error means that
// nothing runs: the configuration or a storage cannot be used.
func Open(cfg Config, o Options) (*NVR, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &NVR{
		cfg: cfg, log: o.Logger, timing: o.Timing.withDefaults(), ctx: ctx, cancel: cancel,
	}
	n.pacer.period = n.timing.Tick
	n.http = newTransport(&n.pacer)
	remote, store, err := cfg.openRemote()
	if err == nil {
		n.store = store
		n.archive, err = recorder.Open(recorder.Config{Storages: cfg.storages(), Logger: o.Logger, Notify: n.notice, Remote: remote, AAC: o.AAC})
	}
	if err != nil {
		cancel()
		return nil, err
	}
	if o.Peers == nil {
		o.Peers, n.needsAccount = n.initSession, true
	}
	n.peers, n.alone = newPeerPool(o.Peers), newPeerPool(n.initAlone)
	for _, cc := range cfg.Cameras {
		c, err := newCamera(n, cc)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("camera %s: %w", cc.Name, err), n.Close())
		}
		n.cameras = append(n.cameras, c)
	}
	for _, c := range n.cameras {
		c.start()
	}
	n.wg.Go(func() { n.sample(ctx) })
	n.wg.Go(func() { n.evaluate(ctx) })
	return n, nil
}

// initSession is the default of Options.Peers.
func (n *NVR) initSession(ctx context.Context) (Peers, error) {
	app, err := session.ReadAppParams(n.cfg.App)
	if err != nil {
		return nil, &session.Error{Op: "init", Code: session.BadArgument, Err: err}
	}
	m, err := session.Init(ctx, session.Config{App: app, Rendezvous: n.cfg.Rendezvous, MaxUpload: float64(n.cfg.MaxUpload), Logger: n.log})
	if err != nil {
		return nil, err
	}
	return modulePeers{m}, nil
}

// Close ends every stream, commits what was recorded and closes the archive. It
// may be called more than once.
func (n *NVR) Close() error {
	n.change.Lock()
	defer n.change.Unlock()
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.cancel()
	n.wg.Wait()
	n.peers.close()
	n.alone.close()
	n.http.CloseIdleConnections()
	err := n.archive.Close()
	if n.store != nil {
		n.store.Close()
	}
	n.bus.close()
	return err
}

// Archive is what is recorded to.
func (n *NVR) Archive() *recorder.Archive { return n.archive }

// Cameras are the states of all cameras, in the order of the configuration.
func (n *NVR) Cameras() []CameraStatus {
	cameras := n.all()
	list := make([]CameraStatus, len(cameras))
	for i, c := range cameras {
		list[i] = c.status()
	}
	return list
}

// all are the cameras now; the slice is not written again.
func (n *NVR) all() []*camera {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.cameras
}

// Camera is the state of one camera; an unknown one has code NoService.
func (n *NVR) Camera(name string) (CameraStatus, error) {
	c, err := n.find("camera.status", name)
	if err != nil {
		return CameraStatus{}, err
	}
	return c.status(), nil
}

// Command sends a command to a camera (reference/xp2p.md §4) and waits for the
// reply. What the camera answers, a refusal too, is a result; an error has the
// code of why there is none.
func (n *NVR) Command(ctx context.Context, name, command string) (session.CommandResult, error) {
	c, err := n.find("sendCommand", name)
	if err != nil {
		return session.CommandResult{}, err
	}
	return c.source.command(ctx, command, c.idle())
}

func (n *NVR) find(op, name string) (*camera, error) {
	for _, c := range n.all() {
		if c.cfg.Name == name {
			return c, nil
		}
	}
	return nil, &session.Error{Op: op, Code: session.NoService, Err: fmt.Errorf("there is no camera %q", name)}
}

// Subscribe begins to receive what happens; see Subscription.
func (n *NVR) Subscribe() *Subscription { return n.bus.subscribe() }

// sample measures every camera's bit rate once a second.
func (n *NVR) sample(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			for _, c := range n.all() {
				c.meter.sample(now, c.received.Load())
			}
		}
	}
}

// evaluate looks at the clock for every camera that is not recorded all the time.
func (n *NVR) evaluate(ctx context.Context) {
	t := time.NewTicker(n.timing.Evaluate)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			for _, c := range n.all() {
				if !c.whole() {
					c.evaluate(now)
				}
			}
		}
	}
}
