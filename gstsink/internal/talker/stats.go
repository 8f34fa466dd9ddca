// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import "sync"

// Stats are counts since the talker was made.
type Stats struct {
	Buffers uint64 // taken
	Bytes   uint64 // of coded sound that was said
	Talks   uint64 // how often the line was taken
	// Pictures were said, Dropped not: they were too large for the camera, or what they need
	// was not said.
	Pictures, Dropped uint64

	Format string // the sound that the camera takes: "alaw;rate=8000;channels=1"; "" before the first talk
	Path   string // how packets reach the camera now; "" while not connected
}

// counters are the Stats and what is asked for the path.
type counters struct {
	mu   sync.Mutex
	s    Stats
	link Link
}

func (c *counters) change(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.s)
}

func (c *counters) connected(l Link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = l
}

// Stats are the counts so far.
func (t *Talker) Stats() Stats {
	t.stats.mu.Lock()
	s, l := t.stats.s, t.stats.link
	t.stats.mu.Unlock()
	if l != nil {
		s.Path = l.Path()
	}
	return s
}
