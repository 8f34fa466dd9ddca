// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import "sync"

// payload is the bytes of a part's samples of one track. It takes its memory in
// blocks, and gives them back when the part is written: a part then takes what it
// holds, not what the largest one before it held, and a burst of parts does not
// stay in memory.
type payload struct {
	blocks []*block
	n      int // bytes
}

// block is small beside a second of video, and a second of sound fits into one.
type block [16 << 10]byte

var blocks = sync.Pool{New: func() any { return new(block) }}

// write appends b.
func (m *payload) write(b []byte) {
	for len(b) > 0 {
		used := m.n % len(block{})
		if used == 0 {
			m.blocks = append(m.blocks, blocks.Get().(*block))
		}
		n := copy(m.blocks[len(m.blocks)-1][used:], b)
		m.n += n
		b = b[n:]
	}
}

// appendVecs appends what is written, for writev.
func (m *payload) appendVecs(dst [][]byte) [][]byte {
	for i, b := range m.blocks {
		dst = append(dst, b[:min(len(b), m.n-i*len(b))])
	}
	return dst
}

// reset forgets everything.
func (m *payload) reset() {
	for i, b := range m.blocks {
		blocks.Put(b)
		m.blocks[i] = nil
	}
	m.blocks, m.n = m.blocks[:0], 0
}
