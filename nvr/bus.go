// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"sync"
	"time"
)

// Event is something that happened.
type Event struct {
	Time time.Time `json:"time"`
	// Type: "export.progress" and "export.done" (Detail is an ExportDetail), "camera.state" (Detail is a CameraStatus), "camera.event" (a session.Event
	// of a camera reached by xp2pInfo), those of NVR.notice, "lost" (a LostDetail), or what Publish was given.
	Type   string `json:"type"`
	Camera string `json:"camera,omitempty"`
	Detail any    `json:"detail,omitempty"`
}

// LostDetail says that a subscriber was too slow.
type LostDetail struct {
	Events int `json:"events"` // how many it did not get
}

// subscriptionQueue is how many events wait for a subscriber. When it is full new
// ones are lost to it, and the next one it takes is preceded by "lost".
const subscriptionQueue = 256

// Subscription receives events until it is closed.
type Subscription struct {
	// C is closed when the service ends or Close was called.
	C    <-chan Event
	c    chan Event
	lost int // guarded by bus.mu
	bus  *bus
}

// bus hands events to subscribers and waits for none of them.
type bus struct {
	mu     sync.Mutex
	subs   map[*Subscription]struct{}
	closed bool
}

func (b *bus) subscribe() *Subscription {
	c := make(chan Event, subscriptionQueue)
	s := &Subscription{C: c, c: c, bus: b}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		close(c)
		return s
	}
	if b.subs == nil {
		b.subs = map[*Subscription]struct{}{}
	}
	b.subs[s] = struct{}{}
	return s
}

// Close ends the subscription; more than once is no error.
func (s *Subscription) Close() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	if _, ok := s.bus.subs[s]; ok {
		delete(s.bus.subs, s)
		close(s.c)
	}
}

func (b *bus) publish(e Event) {
	e.Time = time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	for s := range b.subs {
		if s.lost > 0 && len(s.c) < cap(s.c)-1 {
			s.c <- Event{Time: e.Time, Type: "lost", Detail: LostDetail{s.lost}}
			s.lost = 0
		}
		if s.lost > 0 {
			s.lost++
			continue
		}
		select {
		case s.c <- e:
		default:
			s.lost++
		}
	}
}

// Publish tells subscribers of something that happened beside the recorder, such as
// in a pipeline. Time is set by it.
func (n *NVR) Publish(e Event) { n.bus.publish(e) }

func (b *bus) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for s := range b.subs {
		delete(b.subs, s)
		close(s.c)
	}
}
