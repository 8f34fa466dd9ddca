// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"sync"
	"time"

	"github.com/xp2p/xp2p/session"
)

// Stats are counts since the receiver was made.
type Stats struct {
	Bytes       uint64 // of the joined stream
	Chunks      uint64
	Connections uint64 // streams that began
	Retries     uint64 // attempts made after a failure
	Damaged     uint64 // stretches of the camera's stream that were no FLV and were skipped
	Bitrate     uint64 // of the joined stream in bit/s, over the last seconds
	Path        string // how packets reach the camera now; "" while not connected
	Link        session.LinkStats
	Swarm       *session.SwarmStats // nil: not in a swarm
}

// counters are the Stats and what is asked for the link's part of them.
type counters struct {
	mu   sync.Mutex
	s    Stats
	rate meter
	link Link
	size int64 // of a file; 0: not known
}

func (c *counters) deliver(bytes int, damaged uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rate.add(time.Now(), bytes)
	c.s.Bytes += uint64(bytes)
	c.s.Chunks++
	c.s.Damaged = damaged
}

// connect notes the link there is.
func (c *counters) connect(l Link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = l
}

// begin notes a stream that begins.
func (c *counters) begin(s any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Connections++
	if f, ok := s.(Sized); ok {
		c.size = f.Size()
	}
}

// linked is the link there is, or nil.
func (c *counters) linked() Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link
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
	s.Bitrate = r.stats.rate.bits(time.Now())
	r.stats.mu.Unlock()
	if l != nil {
		s.Path, s.Link = l.Path(), l.Stats()
		if m, ok := l.(Swarmer); ok {
			if x, ok := m.Swarm(); ok {
				s.Swarm = &x
			}
		}
	}
	return s
}

// Size is how long the file of a Download is in bytes; 0: not known yet.
func (r *Receiver) Size() int64 {
	r.stats.mu.Lock()
	defer r.stats.mu.Unlock()
	return r.stats.size
}
