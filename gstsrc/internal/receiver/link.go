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

// Link is an open connection to a camera.
type Link interface {
	// Stream asks for a stream by the query of its request and gives its FLV
	// bytes. ctx bounds the call only. Closing the stream, from any goroutine,
	// wakes its Read. A read gives io.EOF when the camera ended the stream.
	Stream(ctx context.Context, params string) (io.ReadCloser, error)
	// Path says how packets reach the camera now: "direct", "relay".
	Path() string
	Close() error
}
