package flv

// hunt is the search for the next whole tag after damage.
//
// It looks at every position once, as the possible end of a tag: a
// PreviousTagSize there says where its header would be, and that header must
// say the same size. So a tag is found as soon as its last byte is in, no
// guess can make the hunt wait for bytes that a false header claims, and each
// byte costs the same few instructions whatever the input is.
//
// A stream whose PreviousTagSize is always 0 has nothing to look back by. For
// it one candidate at a time is followed forward: a header between two zero
// sizes that is followed by another header.
type hunt struct {
	on   bool
	why  error
	lost uint64 // where the damage begins
	scan uint64 // next position to look at

	header, end uint64 // the forward candidate: its header and its PreviousTagSize; end 0: none
}

// start begins a hunt at the first live byte of b, which is not where a tag begins.
func (h *hunt) start(b *buffer, why error) {
	*h = hunt{on: true, why: why, lost: b.start(), scan: b.start() + 1}
}

// run looks through what b holds. found is where a whole tag begins.
//
// A position is looked at as soon as the bytes that decide about it are in, so
// that what is found first does not depend on how the bytes arrived: looking
// back takes the 4 bytes of the size, looking forward a tag header more.
func (h *hunt) run(b *buffer, maxTag int) (found uint64, ok bool) {
	for h.scan+trailerSize <= b.end() {
		i := b.at(h.scan)
		if v := trailer(b.b[i:]); v > 0 && v <= uint32(maxTag+tagHeaderSize) {
			// The size as specified, and the one without the tag header.
			if h.endsTag(b, i, int(v), maxTag) {
				return h.scan - uint64(v), true
			}
			if h.endsTag(b, i, int(v)+tagHeaderSize, maxTag) {
				return h.scan - uint64(v) - tagHeaderSize, true
			}
		}
		if h.scan >= h.lost+tagHeaderSize && h.follow(b, h.scan-tagHeaderSize, maxTag) {
			return h.header, true
		}
		h.scan++
	}
	return 0, false
}

// endsTag says whether the size bytes before index i, which is position h.scan,
// are the header and body of a tag that begins after the damage does.
func (h *hunt) endsTag(b *buffer, i, size, maxTag int) bool {
	if size <= tagHeaderSize || size > maxTag+tagHeaderSize || h.lost+uint64(size) >= h.scan {
		return false
	}
	n, ok := bodySize(b.b[i-size:], maxTag)
	return ok && n+tagHeaderSize == size
}

// follow looks at pos as the PreviousTagSize of 0 before a tag header. It says
// whether the candidate, whose end this is, is proven by that.
func (h *hunt) follow(b *buffer, pos uint64, maxTag int) bool {
	i := b.at(pos)
	if trailer(b.b[i:]) != 0 {
		return false
	}
	n, ok := bodySize(b.b[i+trailerSize:], maxTag)
	if !ok || n == 0 {
		return false
	}
	if h.end == pos && h.end > 0 {
		return true
	}
	header := pos + trailerSize
	end := header + tagHeaderSize + uint64(n)
	if h.end <= pos || end < h.end {
		h.header, h.end = header, end
	}
	return false
}

// keepFrom is the first position that the hunt may still come back to.
func (h *hunt) keepFrom(maxTag int) uint64 {
	back := uint64(maxTag + 2*tagHeaderSize)
	return max(h.lost, h.scan-min(back, h.scan))
}
