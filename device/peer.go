// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/xp2p/xp2p/grant"
)

// Peer is who asks: one admitted viewer.
type Peer struct {
	ID    string       // of its connection, for counting and logs
	Grant *grant.Grant // what it may do; nil: everything
	// Requester and UserArgs are what the request says of itself (reference/xp2p.md
	// §3): claims of the viewer's program, not proven.
	Requester, UserArgs string
}

func (p Peer) allows(r grant.Right) bool { return p.Grant == nil || p.Grant.Allows(r) }

type peerKey struct{}

// WithPeer says who sends the requests of a context.
func WithPeer(ctx context.Context, p Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

// PeerFrom is for whom a CommandHandler, an Archive or a Speaker is called; the
// zero Peer outside of a request.
func PeerFrom(ctx context.Context) Peer {
	p, _ := ctx.Value(peerKey{}).(Peer)
	return p
}

// Limits of what a request says of itself (reference/xp2p.md §3), in bytes.
const (
	maxRequester = 64
	maxUserArgs  = 1 << 10
)

// identify finds out who sends r, whose parameters param gives, and puts it into
// the request's context.
func identify(r *http.Request, param func(string) string) (*http.Request, Peer, error) {
	p := PeerFrom(r.Context())
	if p.ID == "" {
		p.ID = r.RemoteAddr
	}
	p.Requester, p.UserArgs = param("requester"), param("user_args")
	if len(p.Requester) > maxRequester {
		return r, p, fmt.Errorf("requester has %d bytes, at most %d are allowed", len(p.Requester), maxRequester)
	}
	if len(p.UserArgs) > maxUserArgs {
		return r, p, fmt.Errorf("user_args has %d bytes, at most %d are allowed", len(p.UserArgs), maxUserArgs)
	}
	return r.WithContext(WithPeer(r.Context(), p)), p, nil
}

// readRequest reads who asks, and with which parameters; where it cannot, it has
// refused and ok is false.
func readRequest(w http.ResponseWriter, r *http.Request) (_ *http.Request, q url.Values, peer Peer, ok bool) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, statusNotFound, "the parameters cannot be read: "+err.Error())
		return r, nil, Peer{}, false
	}
	r, peer, err = identify(r, q.Get)
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return r, nil, Peer{}, false
	}
	return r, q, peer, true
}
