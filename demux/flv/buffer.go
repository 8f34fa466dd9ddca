package flv

// buffer is a sliding window over a stream: bytes are filled in at its end and
// consumed at its start. Positions are offsets from the start of the stream, so
// that they stay true when the bytes move.
type buffer struct {
	b    []byte
	r, w int    // b[r:w] is live
	base uint64 // stream offset of b[0]

	// largest is the most live bytes that one tag needed in the current window
	// of shrinkEvery tags; the next shrink goes by it.
	largest, tags int
}

const (
	// minBuffer holds the key frame of a 2 Mbit/s camera.
	minBuffer = 64 << 10
	// shrinkEvery is how many tags decide that a large buffer is no longer
	// needed: about 15 s of a camera with sound, so several of its key frames.
	shrinkEvery = 1024
)

func (b *buffer) live() []byte      { return b.b[b.r:b.w] }
func (b *buffer) start() uint64     { return b.base + uint64(b.r) }
func (b *buffer) end() uint64       { return b.base + uint64(b.w) }
func (b *buffer) at(pos uint64) int { return int(pos - b.base) }

// consume drops n bytes from the start. They stay readable until the next space.
func (b *buffer) consume(n int) { b.r += n }

// noteTag counts a tag of n bytes towards the shrinking of the buffer.
func (b *buffer) noteTag(n int) {
	b.largest = max(b.largest, n)
	b.tags++
}

// space returns at least min bytes of room at the end. Live bytes are moved
// only when as many have been consumed before them, and else the buffer is
// doubled, so that the cost of moving stays proportional to the bytes received.
func (b *buffer) space(min int) []byte {
	if b.tags >= shrinkEvery {
		b.shrink()
	}
	live := b.w - b.r
	if live == 0 {
		b.slide()
	}
	if len(b.b)-b.w < min {
		if b.r >= live && len(b.b)-live >= min {
			b.slide()
		} else {
			b.resize(max(minBuffer, 2*len(b.b), 2*(live+min)))
		}
	}
	return b.b[b.w:]
}

// slide moves the live bytes to the front.
func (b *buffer) slide() {
	n := copy(b.b, b.b[b.r:b.w])
	b.base += uint64(b.r)
	b.r, b.w = 0, n
}

func (b *buffer) resize(size int) {
	old := b.b[b.r:b.w]
	b.b = make([]byte, size)
	b.base += uint64(b.r)
	b.r, b.w = 0, copy(b.b, old)
}

// swap puts another array in the place of b's, moves the live bytes to it and returns
// the old one, as long as what was consumed of it.
func (b *buffer) swap(to []byte) []byte {
	old := b.b[:b.r]
	b.base += uint64(b.r)
	n := copy(to, b.b[b.r:b.w])
	b.b, b.r, b.w = to, 0, n
	return old
}

// shrink gives memory back after an outsized tag has passed.
func (b *buffer) shrink() {
	need := max(minBuffer, 2*max(b.largest, b.w-b.r))
	if len(b.b) > 2*need {
		b.resize(need)
	}
	b.largest, b.tags = 0, 0
}
