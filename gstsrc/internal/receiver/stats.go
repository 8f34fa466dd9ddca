// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import "sync"

// Stats are counts since the receiver was made.
type Stats struct {
	Bytes       uint64 // of the joined stream
	Chunks      uint64
	Connections uint64 // streams that began
	Retries     uint64 // attempts made after a failure
	Damaged     uint64 // stretches of the camera's stream that were no FLV and were skipped
	Path        string // how packets reach the camera now; "" while not connected
}

// counters are the Stats and what is asked for the path.
type counters struct {
	mu   sync.Mutex
	s    Stats
	link Link
}

func (c *counters) deliver(bytes int, damaged uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Bytes += uint64(bytes)
	c.s.Chunks++
	c.s.Damaged = damaged
}

func (c *counters) connect(l Link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Connections++
	c.link = l
}

func (c *counters) retry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Retries++
}

func (c *counters) disconnect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = nil
}

// Stats are the counts so far.
func (r *Receiver) Stats() Stats {
	r.stats.mu.Lock()
	s, l := r.stats.s, r.stats.link
	r.stats.mu.Unlock()
	if l != nil {
		s.Path = l.Path()
	}
	return s
}
