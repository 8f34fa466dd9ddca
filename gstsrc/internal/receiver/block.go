// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import "sync"

// Block is memory that leaves the receiver with a chunk, so that it need not be copied,
// and comes back to be used again.
type Block struct{ b []byte }

// shareSize is the least size of a chunk whose memory is handed on: for a smaller one
// copying costs less than all that comes with it.
const shareSize = 32 << 10

// maxSpare is the largest block that is kept to be used again.
const maxSpare = 1 << 20

var blocks sync.Pool // of *Block

// newBlock is of at least that size.
func newBlock(size int) *Block {
	if b, _ := blocks.Get().(*Block); b != nil && len(b.b) >= size {
		return b
	}
	return &Block{make([]byte, size)}
}

// Bytes is the whole block.
func (b *Block) Bytes() []byte { return b.b }

// Release gives the block back; from then on what is in it is not valid.
func (b *Block) Release() {
	if len(b.b) <= maxSpare {
		blocks.Put(b)
	}
}
