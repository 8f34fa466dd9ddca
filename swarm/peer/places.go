// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"net/url"
	"slices"
)

// sentOn in the query asks a source not to send this viewer on to another one.
const sentOn = "_sent"

// maxPlaces bounds the URLs of a stream that a viewer remembers.
const maxPlaces = 10

// places are the URLs at which a stream's source and its mirrors are, all of which have
// the same chunks. It belongs to keepSource.
type places struct {
	asked string // for the stream
	urls  []string
	at    int // the one that was tried last
}

// found notes the way that stands, and what that source says of others; nil: there is none.
func (x *places) found(w *toSource) {
	if w == nil {
		return
	}
	x.urls = []string{w.base}
	for _, s := range append([]string{x.asked}, w.welcome.Sources...) {
		if u := x.like(s); u != "" && len(x.urls) < maxPlaces && !slices.Contains(x.urls, u) {
			x.urls = append(x.urls, u)
		}
	}
	x.at = -1
}

// next is where to try: where it was last, and then at the others in turn.
func (x *places) next() string {
	x.at = (x.at + 1) % len(x.urls)
	return x.urls[x.at]
}

// round says whether all places were tried since one stood.
func (x *places) round() bool { return x.at == len(x.urls)-1 }

// like is a source's URL with the query that the stream was asked for with; empty: a
// viewer that came by https does not go on without.
func (x *places) like(s string) string {
	u, err := url.Parse(s)
	a, _ := url.Parse(x.asked)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || a.Scheme == "https") {
		return ""
	}
	u.RawQuery, u.Fragment = a.RawQuery, ""
	return u.String()
}

// withoutRequest is the stream's URL of one of the swarm's requests.
func withoutRequest(u *url.URL) string {
	c := *u
	q := c.Query()
	q.Del("_swarm")
	q.Del("token")
	q.Del(sentOn)
	c.RawQuery = q.Encode()
	return c.String()
}
