// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"time"

	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// signalBurst and signalRate (each second) bound the signals of one member: a link takes
	// about ten, and a newcomer begins three at a time. What is more is not passed on.
	signalBurst = 256
	signalRate  = 64
	// askLeast is how far apart a member's questions for others are at least; viewers ask
	// every 1.5 s at most.
	askLeast = 500 * time.Millisecond
)

// talk is how much a member has said. Its fields belong to room.mu.
type talk struct {
	signals float64 // of the burst that are used, as at last
	last    time.Time
	asked   time.Time
}

func (t *talk) signal(now time.Time) bool {
	t.signals = max(0, t.signals-signalRate*now.Sub(t.last).Seconds())
	t.last = now
	if t.signals >= signalBurst {
		return false
	}
	t.signals++
	return true
}

func (t *talk) ask(now time.Time) bool {
	if now.Sub(t.asked) < askLeast {
		return false
	}
	t.asked = now
	return true
}

// mostLag bounds the lag that a member can say it has.
const mostLag = time.Minute

// note takes what a member says of itself into the stream's statistics, as far as it can
// be: it has had no more of the stream than was kept when it joined, and has come since.
// Called with mu held.
func (m *room) note(v *viewer, rep *wire.Report) {
	all, _ := m.s.hub.bytes()
	if had := min(rep.P2PBytes, all-v.base); had > v.p2p {
		m.p2p += had - v.p2p
		v.p2p = had
	}
	if n := uint64(len(rep.Bad)); n > v.bad {
		m.polluted += n - v.bad
		v.bad = n
	}
	v.reported = true
	v.lag = time.Duration(min(max(rep.LagMS, 0), int(mostLag/time.Millisecond))) * time.Millisecond
	v.continuity = min(max(rep.Continuity, 0), 1)
}
