// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"io"
	"sync"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// Fanout hands one stream to readers inside this process, as a channel does to its
// viewers: a reader begins with the sequence headers at a key frame, and one that
// is slow loses whole groups of pictures. It is for those who read a stream anyway
// and let others have it too.
//
// While nobody reads it keeps the sequence headers alone and costs nothing more;
// the first reader then begins at the next key frame, further ones at the last.
type Fanout struct {
	marks Watermarks

	mu      sync.Mutex // guards all below; nothing blocks under it
	gop     gop
	arena   arena
	readers map[*viewer]struct{}
	live    bool
	begins  chan struct{} // closed when it is live
	closed  bool
}

// NewFanout makes one without a stream. marks bound what waits for each reader.
func NewFanout(marks Watermarks) *Fanout {
	return &Fanout{marks: marks.withDefaults(), readers: map[*viewer]struct{}{}, begins: make(chan struct{})}
}

// Put offers a tag and what was found in it, of which nothing is kept but copies.
// It waits for nobody.
func (f *Fanout) Put(t *flv.Tag, u *demux.Unit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if !f.live {
		f.live = true
		close(f.begins)
	}
	a := &f.arena
	if len(f.readers) == 0 {
		if !u.Config && u.Kind != demux.Data {
			return
		}
		a = &arena{free: make([]byte, len(t.Raw))} // no block for a header alone
	}
	shared := a.tag(t, u)
	f.gop.add(shared, u)
	for v := range f.readers {
		v.put(shared, &f.gop)
	}
}

// End ends the stream for its readers, behind what waits for them: what comes next
// may have other parameters and times. Further tags begin another stream.
func (f *Fanout) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end()
}

func (f *Fanout) end() {
	if f.live && !f.closed {
		f.begins = make(chan struct{})
	}
	f.live, f.gop, f.arena = false, gop{}, arena{}
	for v := range f.readers {
		v.finish(io.EOF)
		delete(f.readers, v)
	}
}

// Close ends the stream for good: whoever waits for one gets io.ErrClosedPipe.
func (f *Fanout) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.end()
	f.closed = true
	select {
	case <-f.begins:
	default:
		close(f.begins)
	}
}

// Join gives the stream as FLV, its times counted from 0, and waits for one to
// begin until ctx ends; ctx does not bound the stream. It ends with io.EOF when the
// stream does; then Join again. Its Close wakes a Read.
func (f *Fanout) Join(ctx context.Context) (io.ReadCloser, error) {
	for {
		f.mu.Lock()
		if f.closed {
			f.mu.Unlock()
			return nil, io.ErrClosedPipe
		}
		if f.live {
			v := &viewer{marks: f.marks, wake: make(chan struct{}, 1)}
			v.start(&f.gop)
			f.readers[v] = struct{}{}
			f.mu.Unlock()
			r := &fanoutReader{from: f, viewer: v, buf: flv.AppendHeader(nil, true, true)}
			r.ctx, r.cancel = context.WithCancel(context.Background())
			return r, nil
		}
		begins := f.begins
		f.mu.Unlock()
		select {
		case <-begins:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Readers is how many read now.
func (f *Fanout) Readers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.readers)
}

func (f *Fanout) leave(v *viewer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers, v)
	if len(f.readers) == 0 { // what is kept for nobody is let go
		f.gop.tags, f.gop.bytes, f.gop.broken = nil, 0, false
		f.arena = arena{}
	}
}

// fanoutReader reads a viewer's queue.
type fanoutReader struct {
	from   *Fanout
	viewer *viewer
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	buf  []byte // whole tags; from
	read int    // here on not read yet
}

func (r *fanoutReader) Read(p []byte) (int, error) {
	if r.read == len(r.buf) {
		if cap(r.buf) > 2*maxBatch {
			r.buf = nil
		}
		var err error
		r.buf, err = r.viewer.take(r.ctx, r.buf[:0])
		r.read = 0
		if err != nil {
			r.buf = nil
			return 0, err
		}
	}
	n := copy(p, r.buf[r.read:])
	r.read += n
	return n, nil
}

func (r *fanoutReader) Close() error {
	r.cancel()
	r.from.leave(r.viewer)
	return nil
}
