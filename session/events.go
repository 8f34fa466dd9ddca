// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import "net/http"

// EventKind is the first argument of the original's msgCallback.
type EventKind string

const (
	Notify EventKind = "notify"
	Log    EventKind = "log"
)

// The subtypes of a Notify event (reference/xp2p.md §2, "Events").
const (
	Connected  = "connected"  // the link to the camera stands
	Request    = "request"    // a request begins; Detail is a RequestDetail
	Parsed     = "parsed"     // the response header was read; Detail is a ParsedDetail
	Closed     = "close"      // closed by us
	EOF        = "eof"        // the stream ended
	Disconnect = "disconnect" // the stream or the link broke; Detail is a DisconnectDetail
	// PathChanged is an addition of ours: the link moved to another path; Detail is a PathDetail.
	PathChanged = "pathChanged"
)

// Event is what msgCallback(event, subtype, detail) receives.
type Event struct {
	Service string    `json:"id"` // id of the service, as given to StartService
	Kind    EventKind `json:"event"`
	Subtype string    `json:"subtype"`
	Detail  any       `json:"detail,omitempty"`
}

// RequestDetail describes a request that begins.
type RequestDetail struct {
	Method string `json:"method"`
	Path   string `json:"path"` // with the query
}

// ParsedDetail is the response header of a request.
type ParsedDetail struct {
	Status  int         `json:"status"`
	Headers http.Header `json:"headers"`
}

// DisconnectDetail says why a stream or link broke.
type DisconnectDetail struct {
	Reason string `json:"reason"`
	Code   Code   `json:"code,omitempty"`
}

// PathDetail says how packets reach the camera now.
type PathDetail struct {
	Path   string `json:"path"`   // "direct" or "relay"
	Local  string `json:"local"`  // local candidate, "host 192.0.2.1:4000"
	Remote string `json:"remote"` // remote candidate
}
