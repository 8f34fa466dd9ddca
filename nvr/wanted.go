// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"time"

	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

// idleLinger is how long a stream that nobody needs is kept: whoever comes back does
// not wait for it again.
const idleLinger = 10 * time.Second

// RecordDetail is the Detail of a "record.state" event.
type RecordDetail struct {
	Recording string `json:"recording"` // why: "always", "schedule", "event", "request"; "": not any longer
}

// evaluate follows the clock and what was asked for: whether the camera is to be
// recorded now. Where a stream flows its gate sees to the rest.
func (c *camera) evaluate(now time.Time) {
	c.mu.Lock()
	reason := c.demand.why(now)
	changed := reason != c.reason
	turned := (reason != "") != c.wanted.Load()
	c.reason = reason
	c.wanted.Store(reason != "")
	if turned && !c.streams {
		cause := recorder.CauseLink
		switch {
		case reason == "":
			cause = recorder.CauseConfig
		case c.err != nil:
			cause = causeOf(c.err)
		}
		c.rec.Mark(cause)
	}
	if turned {
		c.unwanted = time.Time{}
	}
	c.mu.Unlock()
	if turned {
		c.poke()
	}
	if changed {
		c.nvr.bus.publish(Event{Type: "record.state", Camera: c.cfg.Name, Detail: RecordDetail{reason}})
	}
}

// miss tells the ledger why an attempt failed, where the camera is to be recorded.
func (c *camera) miss(cause recorder.Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wanted.Load() {
		c.rec.Mark(cause)
	}
}

// streamBegins says that a gate follows wanted from now on.
func (c *camera) streamBegins() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams = true
}

// streamEnded says that none does, and tells the ledger what its gate may not have
// come to: wanted may have turned since the last batch.
func (c *camera) streamEnded(cause recorder.Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams = false
	if !c.wanted.Load() {
		cause = recorder.CauseConfig
	}
	c.rec.Mark(cause)
}

// poke wakes a camera that is idle.
func (c *camera) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// whole says that the camera is recorded all the time: the clock changes nothing.
func (c *camera) whole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.demand.cfg.whole()
}

// setRecord changes when the camera is recorded and what is kept, without a break of
// its stream.
func (c *camera) setRecord(r RecordConfig, k KeepConfig) {
	c.mu.Lock()
	c.demand.cfg, c.keep = r, k
	if r.When != RecordEvents {
		c.demand.events = nil
	}
	c.mu.Unlock()
	c.evaluate(time.Now())
	c.poke()
}

// config is what the camera was configured with last.
func (c *camera) config() CameraConfig {
	cfg := c.cfg
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg.Record, cfg.Keep = c.demand.cfg, c.keep
	return cfg
}

func (c *camera) preRoll() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.demand.cfg.whole() {
		return 0
	}
	return c.demand.cfg.PreRoll
}

// needed says whether the stream is: it is recorded, or kept for its pre-roll, or
// watched, or was until a moment ago.
func (c *camera) needed() bool {
	if c.wanted.Load() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch now := time.Now(); {
	case c.demand.cfg.PreRoll > 0, c.watchers > 0:
		c.unwanted = time.Time{}
		return true
	case !c.streams:
		return false
	case c.unwanted.IsZero():
		c.unwanted = now
		return true
	default:
		return now.Sub(c.unwanted) < c.nvr.timing.Linger
	}
}

// idle says that there is no connection and that nothing is wrong with that.
func (c *camera) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == StateIdle
}

// watched counts a watcher in, until the function it returns is called, once.
func (c *camera) watched() (release func()) {
	c.mu.Lock()
	c.watchers++
	c.mu.Unlock()
	c.poke()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.watchers--
	}
}

// onMessage makes what the camera says by itself an event; nil: it is not listened to.
func (c *camera) onMessage() session.MessageHandler {
	if !c.cfg.Record.Messages {
		return nil
	}
	return func(_ context.Context, m session.Message) (string, error) {
		c.nvr.bus.publish(Event{Type: "camera.message", Camera: c.cfg.Name, Detail: MessageDetail{m.Data}})
		return "", c.nvr.Trigger(c.cfg.Name, EventMessage, 0)
	}
}
