// SPDX-License-Identifier: LGPL-2.1-or-later

// Package shelf is what stands between a recorder's archive and a device: it plays
// a camera's recordings to the device's viewers ([Shelf] is a device.Archive) and
// records what a channel of the device sends ([Record]).
//
//	device.Tap -> Record -> recorder.Run -> segments -> Shelf -> playback, download
//
// Playback reads the segments where the index says that a key picture is, part by
// part, while they are being written too. Samples are passed on as they were
// recorded; nothing is decoded.
package shelf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/recorder"
)

// Shelf is the recordings of one camera of an archive.
type Shelf struct {
	archive *recorder.Archive
	camera  string
}

var _ device.Archive = (*Shelf)(nil)

// New gives the recordings of the named camera; that there are none yet is no error.
func New(a *recorder.Archive, camera string) *Shelf { return &Shelf{a, camera} }

// Recordings implements device.Archive: one per segment.
func (s *Shelf) Recordings(ctx context.Context, from, to time.Time, most int) ([]device.Recording, error) {
	segs, err := s.archive.ListFirst(ctx, s.camera, from, to, most)
	if err != nil {
		return nil, err
	}
	list := make([]device.Recording, len(segs))
	for i := range segs {
		list[i] = device.Recording{Name: fileName(&segs[i]), Start: segs[i].Start, End: segs[i].End, Size: segs[i].Bytes}
	}
	return list, nil
}

// Any implements device.Archive.
func (s *Shelf) Any(ctx context.Context, from, to time.Time) (bool, error) {
	return s.archive.Any(ctx, s.camera, from, to)
}

// fileNameTime is how a file's name begins: with its start in UTC.
const fileNameTime = "2006-01-02_15-04-05.000"

// fileName is the name by which a segment is downloaded: its path below the
// camera's directory, without a slash.
func fileName(seg *recorder.Segment) string {
	dir, file := filepath.Split(seg.Path)
	return filepath.Base(dir) + "_" + file
}

// OpenFile implements device.Archive. The name is not used as a path: it is looked
// for among the segments that began when it says. A segment that is still being
// written is given as far as it is durable, which is a valid file.
func (s *Shelf) OpenFile(ctx context.Context, name string) (device.File, error) {
	if len(name) < len(fileNameTime) || !strings.HasSuffix(name, ".mp4") {
		return nil, device.ErrNoRecording
	}
	at, err := time.Parse(fileNameTime, name[:len(fileNameTime)])
	if err != nil {
		return nil, device.ErrNoRecording
	}
	segs, err := s.archive.List(ctx, s.camera, at, at.Add(time.Millisecond))
	if err != nil {
		return nil, err
	}
	for i := range segs {
		if fileName(&segs[i]) != name {
			continue
		}
		f, err := segs[i].OpenFile(ctx)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: it was removed to make room", device.ErrNoRecording)
		}
		if err != nil {
			return nil, err
		}
		return &download{f, segs[i].Bytes}, nil
	}
	return nil, device.ErrNoRecording
}

// download is a segment up to the size it had when it was opened.
type download struct {
	recorder.ReadFile
	size int64
}

func (d *download) Size() int64 { return d.size }

// Play implements device.Archive.
func (s *Shelf) Play(ctx context.Context, at time.Time) (device.Cursor, error) {
	seg, err := s.search(ctx, at, func(*recorder.Segment) bool { return true })
	if err != nil {
		return nil, err
	}
	c := &cursor{shelf: s}
	if err := c.start(ctx, seg, at); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// searchPage is how many segments are asked for at first: usually it is one of them.
const searchPage = 4

// search gives the first segment that ends behind from and is accepted.
// device.ErrNoRecording: there is none.
func (s *Shelf) search(ctx context.Context, from time.Time, accept func(*recorder.Segment) bool) (*recorder.Segment, error) {
	for page := searchPage; ; page *= 8 {
		segs, err := s.archive.ListFirst(ctx, s.camera, from, time.Time{}, page)
		if err != nil {
			return nil, err
		}
		for i := range segs {
			if accept(&segs[i]) {
				return &segs[i], nil
			}
		}
		if len(segs) < page {
			return nil, device.ErrNoRecording
		}
	}
}

// after gives the segment that comes behind seg.
func (s *Shelf) after(ctx context.Context, seg *recorder.Segment) (*recorder.Segment, error) {
	at := seg.Start.UnixMilli()
	return s.search(ctx, seg.Start, func(n *recorder.Segment) bool {
		start := n.Start.UnixMilli()
		return start > at || start == at && n.Path > seg.Path
	})
}

// again gives seg as it is now: longer or complete, if it was being written.
func (s *Shelf) again(ctx context.Context, seg *recorder.Segment) (*recorder.Segment, error) {
	segs, err := s.archive.List(ctx, s.camera, seg.Start, seg.Start.Add(time.Millisecond))
	if err != nil {
		return nil, err
	}
	for i := range segs {
		if segs[i].Path == seg.Path {
			return &segs[i], nil
		}
	}
	return seg, nil
}
