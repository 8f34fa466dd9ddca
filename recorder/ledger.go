// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import "time"

// ledger explains one camera's time: what is not covered by segments is covered
// by gaps. It belongs to the committer of the camera's storage and so sees parts
// and marks in the order in which they became durable.
type ledger struct {
	camera  int64     // row id
	covered time.Time // everything up to here is explained, an open gap apart
	open    *Gap      // a gap without end; its From is covered or later
	unsaved []*Gap    // not in the index yet: the storage was failing
}

// maxUnsaved bounds what waits for a failing storage; beyond it neighbours are merged.
const maxUnsaved = 256

// mark opens a gap at the end of what is covered, or changes the cause from at on.
func (l *ledger) mark(cause Cause, at time.Time) {
	if g := l.open; g != nil {
		if g.Cause == cause {
			return
		}
		if at.After(g.From) {
			l.end(at)
		} else {
			g.Cause = cause
			l.save(g)
			return
		}
	}
	l.open = &Gap{From: l.covered, Cause: cause}
	l.save(l.open)
}

// cover notes that [from, to) is in a segment. A hole before it that nobody
// explained is the camera's: it sent nothing that could be recorded.
func (l *ledger) cover(from, to time.Time) {
	if l.open != nil {
		l.end(from)
	} else if from.After(l.covered) && !l.covered.IsZero() {
		g := &Gap{From: l.covered, To: from, Cause: CauseCamera}
		l.save(g)
	}
	if to.After(l.covered) {
		l.covered = to
	}
}

// end closes the open gap; one without length disappears.
func (l *ledger) end(at time.Time) {
	g := l.open
	l.open = nil
	if at.After(g.From) {
		g.To = at
		l.covered = at
	} else {
		g.void = true
	}
	l.save(g)
}

// save queues g for the index, once.
func (l *ledger) save(g *Gap) {
	for _, u := range l.unsaved {
		if u == g {
			return
		}
	}
	if n := len(l.unsaved); n >= maxUnsaved && l.unsaved[n-1] != l.open && l.unsaved[n-1].id == 0 && !g.void {
		last := l.unsaved[n-1] // grow the neighbour instead
		if g == l.open {
			g.From = last.From
			l.unsaved[n-1] = g
		} else {
			last.To = g.To
		}
		return
	}
	l.unsaved = append(l.unsaved, g)
}

// Gap is an interval in which a camera was wanted and not recorded.
type Gap struct {
	Camera string    `json:"camera"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to,omitzero"` // zero: not over
	Cause  Cause     `json:"cause"`

	id   int64 // row, 0: none yet
	void bool  // has no length: its row goes
}
