// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

// Window keeps the latest chunks of a stream, those that others may still need. It is
// bounded by number and bytes: the oldest go first. It is not safe for concurrent use.
type Window struct {
	maxBytes int
	ring     []*Chunk // by sequence modulo its length
	low      uint64   // no chunk in front of it is kept
	high     uint64   // behind the newest that was put
	bytes    int
	some     bool
}

// NewWindow makes one for at most count chunks (rounded up to a power of two) and maxBytes.
func NewWindow(count, maxBytes int) *Window {
	n := 1
	for n < count {
		n *= 2
	}
	return &Window{maxBytes: maxBytes, ring: make([]*Chunk, n)}
}

func (w *Window) at(sequence uint64) **Chunk { return &w.ring[sequence&uint64(len(w.ring)-1)] }

// Put keeps a chunk; false: it is there already, or too old.
func (w *Window) Put(c *Chunk) bool {
	seq := c.Sequence
	switch n := uint64(len(w.ring)); {
	case !w.some:
		w.low, w.high, w.some = seq, seq+1, true
	case seq < w.low:
		if w.high-seq > n {
			return false
		}
		w.low = seq // the first chunks do not come in order
	case seq >= w.high:
		if seq-w.high >= n { // a new run: nothing of the old one is near
			w.forget(w.high)
			w.low = seq
		} else if seq+1 > n {
			w.forget(seq + 1 - n)
		}
		w.high = seq + 1
	}
	slot := w.at(seq)
	if *slot != nil {
		return false
	}
	*slot = c
	w.bytes += len(c.raw)
	for w.bytes > w.maxBytes && w.low < w.high-1 {
		w.forget(w.low + 1)
	}
	return w.Get(seq) != nil
}

// forget lets go of all in front of a sequence.
func (w *Window) forget(before uint64) {
	for ; w.low < before; w.low++ {
		if slot := w.at(w.low); *slot != nil {
			w.bytes -= len((*slot).raw)
			*slot = nil
		}
	}
}

// Get finds a chunk; nil: it is not there.
func (w *Window) Get(sequence uint64) *Chunk {
	if !w.some || sequence < w.low || sequence >= w.high {
		return nil
	}
	return *w.at(sequence)
}

// Bounds are the sequences between which chunks are kept: low ≤ sequence < high.
func (w *Window) Bounds() (low, high uint64) { return w.low, w.high }

// Bytes is how much is kept.
func (w *Window) Bytes() int { return w.bytes }

// LastKey is the newest chunk at which a stream can begin; nil: there is none.
func (w *Window) LastKey() *Chunk {
	for seq := w.high; seq > w.low; seq-- {
		if c := w.Get(seq - 1); c != nil && c.Flags&Key != 0 {
			return c
		}
	}
	return nil
}
