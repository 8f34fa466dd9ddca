// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"io"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/g711"
	"github.com/xp2p/xp2p/internal/fmp4"
)

// soundSpan is a stretch of G.711 that lies in one piece in a file.
type soundSpan struct {
	seg    *Segment
	at     int64 // in the file
	pos, n int64 // its first sample on the track's clock, and how many there are, of each channel
}

// pcmReader reads spans as one stretch of linear samples, 16 bits little-endian, that is in
// step with the track's clock from the first span's begin on: time without sound is
// silence, and of sound that overlaps what is before it the rest is taken.
type pcmReader struct {
	ctx      context.Context
	law      g711.Law
	channels int64
	spans    []soundSpan
	pos      int64 // of the next sample to give
	end      int64 // behind the last one

	file ReadFile
	from *Segment
	law8 []byte
	pcm  []byte // what is read and not given yet
	room []byte
}

// pcmChunk is how many samples are read at once.
const pcmChunk = 16 << 10

func newPCMReader(ctx context.Context, track *fmp4.Track, spans []soundSpan) *pcmReader {
	p := &pcmReader{ctx: ctx, law: g711.ALaw, channels: int64(track.Channels), spans: spans, pos: spans[0].pos}
	if track.Codec == demux.MuLaw {
		p.law = g711.MuLaw
	}
	for _, s := range spans {
		p.end = max(p.end, s.pos+s.n)
	}
	return p
}

func (p *pcmReader) Read(b []byte) (int, error) {
	for len(p.pcm) == 0 {
		if err := p.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.pcm)
	p.pcm = p.pcm[n:]
	return n, nil
}

// fill reads the next samples, or makes silence up to them.
func (p *pcmReader) fill() error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	for len(p.spans) > 0 && p.spans[0].pos+p.spans[0].n <= p.pos {
		p.spans = p.spans[1:]
	}
	if len(p.spans) == 0 {
		return io.EOF
	}
	s := &p.spans[0]
	if hole := s.pos - p.pos; hole > 0 {
		hole = min(hole, pcmChunk)
		if size := int(2 * hole * p.channels); cap(p.room) < size {
			p.room = make([]byte, size)
		}
		p.pcm = p.room[:2*hole*p.channels]
		clear(p.pcm)
		p.pos += hole
		return nil
	}
	if p.from != s.seg {
		p.close()
		f, err := s.seg.OpenFile(p.ctx)
		if err != nil {
			return err
		}
		p.file, p.from = f, s.seg
	}
	skip := p.pos - s.pos
	n := min(s.n-skip, pcmChunk)
	if size := int(n * p.channels); cap(p.law8) < size {
		p.law8 = make([]byte, size)
	}
	coded := p.law8[:n*p.channels]
	if _, err := p.file.ReadAt(coded, s.at+skip*p.channels); err != nil {
		return err
	}
	p.pcm = p.law.Decode(p.room[:0], coded)
	p.room = p.pcm
	p.pos += n
	return nil
}

func (p *pcmReader) close() {
	if p.file != nil {
		p.file.Close()
		p.file, p.from = nil, nil
	}
}
