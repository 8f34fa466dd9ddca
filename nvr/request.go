// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"fmt"
	"slices"
	"time"

	"github.com/xp2p/xp2p/session"
)

// The kinds of events that this program makes itself.
const (
	EventMotion  = "motion"  // of a pipeline that looks at the camera
	EventMessage = "message" // the camera said something by itself
)

// MessageDetail is the Detail of a "camera.message" event.
type MessageDetail struct {
	Data string `json:"data"`
}

// TriggerDetail is the Detail of an "event" event.
type TriggerDetail struct {
	Kind  string    `json:"kind"`
	Until time.Time `json:"until"` // as far as it is known; its post-roll comes behind it
}

// maxKind bounds the name of a kind of events.
const maxKind = 64

// StartRecording records a camera from now on, whatever its configuration, pre-roll
// included: for d, or until StopRecording where d is 0.
func (n *NVR) StartRecording(camera string, d time.Duration) error {
	const op = "record.start"
	c, err := n.find(op, camera)
	if err != nil {
		return err
	}
	if d < 0 {
		return &session.Error{Op: op, Code: session.BadArgument, Err: fmt.Errorf("a negative time: %v", d)}
	}
	until := time.Unix(1<<40, 0)
	now := time.Now()
	if d > 0 {
		until = now.Add(d)
	}
	c.mu.Lock()
	c.demand.request = until
	c.mu.Unlock()
	c.evaluate(now)
	return nil
}

// StopRecording takes StartRecording back; a camera that is recorded for another
// reason still is.
func (n *NVR) StopRecording(camera string) error {
	c, err := n.find("record.stop", camera)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.demand.request = time.Time{}
	c.mu.Unlock()
	c.evaluate(time.Now())
	return nil
}

// Trigger notes an event of a camera: something that happened now and lasts for d,
// at most an hour. Cameras that are recorded for events are, with their pre- and
// post-roll, this one and those that have it among their EventsOf. Another event of the
// same kind prolongs the first.
func (n *NVR) Trigger(camera, kind string, d time.Duration) error {
	if d < 0 || d > openEvent {
		return &session.Error{Op: "event.trigger", Code: session.BadArgument, Err: fmt.Errorf("%v is not between 0 and %v", d, openEvent)}
	}
	return n.happened("event.trigger", camera, kind, time.Now().Add(d), false)
}

// BeginEvent is Trigger for an event whose end is not known: EndEvent tells it, or
// it ends after an hour.
func (n *NVR) BeginEvent(camera, kind string) error {
	return n.happened("event.begin", camera, kind, time.Now().Add(openEvent), false)
}

// EndEvent ends what BeginEvent began, or a Trigger early. Its post-roll begins now.
func (n *NVR) EndEvent(camera, kind string) error {
	return n.happened("event.end", camera, kind, time.Now(), true)
}

func (n *NVR) happened(op, camera, kind string, until time.Time, ends bool) error {
	bad := func(err error) error { return &session.Error{Op: op, Code: session.BadArgument, Err: err} }
	if kind == "" || len(kind) > maxKind {
		return bad(fmt.Errorf("the kind of an event has 1 to %d characters", maxKind))
	}
	at, err := n.find(op, camera)
	if err != nil {
		return err
	}
	at.rec.Event(kind, time.Now(), until, ends)
	for _, c := range n.all() {
		c.mu.Lock()
		cfg := &c.demand.cfg
		mine := c.cfg.Name == camera
		if cfg.When != RecordEvents || !mine && !slices.Contains(cfg.EventsOf, camera) {
			c.mu.Unlock()
			continue
		}
		kind := kind
		if !mine {
			kind = camera + "/" + kind
		}
		var err error
		if end := until.Add(cfg.PostRoll); !ends {
			err = c.demand.trigger(kind, end)
		} else if _, lasts := c.demand.events[kind]; lasts {
			c.demand.events[kind] = end
		}
		c.mu.Unlock()
		if err != nil {
			return bad(err)
		}
		c.evaluate(time.Now())
	}
	n.bus.publish(Event{Type: "event", Camera: camera, Detail: TriggerDetail{kind, until}})
	return nil
}
