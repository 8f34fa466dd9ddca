package flv

import (
	"errors"
	"fmt"
	"io"

	"github.com/xp2p/xp2p/demux"
)

// Reader is a Parser over an io.Reader.
type Reader struct {
	p      *Parser
	r      io.Reader
	strict bool
	err    error // of r, kept until the bytes before it are used up
}

// NewReader returns a Reader over r, which it reads in large pieces.
func NewReader(r io.Reader, o Options) *Reader {
	return &Reader{p: NewParser(o), r: r, strict: o.Strict}
}

// minRead is the least room that is offered to one Read; usually it is the
// whole buffer.
const minRead = 4 << 10

// maxEmptyReads in a row are borne from a source that returns neither bytes nor
// an error.
const maxEmptyReads = 100

// Next gives the next tag and its unit; both are valid until the next call.
//
// Errors: io.EOF at an end between tags, io.ErrUnexpectedEOF inside one or in
// damage that has not ended, *DamageError when Options.Strict asks for it (then
// call again), or the source's own error.
func (r *Reader) Next(t *Tag, u *demux.Unit) error {
	for {
		err := r.p.Next(t, u)
		if err == nil {
			return nil
		}
		if err != ErrNeedMore {
			if r.strict {
				return err
			}
			continue
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
}

// Stats returns the parser's counts so far.
func (r *Reader) Stats() Stats { return r.p.Stats() }

func (r *Reader) fill() error {
	for range maxEmptyReads {
		if r.err != nil {
			return r.end()
		}
		n, err := r.r.Read(r.p.Space(minRead))
		r.p.Filled(n)
		r.err = err
		if n > 0 {
			return nil
		}
	}
	return io.ErrNoProgress
}

func (r *Reader) end() error {
	switch {
	case !errors.Is(r.err, io.EOF):
		return fmt.Errorf("read flv: %w", r.err)
	case r.p.Buffered() > 0:
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}
