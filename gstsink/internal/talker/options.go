// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"time"

	"github.com/xp2p/xp2p/session"
)

// Options are the settings of a Talker.
type Options struct {
	// Request says where to talk.
	Request session.VoiceRequest

	// Timeout bounds connecting and taking the line, and each time for which the
	// camera takes no sound; 0: no bound.
	Timeout time.Duration

	// StartTimeout bounds the wait for the first sound; 0: no bound. When nothing has come
	// for so long, Late hears of it once and the talker waits on; so long after the first
	// picture it is the talker's end.
	StartTimeout time.Duration

	// Late receives a *NoSoundError, or the *Error that it was the reason of; nil: nothing.
	// It is not called any more once Close has returned, and must not call Close.
	Late func(error)

	// Events receives the link's events; nil: none. It is not called any more once
	// Close has returned.
	Events func(session.Event)
}

const (
	// closeGrace is how long Close waits for the goodbye to reach the camera. A
	// network that hangs must not hold up whoever closes.
	closeGrace = 50 * time.Millisecond

	// lapse is the silence after which a line that the camera ended is taken anew
	// instead of being an error: the camera gives it to others after 5 s
	// (docs/design/0005, "Voice").
	lapse = 4 * time.Second
)
