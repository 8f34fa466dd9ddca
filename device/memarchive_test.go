// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"time"

	"github.com/xp2p/xp2p/demux"
)

// recordedAt is when the recordings of the tests begin.
var recordedAt = time.UnixMilli(1764216000_000)

// memArchive is an archive in memory: 25 pictures a second with a number in each,
// a key picture every 25, and 50 sounds a second.
type memArchive struct {
	frames []Frame
	files  map[string][]byte
	list   []Recording
	err    error // of every call
}

// add appends a stretch that begins at recordedAt + at.
func (a *memArchive) add(at time.Duration, pictures int, sound bool) *memArchive {
	begin := recordedAt.Add(at)
	first := true
	put := func(f Frame) {
		f.DTS = f.Wall.Sub(begin)
		f.Stretch, first = first, false
		a.frames = append(a.frames, f)
	}
	put(Frame{Wall: begin, Unit: demux.Unit{Kind: demux.Video, Codec: demux.H264, Config: true,
		Data: []byte{1, 66, 0, 30, 0xff, 0xe1, 0, 4, 0x67, 66, 0, 30, 1, 0, 2, 0x68, 0xce}}})
	for i := range pictures {
		key := i%25 == 0
		nal := []byte{0, 0, 0, 5, 0x41, 0, 0, 0, 0}
		if key {
			nal[4] = 0x65
		}
		wall := begin.Add(time.Duration(i) * 40 * time.Millisecond)
		binary.BigEndian.PutUint32(nal[5:], uint32(wall.Sub(recordedAt).Milliseconds()))
		put(Frame{Wall: wall, Unit: demux.Unit{Kind: demux.Video, Codec: demux.H264, Key: key, Data: nal}})
		for k := 0; sound && k < 2; k++ {
			w := wall.Add(time.Duration(k) * 20 * time.Millisecond)
			data := binary.BigEndian.AppendUint32(nil, uint32(w.Sub(recordedAt).Milliseconds()))
			put(Frame{Wall: w, Unit: demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Key: true, Rate: 8000, Channels: 1, Data: data}})
		}
	}
	return a
}

// recorded is the time on the wall clock that is written into a unit.
func recorded(u *demux.Unit) time.Time {
	b := u.Data
	if u.Kind == demux.Video {
		b = b[5:]
	}
	return recordedAt.Add(time.Duration(binary.BigEndian.Uint32(b)) * time.Millisecond)
}

func (a *memArchive) Recordings(_ context.Context, from, to time.Time, most int) (l []Recording, err error) {
	for _, r := range a.list {
		if r.Start.Before(to) && r.End.After(from) && len(l) < most {
			l = append(l, r)
		}
	}
	return l, a.err
}

func (a *memArchive) Any(ctx context.Context, from, to time.Time) (bool, error) {
	l, err := a.Recordings(ctx, from, to, 1)
	return len(l) > 0, err
}

type memFile struct{ *bytes.Reader }

func (memFile) Close() error { return nil }

func (a *memArchive) OpenFile(_ context.Context, name string) (File, error) {
	b, ok := a.files[name]
	switch {
	case a.err != nil:
		return nil, a.err
	case !ok:
		return nil, ErrNoRecording
	}
	return memFile{bytes.NewReader(b)}, nil
}

func (a *memArchive) Play(_ context.Context, at time.Time) (Cursor, error) {
	if a.err != nil {
		return nil, a.err
	}
	start := -1
	for i, f := range a.frames {
		if f.Kind == demux.Video && f.Key && (start < 0 || !f.Wall.After(at)) {
			start = i
		}
	}
	if start < 0 || at.After(a.frames[len(a.frames)-1].Wall) {
		return nil, ErrNoRecording
	}
	if last := a.frames[start]; at.Sub(last.Wall) > time.Second { // a gap: what is behind it
		for i, f := range a.frames {
			if f.Stretch && f.Wall.After(at) {
				start = i + 1
				break
			}
		}
	}
	return &memCursor{a: a, next: start, head: true}, nil
}

type memCursor struct {
	a      *memArchive
	next   int
	head   bool
	keys   bool
	closed bool
}

func (c *memCursor) Next(_ context.Context, f *Frame) error {
	if c.closed {
		panic("Next on a closed cursor")
	}
	if c.head {
		c.head = false
		*f = c.a.frames[0]
		f.Wall = c.a.frames[c.next].Wall
		f.Stretch = true
		return nil
	}
	for ; c.next < len(c.a.frames); c.next++ {
		*f = c.a.frames[c.next]
		if c.keys && !f.Config && !(f.Kind == demux.Video && f.Key) {
			continue
		}
		c.next++
		return nil
	}
	return io.EOF
}

func (c *memCursor) KeysOnly(on bool) { c.keys = on }
func (c *memCursor) Close() error     { c.closed = true; return nil }
