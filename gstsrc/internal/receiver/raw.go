// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

// joiner makes chunks of the bytes of successive connections.
type joiner interface {
	connect()
	space() []byte
	filled(b []byte)
	next() (Chunk, bool) // false: more bytes are needed
	damage() uint64
}

// raw gives a file's bytes as they are.
type raw struct {
	buf   []byte
	n     int // bytes of buf that were not given out
	parts [1][]byte
	at    *place
}

func newRaw(at *place) *raw { return &raw{buf: make([]byte, 2*readSize), at: at} }

func (r *raw) connect()        { r.n = 0 }
func (r *raw) space() []byte   { return r.buf }
func (r *raw) filled(b []byte) { r.n = len(b) }
func (r *raw) damage() uint64  { return 0 }

func (r *raw) next() (Chunk, bool) {
	if r.n == 0 {
		return Chunk{}, false
	}
	r.parts[0] = r.buf[:r.n]
	c := Chunk{Parts: r.parts[:], Size: r.n, Offset: r.at.offset}
	if c.Size >= shareSize {
		c.Block = newBlock(len(r.buf))
		r.buf, c.Block.b = c.Block.b, r.buf
	}
	r.n = 0
	return c, true
}
