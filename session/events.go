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

	// Of the module (the original's eventHandler); Event.Service is empty.
	NATChanged = "natChanged" // Detail is a NAT
	NATError   = "natError"   // the network could not be probed; Detail is a DisconnectDetail

	// Additions of ours.
	PathChanged  = "pathChanged"  // the link moved to another path; Detail is a PathDetail
	Reconnecting = "reconnecting" // the camera is about to be joined again; Detail is a ReconnectDetail
	Level        = "level"        // our send buffer at the camera passed a watermark; Detail is a LevelDetail
)

// The subtypes of a Log event; Detail is the line, a string.
const (
	LogDebug = "log"
	LogInfo  = "info"
	LogWarn  = "warn"
	LogError = "error"
)

// Event is what msgCallback(event, subtype, detail) receives.
type Event struct {
	Service string    `json:"id"` // id of the service, as given to StartService; empty: the module
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
	// Final: the service does not try again by itself. Such an event says that the
	// camera would refuse every time (an xp2pInfo that expired or was revoked).
	Final bool `json:"final,omitempty"`
}

// ReconnectDetail describes the attempt that follows.
type ReconnectDetail struct {
	// Attempt is 1 for the first new link; 0 says that the link that stands is silent
	// and looks for another path (an ICE restart).
	Attempt int    `json:"attempt"`
	DelayMS int64  `json:"delay-ms"` // until then
	Reason  string `json:"reason"`
	Code    Code   `json:"code,omitempty"`
}

// LevelDetail is a watermark of the camera's send buffer for this viewer
// (reference/xp2p.md §5).
type LevelDetail struct {
	Channel int    `json:"channel"`
	Level   string `json:"level"` // "LOW", "WARN", "HIGH"
}

// PathDetail says how packets reach the camera now.
type PathDetail struct {
	Path   string `json:"path"`   // "direct" or "relay"; of a 1vN stream "swarm" or "http"
	Local  string `json:"local"`  // local candidate, "host 192.0.2.1:4000"
	Remote string `json:"remote"` // remote candidate
}
