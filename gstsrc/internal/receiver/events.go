// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"sync"

	"github.com/xp2p/xp2p/session"
)

// Reconnecting is the subtype of the receiver's own event: it is going to
// connect again. Detail is a ReconnectDetail.
const Reconnecting = "reconnecting"

// ReconnectDetail describes the attempt that follows.
type ReconnectDetail struct {
	Attempt int          `json:"attempt"` // 1 is the first after a connection that worked
	DelayMS int64        `json:"delay-ms"`
	Reason  string       `json:"reason"`
	Code    session.Code `json:"code,omitempty"`
}

// gate passes events on until it is shut. shut waits for an event under way, so
// that nothing is called behind the back of whoever closed the receiver.
type gate struct {
	mu sync.RWMutex
	to func(session.Event) // nil: shut
}

func (g *gate) emit(e session.Event) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.to != nil {
		g.to(e)
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.to = nil
}
