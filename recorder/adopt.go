// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
)

// scanned is what a file says of itself.
type scanned struct {
	name   string
	file   *fmp4.File
	usable bool // it holds whole parts and can be dated; else it is in quarantine now
}

// scanAll reads the headers of files, some at a time, cuts each after its last whole
// part, and puts those into quarantine that have none.
func (s *storage) scanAll(names []string) ([]scanned, error) {
	list, errs := make([]scanned, len(names)), make([]error, len(names))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(names), 2*runtime.GOMAXPROCS(0)) { // some wait for the disk
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(names) {
					return
				}
				list[i], errs[i] = s.scanOne(names[i])
			}
		})
	}
	wg.Wait()
	return list, errors.Join(errs...)
}

func (s *storage) scanOne(name string) (scanned, error) {
	f, ok, err := s.scan(name)
	if err != nil {
		return scanned{}, err
	}
	if ok && f.Parts[0].Wall.IsZero() {
		_, err := startOfName(name)
		ok = err == nil
	}
	if !ok {
		return scanned{name: name}, s.quarantine(name, "unusable")
	}
	return scanned{name, f, true}, nil
}

// scan reads a file and cuts it after its last whole part. ok is false when there is none.
func (s *storage) scan(name string) (f *fmp4.File, ok bool, err error) {
	r, err := s.fs.Open(s.path(name))
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		return nil, false, err
	}
	f, err = fmp4.Scan(r, size)
	if err != nil && !errors.Is(err, fmp4.ErrNoInit) {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return nil, false, err // the disk, not the file
		}
	}
	if f.Size == 0 || len(f.Parts) == 0 {
		return f, false, nil
	}
	if f.Size < size {
		s.archive.log.Info("segment cut after its last whole part", "storage", s.Dir, "file", name, "bytes", size, "kept", f.Size)
		if err := s.fs.Truncate(s.path(name), f.Size); err != nil {
			return nil, false, err
		}
	}
	return f, true, nil
}

// fill makes the parts of a row that the file itself says.
func (r *segmentRow) fill(f *fmp4.File) {
	first, last := f.Parts[0], f.Parts[len(f.Parts)-1]
	if !first.Wall.IsZero() {
		r.start = first.Wall.Round(time.Millisecond)
	}
	since := func(p fmp4.Part, m uint64) time.Duration {
		return time.Duration(m-p.Media) * time.Second / time.Duration(p.Timescale)
	}
	span := since(last, last.Media+last.Duration)
	r.end = last.Wall.Add(span).Round(time.Millisecond)
	if last.Timescale == first.Timescale {
		r.duration = time.Duration(last.Media+last.Duration-first.Media) * time.Second / time.Duration(first.Timescale)
	} else {
		r.duration = r.end.Sub(r.start)
	}
	r.bytes, r.state, r.gops = f.Size, stateDone, nil
	for _, p := range f.Parts {
		for _, k := range p.Keys {
			r.gops = append(r.gops, GOP{Part: p.Offset, Key: k.Offset,
				Media: time.Duration(k.Media-first.Media) * time.Second / time.Duration(p.Timescale),
				Wall:  p.Wall.Add(since(p, k.Media)).Round(time.Millisecond)})
		}
	}
}

// repair completes the row of a segment that was being written, or whose file
// is not as long as the row says.
func (s *storage) repair(q querier, row rowLite, f *scanned) error {
	full := segmentRow{id: row.id, start: time.UnixMilli(row.start)}
	full.fill(f.file)
	s.tally.add(row.camera, full.start, full.end, full.bytes)
	if row.state == stateDone {
		if err := lost(q, row.camera, full.end.UnixMilli(), row.end); err != nil {
			return err
		}
	}
	return finishSegment(q, &full)
}

// adopt indexes a file that no row knows: its run gets a row of its own.
func (s *storage) adopt(q querier, camera int64, f *scanned) (err error) {
	row := segmentRow{path: f.name, camera: camera}
	row.start, _ = startOfName(f.name)
	row.fill(f.file)
	if row.run, err = insertRun(q, row.camera, row.start); err != nil {
		return err
	}
	row.tracks = entriesOf(f.file)
	if _, err = insertSegment(q, &row); err != nil {
		return err
	}
	s.tally.add(row.camera, row.start, row.end, row.bytes)
	s.archive.log.Info("segment adopted", "storage", s.Dir, "file", f.name, "bytes", row.bytes)
	return nil
}

// entriesOf is what the index says of a file's tracks where only the file is known.
func entriesOf(f *fmp4.File) (tracks string) {
	for i, t := range f.Tracks {
		if i > 0 {
			tracks += ", "
		}
		tracks += t.Entry
	}
	return tracks
}

// startOfName is the inverse of segmentName.
func startOfName(name string) (time.Time, error) {
	_, rest, _ := strings.Cut(name, "/")
	const form = "2006-01-02/15-04-05.000"
	if len(rest) < len(form) {
		return time.Time{}, fmt.Errorf("%s is not named like a segment", name)
	}
	return time.Parse(form, rest[:len(form)])
}
