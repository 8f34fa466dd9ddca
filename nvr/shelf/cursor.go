// SPDX-License-Identifier: LGPL-2.1-or-later

package shelf

import (
	"context"
	"errors"
	"io"
	"sort"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/recorder"
)

const (
	// joinGap and joinOverlap are how far the end of a segment and the start of the
	// next may be apart for the one to go on in the other.
	joinGap     = 500 * time.Millisecond
	joinOverlap = 100 * time.Millisecond
)

// cursor reads a camera's segments one after another. Two parts are open at once:
// sound is stored with the part in which it arrived, which may be the one behind the
// pictures that it belongs to, so that the earlier sample of both comes next.
type cursor struct {
	shelf *Shelf
	keys  bool // only key pictures

	reading  *file // of which the next part is read; nil: of none
	now, far *part // the parts that are given out; nil: not read
	spare    *part // of which the buffers are used again
	edge     bool  // nothing was behind now when it was looked for last

	heads   []device.Frame // configurations to give first
	stretch bool           // the next frame begins one
	origin  time.Time      // wall-clock time of the stretch's DTS 0
}

// start goes to the last key picture at or before at in seg, or to its first.
func (c *cursor) start(ctx context.Context, seg *recorder.Segment, at time.Time) error {
	var key int64
	gops := seg.GOPs()
	f, err := openFile(ctx, seg)
	if err == nil {
		c.reading = f
		if n := len(gops); n > 0 {
			i := max(0, sort.Search(n, func(i int) bool { return gops[i].Wall.After(at) })-1)
			f.next, key = gops[i].Part, gops[i].Key
		}
	}
	for {
		if c.now, err = c.load(ctx, seg); err == io.EOF {
			return device.ErrNoRecording
		} else if err != nil {
			return err
		}
		// Without a table of key pictures the parts themselves are searched.
		if len(gops) == 0 && c.now.file == f && !c.now.end.After(at) {
			c.drop(&c.now)
			continue
		}
		if c.now.file != f {
			key = 0
		}
		if c.begin(key) {
			return nil
		}
		c.drop(&c.now)
	}
}

// begin makes now the begin of a stretch: at the first key picture whose bytes are
// at or behind key, where there are pictures. false: it has no such picture.
func (c *cursor) begin(key int64) bool {
	p := c.now
	c.origin = p.start
	if p.file.hasVideo() {
		v := p.run(true)
		for v != nil && (!v.key() || v.place() < key) {
			v.skip()
			v = p.run(true)
		}
		if v == nil {
			return false
		}
		c.origin = v.time()
		for a := p.run(false); a != nil && a.time().Before(c.origin); a = p.run(false) {
			a.skip()
		}
	} else if a := p.run(false); a != nil {
		c.origin = a.time()
	}
	c.stretch = true
	c.heads = c.heads[:0]
	for i := range p.file.tracks {
		t := &p.file.tracks[i]
		if len(t.Config) == 0 {
			continue
		}
		f := device.Frame{Wall: c.origin, Unit: demux.Unit{Kind: demux.Audio, Codec: t.Codec, Config: true, Data: t.Config}}
		if t.Video() {
			f.Kind = demux.Video
		}
		c.heads = append(c.heads, f)
	}
	return true
}

// load reads the next part: of the file that is being read, or of the first
// readable one behind it (behind last, where none is). io.EOF: there is none now.
func (c *cursor) load(ctx context.Context, last *recorder.Segment) (*part, error) {
	p := c.spare
	c.spare = nil
	if p == nil {
		p = new(part)
	}
	for {
		if c.reading != nil {
			last = c.reading.seg
			err := c.reading.part(ctx, c.shelf, p)
			if err == nil {
				return p, nil
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err == io.EOF && c.reading.seg.Open {
				c.spare = p
				return nil, io.EOF // it goes on here when more of it was written
			}
			c.leave(c.reading)
			c.reading = nil
		}
		seg, err := c.shelf.after(ctx, last)
		if errors.Is(err, device.ErrNoRecording) {
			c.spare = p
			return nil, io.EOF
		}
		if err != nil {
			return nil, err
		}
		if c.reading, err = openFile(ctx, seg); err != nil {
			c.reading, last = nil, seg // removed meanwhile, or damaged: what is behind it still plays
		}
	}
}

// leave closes a file that no part needs any more.
func (c *cursor) leave(f *file) {
	for _, p := range []*part{c.now, c.far} {
		if p != nil && p.file == f {
			return
		}
	}
	f.f.Close()
}

// drop ends a part, and its file where it was the last of it.
func (c *cursor) drop(p **part) {
	old := *p
	*p = nil
	if old.file != c.reading {
		c.leave(old.file)
	}
	c.spare = old
}

// Next implements device.Cursor. Behind io.EOF it may be called again: a camera that
// is being recorded has more then.
func (c *cursor) Next(ctx context.Context, f *device.Frame) error {
	for {
		if len(c.heads) == 0 {
			if err := c.advance(ctx); err != nil {
				return err
			}
		}
		if len(c.heads) > 0 { // advance may have begun a stretch
			*f, c.heads = c.heads[0], c.heads[1:]
			f.Stretch, c.stretch = c.stretch, false
			return nil
		}
		p, r := c.earliest()
		if c.keys && p.file.hasVideo() && !(r.track.Video() && r.key()) {
			r.skip()
			continue
		}
		if err := r.take(p.file, c.keys, f); err != nil {
			return err
		}
		f.DTS = max(0, f.Wall.Sub(c.origin))
		f.Stretch, c.stretch = c.stretch, false
		return nil
	}
}

// advance sees to it that now has a sample left, and far is there where it is needed
// to tell which sample is the earliest. Where far does not go on from now, it begins
// a stretch. io.EOF: there is no sample now.
func (c *cursor) advance(ctx context.Context) (err error) {
	for c.now.over() {
		if c.far == nil {
			if c.far, err = c.load(ctx, c.now.file.seg); err != nil {
				return err
			}
		}
		joined := c.joined()
		c.drop(&c.now)
		c.now, c.far, c.edge = c.far, nil, false
		if !joined && !c.begin(0) {
			c.now.runs = c.now.runs[:0] // no key picture: nothing of it can be shown
		}
	}
	if c.far == nil && !c.edge && (c.now.run(true) == nil || c.now.run(false) == nil) {
		if c.far, err = c.load(ctx, c.now.file.seg); err == io.EOF {
			c.edge, err = true, nil
		}
	}
	return err
}

// joined says whether far goes on where now ends.
func (c *cursor) joined() bool {
	if c.far.file == c.now.file {
		return true
	}
	d := c.far.start.Sub(c.now.end)
	return d <= joinGap && d >= -joinOverlap && c.far.file.sameTracks(c.now.file)
}

// earliest is the sample to give next. There is one.
func (c *cursor) earliest() (*part, *run) {
	var from *part
	var first *run
	for _, video := range []bool{true, false} {
		p, r := c.now, c.now.run(video)
		if r == nil && c.far != nil && c.joined() {
			p, r = c.far, c.far.run(video)
		}
		if r != nil && (first == nil || r.time().Before(first.time())) {
			from, first = p, r
		}
	}
	return from, first
}

// KeysOnly implements device.Cursor. Recordings of sound alone are given whole.
func (c *cursor) KeysOnly(on bool) { c.keys = on }

// Close implements device.Cursor.
func (c *cursor) Close() error {
	open := map[*file]bool{}
	if c.reading != nil {
		open[c.reading] = true
	}
	for _, p := range []*part{c.now, c.far} {
		if p != nil {
			open[p.file] = true
		}
	}
	c.reading, c.now, c.far = nil, nil, nil
	var errs []error
	for f := range open {
		errs = append(errs, f.f.Close())
	}
	return errors.Join(errs...)
}
