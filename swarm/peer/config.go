// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/xp2p/xp2p/internal/link"
)

// Config configures Start. It is copied.
type Config struct {
	// URL of the stream (required).
	URL string
	// CodeURL is where the stream's key is looked up, with the code in it
	// ("https://HOST/code/CODE"); empty: the stream must not be sealed.
	CodeURL string
	// Socket for links to other viewers, which Start does not close, and Identity, the
	// viewer's key; nil: it takes everything from the source.
	Socket   *link.Socket
	Identity *link.Identity
	// Servers for the links (STUN, TURN), besides the source's own; nil: none.
	Servers func(context.Context) []link.Server
	// NAT is the kind of the viewer's NAT as far as it is known (link.NATKind).
	NAT link.NATKind
	// RelayOnly leaves out direct paths.
	RelayOnly bool
	// MaxUpload bounds what is uploaded, bytes/s; 0: 85 % of what the line is found to carry.
	MaxUpload float64
	// NoUpload and NoDownload: other viewers get nothing from this one, and it nothing
	// from them. Switch changes them.
	NoUpload, NoDownload bool
	// HTTP is the client for the source and the key service; nil: one of its own. It must
	// not have a Timeout.
	HTTP *http.Client
	// OnEvent is told what happens; nil: nobody. It must not block.
	OnEvent func(Event)
	// Logger; nil: discarded.
	Logger *slog.Logger
}

func (c *Config) validate() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("not an http or https URL of a stream (https://HOST/live/a.flv)")
	}
	if (c.Socket == nil) != (c.Identity == nil) {
		return errors.New("a socket and an identity go together")
	}
	if c.MaxUpload < 0 {
		return errors.New("the upload limit is negative")
	}
	return nil
}

// EventKind says what an Event is.
type EventKind string

const (
	SourceLost  EventKind = "source-lost"  // the way to the source broke; Reason
	SourceFound EventKind = "source-found" // it stands again
	LinkUp      EventKind = "link-up"      // a link to the viewer Peer stands
	LinkDown    EventKind = "link-down"    // it is gone; Reason
	Polluter    EventKind = "polluter"     // Peer sent what the source has not signed, and was dropped; Reason
)

// Event is something that a swarm's owner may want to know.
type Event struct {
	Kind   EventKind
	Peer   string // 16 hex digits; empty: the source
	Reason string
}

var (
	// ErrNotSwarm says that what is at the URL is no stream of a swarm: it may be plain
	// http-flv.
	ErrNotSwarm = errors.New("there is no swarm at the URL")
	// ErrSealed says that the stream cannot be seen without a code, or not any more.
	ErrSealed = errors.New("the stream is sealed")
	// ErrOtherKey says that the source has another key than when the stream was joined.
	ErrOtherKey = errors.New("the source has another key now: join again")
)

// Refusal is the source's no. Code is the X-P2P result code.
type Refusal struct {
	Code   int    `json:"code"`
	Reason string `json:"error"`
}

func (r *Refusal) Error() string { return r.Reason }
