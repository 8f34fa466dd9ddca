package flv

import (
	"fmt"
	"io"

	"github.com/xp2p/xp2p/demux"
)

// Writer writes an FLV stream, one Write call for the header and one per tag,
// so that a tag is a whole message to whatever is behind it.
type Writer struct {
	w   io.Writer
	o   WriteOptions
	buf []byte
}

// maxKeep is the largest buffer that a Writer keeps between two tags.
const maxKeep = 256 << 10

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer, o WriteOptions) *Writer { return &Writer{w: w, o: o} }

// WriteHeader writes the stream header.
func (w *Writer) WriteHeader(hasVideo, hasAudio bool) error {
	return w.flush(AppendHeader(w.buf[:0], hasVideo, hasAudio))
}

// WriteUnit writes u as one tag. A unit that FLV cannot carry (ErrCodec,
// ErrRate, ErrTime, ErrTooLarge) leaves the stream as it was.
func (w *Writer) WriteUnit(u *demux.Unit) error {
	b, err := AppendUnit(w.buf[:0], u, w.o)
	if err != nil {
		return err
	}
	return w.flush(b)
}

// WriteMetadata writes m as a script tag at time 0.
func (w *Writer) WriteMetadata(m Metadata) error {
	return w.flush(AppendTag(w.buf[:0], TagScript, 0, AppendMetadata(nil, m)))
}

func (w *Writer) flush(b []byte) error {
	_, err := w.w.Write(b)
	w.buf = b
	if cap(b) > maxKeep {
		w.buf = nil
	}
	if err != nil {
		return fmt.Errorf("write flv: %w", err)
	}
	return nil
}
