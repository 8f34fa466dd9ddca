// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/internal/backoff"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

// camera is the supervised loop around one source.
type camera struct {
	nvr    *NVR
	cfg    CameraConfig
	source source
	rec    *recorder.CameraRecorder
	live   *device.Fanout // for whoever watches
	log    *slog.Logger

	received atomic.Int64 // bytes
	frames   atomic.Int64 // pictures
	damage   atomic.Int64 // stretches of bytes that were skipped
	meter    meter

	ctx    context.Context // ends with the camera
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when run has ended
	wake   chan struct{} // has one token when somebody wants the stream

	wanted atomic.Bool // to be recorded now

	mu       sync.Mutex
	demand   demand
	keep     KeepConfig
	reason   string    // why it is recorded; "": it is not
	streams  bool      // an attempt has a stream: its gate follows wanted
	watchers int       // who watch or wait for the stream
	unwanted time.Time // since when nobody needs the stream; zero: somebody does
	state    CameraState
	since    time.Time
	retry    time.Time // when the next attempt is due
	err      error     // why the last attempt ended
	errAt    time.Time
	tries    int    // attempts so far
	reach    string // cameraUp or cameraDown, as it was said last; "": neither yet
}

// Types of events that say that a camera can be had or not; between the two are
// attempts.
const (
	cameraUp   = "camera.up"
	cameraDown = "camera.down"
)

// errChanged is the cause of the end of a camera that is changed or removed.
var errChanged = errors.New("the camera is changed or removed")

func newCamera(n *NVR, cfg CameraConfig) (*camera, error) {
	n.archive.SetRetention(cfg.Name, cfg.retention())
	if err := n.archive.SetStorage(cfg.Name, cfg.Storage); err != nil {
		return nil, err
	}
	rec, err := n.archive.Camera(cfg.Name)
	if err != nil {
		return nil, err
	}
	if cfg.Record.When == "" {
		cfg.Record.When = RecordAlways
	}
	c := &camera{nvr: n, cfg: cfg, rec: rec, live: device.NewFanout(watchMarks),
		log: n.log.With("camera", cfg.Name), state: StateConnecting, since: time.Now(),
		done: make(chan struct{}), wake: make(chan struct{}, 1), demand: demand{cfg: cfg.Record}, keep: cfg.Keep}
	c.ctx, c.cancel = context.WithCancelCause(n.ctx)
	events := func(e session.Event) {
		n.bus.publish(Event{Type: "camera.event", Camera: cfg.Name, Detail: e})
	}
	switch {
	case cfg.Many():
		c.source = newManySource(n, cfg, events)
	case cfg.URL != "":
		c.source = &httpSource{client: &http.Client{Transport: n.http}, url: cfg.URL}
	default:
		c.source = &peerSource{peers: n.peers.get, name: cfg.Name, request: session.StreamRequest{Params: gathering(cfg.Params)},
			info: session.StreamInfo{XP2PInfo: cfg.Info, OnMessage: c.onMessage(), Events: events}}
	}
	return c, nil
}

// start begins the camera's loop.
func (c *camera) start() {
	c.evaluate(time.Now())
	if !c.wanted.Load() {
		c.rec.Mark(recorder.CauseConfig)
	}
	c.nvr.wg.Go(c.run)
}

// stop ends the camera, which is not wanted any longer, and waits for it.
func (c *camera) stop() error {
	c.cancel(errChanged)
	<-c.done
	return c.rec.Close(recorder.CauseConfig)
}

// endCause is the ledger's cause where the camera's context has ended.
func (c *camera) endCause() recorder.Cause {
	if context.Cause(c.ctx) == errChanged {
		return recorder.CauseConfig
	}
	return recorder.CauseRestart
}

// run tries until the camera's context ends. A pause between attempts grows with
// every one that brought no picture.
func (c *camera) run() {
	defer close(c.done)
	defer c.cancel(nil)
	defer c.source.close()
	defer c.live.Close()
	b := backoff.Backoff{First: c.nvr.timing.RetryFirst, Most: c.nvr.timing.RetryMost}
	for c.awaitNeed() {
		before := c.frames.Load()
		err := c.attempt(c.ctx)
		if c.ctx.Err() != nil {
			break
		}
		if c.frames.Load() > before {
			b.Reset()
		}
		if errors.Is(err, errIdle) {
			continue
		}
		pause := b.Pause()
		c.log.Warn("stream ended", "error", err, "retry", pause.Round(time.Millisecond))
		c.enter(StateWaiting, err, time.Now().Add(pause))
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
		}
	}
	c.enter(StateStopped, nil, time.Time{})
}

// awaitNeed waits until the stream is wanted; false: the camera ends.
func (c *camera) awaitNeed() bool {
	for c.ctx.Err() == nil {
		if c.needed() {
			return true
		}
		c.enter(StateIdle, nil, time.Time{})
		c.source.close() // until then there is no connection
		select {
		case <-c.wake:
		case <-c.ctx.Done():
		}
	}
	return false
}

// attempt is one connection, from opening it to its end.
func (c *camera) attempt(ctx context.Context) error {
	c.enter(StateConnecting, nil, time.Time{})
	open, cancel := context.WithTimeout(ctx, c.nvr.timing.Connect)
	stream, err := c.source.open(open)
	cancel()
	if err != nil {
		if ctx.Err() == nil {
			c.miss(causeOf(err))
		}
		return err
	}
	g := newGate(c)
	c.streamBegins()
	err = c.ingest(ctx, stream, g)
	c.live.End()
	stream.Close()
	cause := causeOf(err)
	switch {
	case ctx.Err() != nil:
		cause = c.endCause()
	case errors.Is(err, errIdle):
		cause = recorder.CauseConfig
	}
	g.close(cause)
	c.streamEnded(cause)
	return err
}

// causeOf sorts what ended an attempt into the ledger's causes: the camera's doing
// or that of the way to it.
func causeOf(err error) recorder.Cause {
	var config *recorder.ConfigError
	var refused *statusError
	var damage *flv.DamageError
	var netErr net.Error
	switch code, coded := session.CodeOf(err); {
	case errors.As(err, &config), errors.As(err, &refused), errors.As(err, &damage):
		return recorder.CauseCamera
	case errors.Is(err, io.EOF), errors.Is(err, errGarbled):
		return recorder.CauseCamera
	case coded && !code.Retryable():
		return recorder.CauseConfig // a grant or account that will not do until somebody changes it
	case coded, errors.As(err, &netErr), errors.Is(err, errStalled), errors.Is(err, io.ErrUnexpectedEOF):
		return recorder.CauseLink
	}
	return recorder.CauseLink
}

// enter changes the state and says so.
func (c *camera) enter(s CameraState, err error, retry time.Time) {
	c.mu.Lock()
	changed := c.state != s || err != nil
	c.state, c.retry = s, retry
	if changed {
		c.since = time.Now()
	}
	if s == StateIdle {
		c.err = nil
	}
	if s == StateConnecting {
		c.tries++
	}
	if err != nil {
		c.err, c.errAt = err, time.Now()
	}
	turn := ""
	switch {
	case s == StateLive && c.reach != cameraUp:
		c.reach, turn = cameraUp, cameraUp
	case s == StateWaiting && c.reach != cameraDown:
		c.reach, turn = cameraDown, cameraDown
	}
	c.mu.Unlock()
	if changed {
		c.nvr.bus.publish(Event{Type: "camera.state", Camera: c.cfg.Name, Detail: c.status()})
	}
	if turn != "" {
		c.nvr.bus.publish(Event{Type: turn, Camera: c.cfg.Name, Detail: c.status()})
	}
}

// sawPicture notes that the stream is live; called for every picture.
func (c *camera) sawPicture() {
	c.mu.Lock()
	live := c.state == StateLive
	c.mu.Unlock()
	if !live {
		c.enter(StateLive, nil, time.Time{})
	}
}

func (c *camera) damaged(d *flv.DamageError) {
	if c.damage.Add(1)%100 == 1 { // a broken sender must not fill the log
		c.log.Warn("stream damaged", "error", d, "total", c.damage.Load())
	}
}
