// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import "sync"

// maxOutput bounds the FLV that waits for Read, in bytes. When it is full all of it goes,
// and the stream goes on at its next key frame.
const maxOutput = 8 << 20

// output is the FLV between the loop and Read.
type output struct {
	mu     sync.Mutex
	wake   sync.Cond
	queue  [][]byte // whole tags
	read   int      // of queue[0]
	bytes  int
	closed error
}

func newOutput() *output {
	o := &output{}
	o.wake.L = &o.mu
	return o
}

// put takes whole tags; false: they and all that waited are gone.
func (o *output) put(b []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed != nil {
		return true
	}
	if o.bytes+len(b) > maxOutput {
		keep := 0
		if o.read > 0 { // a tag that was begun is ended
			keep = 1
		}
		o.queue = o.queue[:min(keep, len(o.queue))]
		o.bytes = 0
		for _, q := range o.queue {
			o.bytes += len(q)
		}
		return false
	}
	o.queue = append(o.queue, b)
	o.bytes += len(b)
	o.wake.Signal()
	return true
}

// end has Read give err behind what waits.
func (o *output) end(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed == nil {
		o.closed = err
	}
	o.wake.Broadcast()
}

// drop is end with nothing left to read.
func (o *output) drop(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.queue, o.read = err, nil, 0
	o.wake.Broadcast()
}

func (o *output) Read(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue) == 0 {
		if o.closed != nil {
			return 0, o.closed
		}
		if len(p) == 0 {
			return 0, nil
		}
		o.wake.Wait()
	}
	n := copy(p, o.queue[0][o.read:])
	if o.read += n; o.read == len(o.queue[0]) {
		o.bytes -= o.read
		o.queue[0] = nil
		o.queue, o.read = o.queue[1:], 0
	}
	return n, nil
}
