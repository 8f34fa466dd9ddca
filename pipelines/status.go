// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"errors"
	"time"
)

// State is where a pipeline stands.
type State string

const (
	StateStarting State = "starting" // its cameras are waited for, or the process prepares
	StatePlaying  State = "playing"
	StateWaiting  State = "waiting" // it ended; Retry says when it begins again
	StateFailed   State = "failed"  // it ended and does not begin again by itself
	StateStopped  State = "stopped" // it was stopped, or came to its end, or was never started
)

// Status is what is known of a pipeline now.
type Status struct {
	Name    string    `json:"name"`
	Use     string    `json:"use,omitempty"` // the ready-made pipeline; "": a line of its own
	Cameras []string  `json:"cameras,omitempty"`
	Run     string    `json:"run"` // "always" or "manual"
	State   State     `json:"state"`
	Since   time.Time `json:"since,omitzero"` // of the state
	PID     int       `json:"pid,omitempty"`  // of the process, while there is one
	Starts  int       `json:"starts"`         // processes so far

	Error   string    `json:"error,omitempty"` // why the last attempt ended
	Code    int       `json:"code,omitempty"`  // its X-P2P code, where it has one
	ErrorAt time.Time `json:"error_at,omitzero"`
	Retry   time.Time `json:"retry,omitzero"` // when it begins again
}

// Event is something that happened to a pipeline, or in its picture.
type Event struct {
	Time     time.Time `json:"time"`
	Pipeline string    `json:"pipeline"`
	Type     string    `json:"type"` // "state" or "motion"
	Status   *Status   `json:"status,omitempty"`
	Motion   *Motion   `json:"motion,omitempty"`
	Cameras  []string  `json:"cameras,omitempty"` // that are looked at, with Motion
}

// LineError says that gst-launch cannot make a pipeline of the line: it is not tried
// again.
type LineError struct{ Say string }

func (e *LineError) Error() string { return "the line is no pipeline: " + e.Say }

// XP2PCode is that of a bad argument (reference/xp2p.md §2).
func (e *LineError) XP2PCode() int { return -2000 }

// codeOf is the X-P2P code of an error; 0: it has none.
func codeOf(err error) int {
	var c interface{ XP2PCode() int }
	if errors.As(err, &c) {
		return c.XP2PCode()
	}
	return 0
}
