// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"encoding/binary"
	"io"
	"sync"

	"github.com/xp2p/xp2p/demux/flv"
)

// Watermarks bound what waits for one viewer, in bytes (reference/xp2p.md §5).
type Watermarks struct {
	Low  int // at or below, a viewer that lost frames may go on at the next key frame; 0: 200 KiB
	Warn int // above, the viewer is reported as slow; 0: 400 KiB
	High int // above, the viewer loses frames until Low; 0: 500 KiB
}

func (w Watermarks) withDefaults() Watermarks {
	for _, d := range []struct {
		v   *int
		def int
	}{{&w.Low, 200 << 10}, {&w.Warn, 400 << 10}, {&w.High, 500 << 10}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	return w
}

// viewer is the queue between a hub and one reader of its stream. The hub puts
// tags in without ever waiting; the reader takes them out in batches. A full
// queue loses whole groups of pictures: what is in it stays decodable, and it
// goes on at a key frame.
type viewer struct {
	what    selection
	marks   Watermarks
	onLevel func(level Level) // told when the level changes; nil: nobody
	wake    chan struct{}     // has one token when there may be something to take

	mu       sync.Mutex // guards all below
	queue    []*tag
	bytes    int
	waiting  bool // for a key frame
	level    Level
	base     uint32 // timestamp that becomes 0 for this viewer
	based    bool
	hasVideo bool
	end      error // why no more tags come
	dropped  uint64
}

// selection is what of a stream a viewer wants.
type selection int

const (
	everything selection = iota
	soundAlone
)

// Level is where a viewer's queue stands between its watermarks.
type Level int

const (
	LevelLow Level = iota
	LevelWarn
	LevelHigh
)

func (l Level) String() string { return [...]string{"LOW", "WARN", "HIGH"}[l] }

func newViewer(what selection, marks Watermarks, onLevel func(Level)) *viewer {
	return &viewer{what: what, marks: marks, onLevel: onLevel, wake: make(chan struct{}, 1)}
}

// start fills the queue for a new viewer from what the hub keeps.
func (v *viewer) start(g *gop) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.what == soundAlone {
		v.enqueue(v.heads(g)...)
		return
	}
	v.hasVideo = g.video != nil
	v.waiting = v.hasVideo && len(g.tags) == 0
	v.enqueue(g.heads()...)
	v.enqueue(g.tags...)
	v.signal()
}

// heads are the sequence headers that this viewer needs.
func (v *viewer) heads(g *gop) []*tag {
	if v.what == everything {
		return g.heads()
	}
	if g.audio == nil {
		return nil
	}
	return []*tag{g.audio}
}

// put offers a tag; g is the hub's state after it.
func (v *viewer) put(t *tag, g *gop) {
	if v.what == soundAlone && !t.audio {
		return
	}
	v.mu.Lock()
	before := v.level
	v.hasVideo = g.video != nil && v.what == everything
	switch {
	case v.end != nil:
	case v.waiting && t.config:
		// start and the next key frame bring the headers
	case v.waiting:
		canStart := t.key && (t.video || !v.hasVideo)
		if !canStart || v.bytes > v.marks.Low {
			v.dropped++
			break
		}
		v.waiting = false
		v.enqueue(v.heads(g)...) // they may have changed meanwhile
		v.enqueue(t)
	case v.bytes+len(t.raw) > v.marks.High && len(v.queue) > 0 && !(t.video && t.key && v.bytes <= v.marks.Low):
		v.waiting = true
		v.dropped++
	default:
		v.enqueue(t)
	}
	v.level = v.levelNow()
	after := v.level
	v.signal()
	v.mu.Unlock()
	if after != before && v.onLevel != nil {
		v.onLevel(after)
	}
}

func (v *viewer) levelNow() Level {
	switch {
	case v.waiting && v.bytes > v.marks.Low:
		return LevelHigh
	case v.bytes > v.marks.Warn:
		return LevelWarn
	}
	return LevelLow
}

func (v *viewer) enqueue(ts ...*tag) {
	for _, t := range ts {
		v.queue = append(v.queue, t)
		v.bytes += len(t.raw)
	}
}

func (v *viewer) signal() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// finish lets the viewer have what is queued and then err (io.EOF for a clean end).
func (v *viewer) finish(err error) {
	v.mu.Lock()
	if v.end == nil {
		v.end = err
	}
	v.signal()
	v.mu.Unlock()
}

// lost is the number of tags that this viewer did not get.
func (v *viewer) lost() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.dropped
}

// await waits until there is something to take; taking it is left to take.
func (v *viewer) await(ctx context.Context) error {
	for {
		v.mu.Lock()
		some, end := len(v.queue) > 0, v.end
		v.mu.Unlock()
		switch {
		case some:
			return nil
		case end != nil:
			return end
		}
		select {
		case <-v.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// maxBatch bounds one take, so that a queue is not copied in one go.
const maxBatch = 256 << 10

// take appends what waits to dst, timestamps counted from the viewer's start,
// and waits if nothing does.
func (v *viewer) take(ctx context.Context, dst []byte) ([]byte, error) {
	for {
		v.mu.Lock()
		n := 0
		for had := len(dst); n < len(v.queue) && len(dst)-had < maxBatch; {
			dst = v.append(dst, v.queue[n])
			v.bytes -= len(v.queue[n].raw)
			v.queue[n] = nil
			n++
		}
		v.queue = v.queue[n:]
		if len(v.queue) == 0 {
			v.queue = nil // lets the array go: a burst must not be kept for ever
		} else {
			v.signal()
		}
		end := v.end
		v.mu.Unlock()
		switch {
		case n > 0:
			return dst, nil
		case end != nil:
			return dst, end
		}
		select {
		case <-v.wake:
		case <-ctx.Done():
			return dst, ctx.Err()
		}
	}
}

// append copies a tag with its time counted from the viewer's first media tag.
func (v *viewer) append(dst []byte, t *tag) []byte {
	if !v.based && !t.config {
		v.base, v.based = t.ts, true
	}
	at := len(dst)
	dst = append(dst, t.raw...)
	var ts uint32
	if v.based {
		if d := int32(t.ts - v.base); d > 0 { // a header or sound from just before the start stays at 0
			ts = uint32(d)
		}
	}
	h := dst[at:]
	binary.BigEndian.PutUint32(h[4:8], ts<<8|ts>>24) // TimestampExtended is the last, highest byte
	return dst
}

// writeTo sends the stream to w, flushing after each batch, until it ends.
func (v *viewer) writeTo(ctx context.Context, w io.Writer, flush func() error, pause func(context.Context) error) error {
	buf := flv.AppendHeader(nil, v.what == everything, true)
	for {
		var err error
		if buf, err = v.take(ctx, buf); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		if err := flush(); err != nil {
			return err
		}
		if cap(buf) > 2*maxBatch {
			buf = nil
		}
		buf = buf[:0]
		if err := pause(ctx); err != nil {
			return err
		}
	}
}
