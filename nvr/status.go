// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"sync"
	"time"

	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

// CameraState is where a camera's loop stands.
type CameraState string

const (
	StateConnecting CameraState = "connecting" // an attempt has begun, no picture yet
	StateLive       CameraState = "live"       // pictures arrive
	StateWaiting    CameraState = "waiting"    // the last attempt ended; Retry says when the next begins
	StateIdle       CameraState = "idle"       // nobody needs the stream now: there is no connection
	StateStopped    CameraState = "stopped"    // the camera was removed, or the service ends
)

// CameraStatus is what is known of a camera now.
type CameraStatus struct {
	Name     string      `json:"name"`
	Source   string      `json:"source"` // "xp2p", "http-flv" or "1vn"
	State    CameraState `json:"state"`
	Since    time.Time   `json:"since"`            // of the state
	Path     string      `json:"path,omitempty"`   // "direct", "relay", "http" or "swarm" while live
	Bitrate  int64       `json:"bitrate"`          // received, bit/s over the last seconds
	Received int64       `json:"bytes_received"`   // since the service began
	Frames   int64       `json:"frames"`           // pictures since the service began
	Damage   int64       `json:"damage,omitempty"` // stretches of bytes that were no valid tags
	Attempts int         `json:"attempts"`
	// Recording is why the camera is to be recorded now: "always", "schedule", "event",
	// "request"; "": it is not. Whether it is, is a matter of State and of the ledger.
	Recording string `json:"recording"`
	Watchers  int    `json:"watchers,omitempty"` // of its live stream

	Swarm *session.SwarmStats `json:"swarm,omitempty"` // of a 1vN stream, since it was connected

	Recorded recorder.CameraStats `json:"recorded"`

	Error   string    `json:"error,omitempty"` // why the last attempt ended
	Code    int       `json:"code,omitempty"`  // its X-P2P code, where it has one
	ErrorAt time.Time `json:"error_at,omitzero"`
	Retry   time.Time `json:"retry,omitzero"` // when the next attempt begins
}

func (c *camera) status() CameraStatus {
	s := CameraStatus{
		Name: c.cfg.Name, Source: "xp2p", Bitrate: c.meter.rate(), Received: c.received.Load(),
		Frames: c.frames.Load(), Damage: c.damage.Load(), Recorded: c.rec.Stats(),
	}
	switch {
	case c.cfg.Many():
		s.Source = "1vn"
	case c.cfg.URL != "":
		s.Source = "http-flv"
	}
	c.mu.Lock()
	s.Recording, s.Watchers = c.reason, c.watchers
	s.State, s.Since, s.Retry, s.Attempts, s.ErrorAt = c.state, c.since, c.retry, c.tries, c.errAt
	err := c.err
	c.mu.Unlock()
	if err != nil {
		s.Error = err.Error()
		if code, ok := session.CodeOf(err); ok {
			s.Code = int(code)
		}
	}
	if s.State == StateLive {
		s.Path, s.Swarm = c.source.path(), c.swarm()
	} else {
		s.Bitrate = 0
	}
	return s
}

// meter is a bit rate over the last meterSpan samples, one per second.
type meter struct {
	mu    sync.Mutex
	at    [meterSpan + 1]time.Time
	bytes [meterSpan + 1]int64
	n     int // samples taken
}

const meterSpan = 5

func (m *meter) sample(now time.Time, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.n % len(m.at)
	m.at[i], m.bytes[i] = now, total
	m.n++
}

// rate is in bit/s; 0 until there are two samples.
func (m *meter) rate() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n < 2 {
		return 0
	}
	last := (m.n - 1) % len(m.at)
	first := 0
	if m.n > len(m.at) {
		first = m.n % len(m.at)
	}
	span := m.at[last].Sub(m.at[first]).Seconds()
	if span <= 0 {
		return 0
	}
	return int64(float64(m.bytes[last]-m.bytes[first]) * 8 / span)
}
