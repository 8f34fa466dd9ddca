// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"errors"
	"fmt"
	"time"

	"github.com/xp2p/xp2p/internal/talk"
	"github.com/xp2p/xp2p/session"
)

// Phase says what a talker was doing when it failed.
type Phase int

const (
	Opening Phase = iota // connecting, or taking the line
	Talking              // the line was ours
	Ending               // all was said, the camera had not played it yet
)

func (p Phase) String() string { return [...]string{"take the line", "talk", "end the talk"}[p] }

// Error is the end of a talker that cannot go on.
type Error struct {
	Phase Phase
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("%v: %v", e.Phase, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// TimeoutError says that the camera did not take the line, or sound, for too long.
type TimeoutError struct{ After time.Duration }

func (e *TimeoutError) Error() string { return fmt.Sprintf("nothing from the camera for %v", e.After) }

// Timeout makes the error known to those who ask by the net.Error convention.
func (e *TimeoutError) Timeout() bool { return true }

// formatError says that the camera has no use for the sound.
func formatError(has, want talk.Format) error {
	return &session.Error{Op: "startVoiceService", Code: session.NotSupported,
		Err: fmt.Errorf("the camera takes %v, and cannot be given %v", want, has)}
}

var (
	errClosed  = errors.New("talker is closed")
	errNoSound = errors.New("sound came before its format")
)
