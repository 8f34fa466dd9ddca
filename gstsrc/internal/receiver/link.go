// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"context"
	"io"

	"github.com/xp2p/xp2p/session"
)

// Dialer makes links to one camera.
type Dialer interface {
	// Dial connects. events receives what happens on the link, from any
	// goroutine, until the link is closed.
	Dial(ctx context.Context, events func(session.Event)) (Link, error)
}

// Sized is a stream that knows how long the whole file is.
type Sized interface{ Size() int64 }

// Swarmer is a link that may be one of many viewers' (1vN); false: it is not now.
type Swarmer interface {
	Swarm() (session.SwarmStats, bool)
}

// Link is an open connection to a camera.
type Link interface {
	// Stream asks for a stream by the query of its request and gives its bytes:
	// FLV, or a file's, and then it is a Sized. ctx bounds the call only. Closing
	// the stream, from any goroutine, wakes its Read. A read gives io.EOF when the
	// camera ended the stream.
	Stream(ctx context.Context, params string) (io.ReadCloser, error)
	// Command sends a command and waits for the reply. Any number of calls, from
	// any goroutine, also while the link is being closed.
	Command(ctx context.Context, command string) (session.CommandResult, error)
	// Path says how packets reach the camera now: "direct", "relay", "swarm",
	// "http".
	Path() string
	// Stats are the link's counters.
	Stats() session.LinkStats
	Close() error
}
