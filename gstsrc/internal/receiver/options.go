// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"time"

	"github.com/xp2p/xp2p/session"
)

// Options are the settings of a Receiver.
type Options struct {
	// Params is the query of the stream's request. What Mode adds to it is replaced
	// there: start_time and end_time, or offset.
	Params string

	// Mode says what kind of stream that is.
	Mode Mode

	// Start and End are the interval of a Playback, in whole seconds.
	Start, End time.Time

	// Reconnect makes a broken or refused connection be tried again, unless its
	// result code says that this cannot help.
	Reconnect bool

	// Retries is how many attempts may fail in a row before Next gives the
	// error; negative: no limit. Every byte received starts the count anew.
	Retries int

	// RetryDelay is the wait before the first new attempt. It doubles with each
	// failure in a row, up to maxRetryDelay.
	RetryDelay time.Duration

	// Timeout bounds an attempt to connect and start the stream, and each
	// silence of a stream that runs; 0: no bound.
	Timeout time.Duration

	// Events receives the link's events and the receiver's own; nil: none. It is
	// not called any more once Close has returned.
	Events func(session.Event)
}

const (
	// maxRetryDelay keeps the wait for a camera that was away for long bounded.
	maxRetryDelay = 10 * time.Second

	// closeGrace is how long Close waits for the goodbye to reach the camera. A
	// network that hangs must not hold up whoever closes.
	closeGrace = 50 * time.Millisecond
)
