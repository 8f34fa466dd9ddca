// SPDX-License-Identifier: LGPL-2.1-or-later

package shelf

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/xp2p/xp2p/internal/fmp4"
	"github.com/xp2p/xp2p/recorder"
)

// file is a segment that is read part by part.
type file struct {
	seg    *recorder.Segment
	f      recorder.ReadFile
	tracks []fmp4.Track
	next   int64 // offset of the next part
	size   int64 // as far as the index vouches for it and it is there
}

// openFile opens a segment. An error means that it cannot be played, and perhaps
// the next one can.
func openFile(ctx context.Context, seg *recorder.Segment) (*file, error) {
	f, err := seg.OpenFile(ctx)
	if err != nil {
		return nil, err
	}
	o := &file{f: f}
	err = o.measure(seg)
	var init *fmp4.Init
	if err == nil {
		init, err = fmp4.ReadInit(f, o.size)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", seg.Path, err)
	}
	o.tracks, o.next = init.Tracks, init.Size
	return o, nil
}

// measure takes over what the index says of the segment now.
func (f *file) measure(seg *recorder.Segment) error {
	size, err := f.f.Size()
	if err != nil {
		return err
	}
	f.seg, f.size = seg, min(seg.Bytes, size)
	return nil
}

func (f *file) hasVideo() bool { return f.tracks[0].Video() }

// sameTracks says whether a decoder can go on from f's samples to g's.
func (f *file) sameTracks(g *file) bool {
	if len(f.tracks) != len(g.tracks) {
		return false
	}
	for i := range f.tracks {
		a, b := &f.tracks[i], &g.tracks[i]
		if a.Codec != b.Codec || a.Rate != b.Rate || a.Channels != b.Channels || !bytes.Equal(a.Config, b.Config) {
			return false
		}
	}
	return true
}

// part reads the next part's headers into p, whose buffers are used again. io.EOF:
// there is none now. A segment that is being written is asked for anew then.
func (f *file) part(ctx context.Context, s *Shelf, p *part) error {
	r, err := fmp4.ReadPartAt(f.f, f.next, f.size)
	if err == io.EOF && f.seg.Open {
		var seg *recorder.Segment
		if seg, err = s.again(ctx, f.seg); err == nil {
			err = f.measure(seg)
		}
		if err != nil {
			return err
		}
		r, err = fmp4.ReadPartAt(f.f, f.next, f.size)
	}
	if err != nil {
		return err
	}
	f.next = r.Offset + r.Size
	p.fill(f, r)
	return nil
}
