// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"sync"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// windowChunks and windowBytes bound what is kept for repair and for newcomers: a
	// minute or so of a usual stream. Whoever is further behind has lost chunks.
	windowChunks = 2048
	windowBytes  = 24 << 20
	// maxEpochs bounds the epochs that are kept; older ones have no chunks any more.
	maxEpochs = 64
)

// hub has the latest chunks of a stream. Readers take from it at their own pace; one
// that is too slow finds chunks gone. Nothing waits for a reader.
type hub struct {
	mu     sync.Mutex
	window *chunk.Window
	epochs []*chunk.Epoch // the oldest first
	fresh  chan struct{}  // closed when there is something new
	last   time.Time      // when a chunk came
	all    uint64         // bytes of all chunks so far
}

func newHub() *hub {
	return &hub{window: chunk.NewWindow(windowChunks, windowBytes), fresh: make(chan struct{})}
}

func (h *hub) begin(e *chunk.Epoch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.epochs) == maxEpochs {
		h.epochs = append(h.epochs[:0], h.epochs[1:]...)
	}
	h.epochs = append(h.epochs, e)
}

// beginAgain is begin for an epoch that may be here.
func (h *hub) beginAgain(e *chunk.Epoch) {
	h.mu.Lock()
	known := h.epochOf(e.Number) != nil
	h.mu.Unlock()
	if !known {
		h.begin(e)
	}
}

// number is that of the newest epoch; 0: there is none.
func (h *hub) number() uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.epochs) == 0 {
		return 0
	}
	return h.epochs[len(h.epochs)-1].Number
}

// end is behind the newest chunk; 0: there is none.
func (h *hub) end() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, high := h.window.Bounds()
	return high
}

func (h *hub) put(c *chunk.Chunk) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.window.Put(c) {
		h.all += uint64(len(c.Bytes()))
	}
	h.last = time.Now()
	h.wake()
}

// bytes are those of all chunks so far, and of those that are not kept any more.
func (h *hub) bytes() (all, gone uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all, h.all - min(h.all, uint64(h.window.Bytes()))
}

// fed is when a chunk came last.
func (h *hub) fed() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// wake wakes all readers. Called with mu held.
func (h *hub) wake() {
	close(h.fresh)
	h.fresh = make(chan struct{})
}

// clear forgets the chunks: nobody shall begin with what is long past.
func (h *hub) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.window = chunk.NewWindow(windowChunks, windowBytes)
}

// epochOf is the epoch with a number. Called with mu held.
func (h *hub) epochOf(number uint32) *chunk.Epoch {
	for i := len(h.epochs) - 1; i >= 0; i-- {
		if h.epochs[i].Number == number {
			return h.epochs[i]
		}
	}
	return nil
}

// start is the sequence of the latest key frame, and the channel to wait on where there
// is none yet.
func (h *hub) start() (sequence uint64, ok bool, fresh <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.window.LastKey(); k != nil {
		return k.Sequence, true, h.fresh
	}
	return 0, false, h.fresh
}

// since gives the chunks from a sequence on, as many as maxBatch holds, with the epoch
// of each, and where to go on.
func (h *hub) since(sequence uint64) (l []*chunk.Chunk, e []*chunk.Epoch, next uint64, fresh <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	low, high := h.window.Bounds()
	sequence = max(sequence, low)
	for size := 0; sequence < high && size < maxBatch; sequence++ {
		if c := h.window.Get(sequence); c != nil {
			if ep := h.epochOf(c.Epoch); ep != nil {
				l, e = append(l, c), append(e, ep)
				size += len(c.Bytes())
			}
		}
	}
	return l, e, sequence, h.fresh
}

// maxBatch is about how much is written to a viewer at once.
const maxBatch = 128 << 10

// cursor is how far a viewer of the swarm is. Its fields belong to hub.mu.
type cursor struct {
	on    [chunk.Stripes]bool
	next  [chunk.Stripes]uint64
	until [chunk.Stripes]uint64 // not sent any more; 0: for ever
	// extra are sequences that were asked for one by one, at most maxExtra; as many more are
	// refused as missing, and the rest is not answered.
	extra   []uint64
	missing []uint64
	epoch   uint32        // sent last; 0: none
	fresh   chan struct{} // one token: something was asked for
}

const maxExtra = 256

// subscribe begins a stripe, or with until ends it.
func (h *hub) subscribe(c *cursor, stripe int, from uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	low, _ := h.window.Bounds()
	c.on[stripe], c.next[stripe], c.until[stripe] = true, align(max(from, low), stripe), 0
	c.poke()
}

// align is the first sequence of a stripe that is not before sequence.
func align(sequence uint64, stripe int) uint64 {
	return sequence + (uint64(stripe)-sequence)%chunk.Stripes
}

func (h *hub) unsubscribe(c *cursor, stripe int, until uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.on[stripe] {
		c.until[stripe] = max(until, 1)
		c.on[stripe] = c.next[stripe] < until
	}
}

func (h *hub) request(c *cursor, l []uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(len(l), maxExtra-len(c.extra))
	c.extra = append(c.extra, l[:n]...)
	more := l[n:]
	c.missing = append(c.missing, more[:min(len(more), maxExtra-len(c.missing))]...)
	c.poke()
}

func (c *cursor) poke() {
	select {
	case c.fresh <- struct{}{}:
	default:
	}
}

// take appends the frames that a viewer shall have next, about maxBatch at once, and
// gives the chunks' bytes among them. Nothing appended: wait for fresh or c.fresh.
func (h *hub) take(dst []byte, c *cursor) (_ []byte, chunks int, fresh <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	send := func(k *chunk.Chunk) bool {
		e := h.epochOf(k.Epoch)
		if e == nil {
			return false
		}
		if c.epoch != e.Number {
			c.epoch = e.Number
			dst = wire.Append(dst, wire.TypeEpoch, e.Bytes())
		}
		dst = wire.Append(dst, wire.TypeChunk, k.Bytes())
		chunks += len(k.Bytes())
		return true
	}
	for len(c.extra) > 0 && len(dst) < maxBatch {
		seq := c.extra[0]
		c.extra = append(c.extra[:0], c.extra[1:]...)
		if k := h.window.Get(seq); k == nil || !send(k) {
			c.missing = append(c.missing, seq) // told of below
		}
	}
	for len(c.missing) > 0 {
		n := min(len(c.missing), wire.MaxList)
		dst = wire.AppendList(dst, wire.TypeMissing, c.missing[:n])
		c.missing = append(c.missing[:0], c.missing[n:]...)
	}
	low, high := h.window.Bounds()
	for len(dst) < maxBatch {
		s := c.first()
		if s < 0 || c.next[s] >= high {
			break
		}
		if first := align(low, s); c.next[s] < first { // what it would have next is gone
			c.next[s] = first
			continue
		}
		if k := h.window.Get(c.next[s]); k != nil {
			send(k)
		}
		c.next[s] += chunk.Stripes
		c.on[s] = c.until[s] == 0 || c.next[s] < c.until[s]
	}
	return dst, chunks, h.fresh
}

// first is the stripe whose next chunk is the oldest; -1: none is on.
func (c *cursor) first() int {
	best := -1
	for s, on := range c.on {
		if on && (best < 0 || c.next[s] < c.next[best]) {
			best = s
		}
	}
	return best
}
