package flv

import (
	"encoding/binary"

	"github.com/xp2p/xp2p/demux"
)

// Options of a Parser or Reader.
type Options struct {
	// MaxTag is the largest body of a tag in bytes that is believed; a tag that
	// claims more is damage. Zero means DefaultMaxTag. It bounds the buffer,
	// which grows to at most about twice the largest tag.
	MaxTag int
	// Strict makes Reader.Next return *DamageError. Without it the Reader only
	// counts damage. A Parser always returns it.
	Strict bool
}

// DefaultMaxTag holds a key frame of an 8K camera.
const DefaultMaxTag = 4 << 20

func (o Options) maxTag() int {
	if o.MaxTag <= 0 {
		return DefaultMaxTag
	}
	return min(o.MaxTag, maxUint24)
}

// Stats counts since the parser was made or reset.
type Stats struct {
	Tags          uint64 // whole, valid tags
	Bytes         uint64 // bytes of those tags and of stream headers
	Resyncs       uint64 // stretches of damage
	SkippedBytes  uint64 // bytes of those stretches, also of one that has not ended yet
	UnknownCodecs uint64 // tags of a codec that demux does not name
}

// Parser cuts a byte stream into tags and units. The caller puts bytes in
// (Space, Filled) and takes tags out (Next). A Parser belongs to one goroutine.
type Parser struct {
	buf     buffer
	hunt    hunt
	clock   clock
	lengths videoLengths
	stats   Stats
	max     int

	// sized: the stream has had a correct PreviousTagSize, so that one of
	// another kind is suspicious.
	sized bool
}

// NewParser returns a parser for a stream that may begin with its header, with a
// tag, or in the middle of one.
func NewParser(o Options) *Parser { return &Parser{max: o.maxTag()} }

// Space returns room to read into, at least min bytes of it and at least one.
// It makes the tags and units that Next gave before invalid.
func (p *Parser) Space(min int) []byte { return p.buf.space(max(min, 1)) }

// Filled says that n bytes were put at the start of the slice Space returned last.
func (p *Parser) Filled(n int) {
	if n < 0 || n > len(p.buf.b)-p.buf.w {
		panic("flv: Filled beyond Space")
	}
	p.buf.w += n
}

// Swap gives the parser another buffer, of at least Buffered bytes, and returns the one
// it had, which is the caller's from then on: tags and units that Next gave stay valid
// in it, and what it ends with is the last tag. So a stream's tags can be handed on
// without a copy.
func (p *Parser) Swap(buf []byte) []byte {
	if len(buf) < p.Buffered() {
		panic("flv: Swap for a buffer that is too small")
	}
	return p.buf.swap(buf)
}

// Stats returns the counts so far.
func (p *Parser) Stats() Stats { return p.stats }

// Buffered is the number of bytes received that no tag has used yet.
func (p *Parser) Buffered() int { return len(p.buf.live()) }

// Reset makes the parser as new, for another stream, and keeps its buffer.
func (p *Parser) Reset() {
	*p = Parser{max: p.max, buf: buffer{b: p.buf.b}}
}

// Next gives the next tag and its unit. Both are valid until Space or Reset is
// called; units of several calls may be held together until then, except where
// a stream's NAL lengths are not 4 bytes: there a unit is valid until the next Next.
//
// Errors: ErrNeedMore, and *DamageError for each stretch of bytes that was not
// whole valid tags; after either, call again.
func (p *Parser) Next(t *Tag, u *demux.Unit) error {
	for {
		if p.hunt.on {
			return p.seek()
		}
		b := p.buf.live()
		if len(b) > 0 && b[0] == 'F' {
			switch n, err := fileHeader(b); {
			case err == ErrNeedMore:
				return err
			case err != nil:
				p.hunt.start(&p.buf, err)
			default:
				p.buf.consume(n)
				p.stats.Bytes += uint64(n)
			}
			continue
		}
		if len(b) < tagHeaderSize {
			return ErrNeedMore
		}
		n, ok := bodySize(b, p.max)
		if !ok {
			p.hunt.start(&p.buf, notATag(b, p.max))
			continue
		}
		if len(b) < n+tagOverhead {
			return ErrNeedMore
		}
		switch ok, err := p.ends(b, n); {
		case err != nil:
			return err
		case !ok:
			p.hunt.start(&p.buf, ErrTagSize)
			continue
		}
		return p.take(b[:n+tagOverhead:n+tagOverhead], t, u)
	}
}

// ends says whether the tag at b with a body of n bytes ends where its header
// says, by its PreviousTagSize. Besides the one that the specification asks for,
// some cameras write 0 and some muxers leave the tag header out of the count.
// In the middle of a stream that does otherwise, what follows must be a tag too,
// which ErrNeedMore waits for.
func (p *Parser) ends(b []byte, n int) (bool, error) {
	switch trailer(b[tagHeaderSize+n:]) {
	case uint32(n + tagHeaderSize):
		p.sized = true
		return true, nil
	case 0, uint32(n):
	default:
		return false, nil
	}
	if !p.sized {
		return true, nil
	}
	next := b[n+tagOverhead:]
	if len(next) < tagHeaderSize {
		return false, ErrNeedMore
	}
	_, ok := bodySize(next, p.max)
	return ok, nil
}

// take consumes the whole tag raw and decodes it.
func (p *Parser) take(raw []byte, t *Tag, u *demux.Unit) error {
	offset := p.buf.start()
	p.buf.consume(len(raw))
	p.buf.noteTag(len(raw))

	end := len(raw) - trailerSize
	*t = Tag{
		Type:      TagType(raw[0]),
		Timestamp: timestamp(raw),
		Payload:   raw[tagHeaderSize:end:end],
		Raw:       raw,
	}
	*u = demux.Unit{DTS: p.clock.at(t.Timestamp)}

	var err error
	switch t.Type {
	case TagVideo:
		u.Kind = demux.Video
		err = p.lengths.video(t.Payload, u)
	case TagAudio:
		u.Kind = demux.Audio
		err = audio(t.Payload, u)
	default:
		u.Kind, u.Data = demux.Data, t.Payload
	}
	if err != nil {
		p.stats.Resyncs++
		p.stats.SkippedBytes += uint64(len(raw))
		return &DamageError{Offset: offset, Skipped: uint64(len(raw)), Err: err}
	}
	if u.Codec == demux.CodecUnknown && u.Kind != demux.Data {
		p.stats.UnknownCodecs++
	}
	p.stats.Tags++
	p.stats.Bytes += uint64(len(raw))
	return nil
}

// seek goes on with the hunt: ErrNeedMore, or the damage that has now ended.
func (p *Parser) seek() error {
	h := &p.hunt
	to, found := h.run(&p.buf, p.max)
	if !found {
		to = h.keepFrom(p.max)
	}
	skipped := to - p.buf.start()
	p.buf.consume(int(skipped))
	p.stats.SkippedBytes += skipped
	if !found {
		return ErrNeedMore
	}
	h.on = false
	p.stats.Resyncs++
	return &DamageError{Offset: h.lost, Skipped: to - h.lost, Err: h.why}
}

// fileHeader measures the stream header at b with the PreviousTagSize behind it.
// It is met at the start, and again where a sender starts over.
func fileHeader(b []byte) (n int, err error) {
	if len(b) < fileHeaderSize {
		return 0, ErrNeedMore
	}
	if string(b[:3]) != "FLV" {
		return 0, ErrNotATag
	}
	size := binary.BigEndian.Uint32(b[5:])
	if size < fileHeaderSize || size > maxFileHeader {
		return 0, errHeaderField
	}
	n = int(size) + trailerSize
	if len(b) < n {
		return 0, ErrNeedMore
	}
	return n, nil
}

func notATag(b []byte, max int) error {
	if _, ok := bodySize(b, maxUint24); ok {
		return ErrTagTooBig
	}
	return ErrNotATag
}
