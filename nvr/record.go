// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// RecordConfig says when a camera is recorded.
type RecordConfig struct {
	When     RecordWhen
	Schedule Schedule // only then; a request (record.start) comes before it
	// PreRoll is how much from before an event, a request or the schedule's hours is
	// recorded too. A camera with one is connected all the time; one without is only
	// while it is recorded or watched.
	PreRoll time.Duration
	// PostRoll is how long recording goes on behind an event.
	PostRoll time.Duration
	// EventsOf are other cameras whose events are this one's too.
	EventsOf []string
	// Messages: what the camera says by itself (GET /events) is an event.
	Messages bool
}

// RecordWhen is what a camera is recorded for, besides requests.
type RecordWhen string

const (
	RecordAlways  RecordWhen = "always"  // all the time
	RecordEvents  RecordWhen = "events"  // around events
	RecordRequest RecordWhen = "request" // when somebody asks for it only
)

const (
	defaultPreRoll  = 5 * time.Second
	defaultPostRoll = 10 * time.Second
	// mostPreRoll is what a configuration may ask for; maxPreRoll bounds it in bytes.
	mostPreRoll  = 5 * time.Minute
	mostPostRoll = time.Hour
)

// whole says that the camera is recorded all the time.
func (r *RecordConfig) whole() bool { return r.When == RecordAlways && len(r.Schedule) == 0 }

func (r *RecordConfig) decode(n *yaml.Node, key string) error {
	r.PreRoll = -1
	when := string(RecordAlways)
	if err := fields(n, key, map[string]func(*yaml.Node, string) error{
		"when": choice(&when, string(RecordAlways), string(RecordEvents), string(RecordRequest)),
		"schedule": items(func(n *yaml.Node, key string) error {
			h, err := ParseHours(n.Value)
			if err != nil {
				return wrong(n, key, err.Error())
			}
			r.Schedule = append(r.Schedule, h)
			return nil
		}),
		"pre-roll":  duration(&r.PreRoll, 0, mostPreRoll),
		"post-roll": duration(&r.PostRoll, 0, mostPostRoll),
		"events-of": texts(&r.EventsOf),
		"messages":  boolean(&r.Messages),
	}); err != nil {
		return err
	}
	r.When = RecordWhen(when)
	if r.When != RecordEvents && (len(r.EventsOf) > 0 || r.Messages) {
		return wrong(n, key, "has events-of or messages: they go with when: events")
	}
	if r.When == RecordRequest && len(r.Schedule) > 0 {
		return wrong(value(n, "schedule"), key+".schedule", "does not go with when: request, which is recorded at any hour")
	}
	if value(n, "post-roll") == n {
		r.PostRoll = defaultPostRoll
	}
	if r.PreRoll < 0 {
		r.PreRoll = defaultPreRoll
		if r.When == RecordAlways {
			r.PreRoll = 0
		}
	}
	return nil
}

// resolveRecord checks what concerns several cameras.
func (c *Config) resolveRecord(n *yaml.Node) error {
	for i := range c.Cameras {
		cam := &c.Cameras[i]
		for j, name := range cam.Record.EventsOf {
			known := slices.ContainsFunc(c.Cameras, func(other CameraConfig) bool { return other.Name == name })
			if !known || name == cam.Name {
				at := value(value(value(n, "cameras").Content[i], "record"), "events-of")
				return wrong(at, fmt.Sprintf("cameras[%d].record.events-of[%d]", i, j), fmt.Sprintf("%q is no other camera of this configuration", name))
			}
		}
	}
	return nil
}

// openEvent is the longest that an event without an end counts: whoever should have
// ended it is gone.
const openEvent = time.Hour

// maxKinds bounds how many kinds of events a camera has at a time.
const maxKinds = 64

// demand says whether a camera is to be recorded. It is guarded by camera.mu.
type demand struct {
	cfg     RecordConfig
	request time.Time            // recorded on request until then
	events  map[string]time.Time // kind -> end, post-roll and all
}

// Why a camera is recorded.
const (
	ForAlways   = "always"
	ForSchedule = "schedule"
	ForEvent    = "event"
	ForRequest  = "request"
)

// why is the reason to record now; "": there is none.
func (d *demand) why(now time.Time) string {
	if d.cfg.whole() {
		return ForAlways
	}
	if now.Before(d.request) {
		return ForRequest
	}
	for kind, until := range d.events {
		if !now.Before(until) {
			delete(d.events, kind)
		}
	}
	switch {
	case !d.cfg.Schedule.Contains(now):
	case d.cfg.When == RecordAlways:
		return ForSchedule
	case d.cfg.When == RecordEvents && len(d.events) > 0:
		return ForEvent
	}
	return ""
}

// trigger notes an event from now on; another of its kind prolongs it.
func (d *demand) trigger(kind string, until time.Time) error {
	if d.events == nil {
		d.events = map[string]time.Time{}
	}
	if _, known := d.events[kind]; !known && len(d.events) >= maxKinds {
		return fmt.Errorf("%d kinds of events at a time are too many", maxKinds+1)
	}
	if until.After(d.events[kind]) {
		d.events[kind] = until
	}
	return nil
}
