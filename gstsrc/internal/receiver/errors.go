// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"errors"
	"fmt"
	"time"
)

// Phase says what the receiver was doing when it failed.
type Phase int

const (
	Opening Phase = iota // connecting, or asking for the stream
	Reading              // the stream had begun
)

// Error is the end of a receiver that cannot go on. Err is what the last
// attempt gave.
type Error struct {
	Phase    Phase
	Attempts int // how many failed in a row
	Err      error
}

func (e *Error) Error() string {
	what := "connect"
	if e.Phase == Reading {
		what = "receive"
	}
	if e.Attempts > 1 {
		return fmt.Sprintf("%s: %v (%d attempts)", what, e.Err, e.Attempts)
	}
	return fmt.Sprintf("%s: %v", what, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// TimeoutError says that the camera was silent for too long.
type TimeoutError struct{ After time.Duration }

func (e *TimeoutError) Error() string { return fmt.Sprintf("nothing from the camera for %v", e.After) }

// Timeout makes the error known to those who ask by the net.Error convention.
func (e *TimeoutError) Timeout() bool { return true }

var errClosed = errors.New("receiver is closed")
