// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
)

// ExportRequest says which stretch of a camera's recordings to write as MP4.
type ExportRequest struct {
	Camera   string
	From, To time.Time
	// Path of the file. Where the decoder's configuration changes within the stretch,
	// what follows is in further files: clip.mp4, clip-2.mp4, …
	Path string
	// Sum asks for the files' SHA-256, which takes longer than the copying.
	Sum bool
	// Progress is told how many bytes of recordings were read, of how many; nil: nobody.
	Progress func(done, total int64)
}

// ExportedFile is one file of an export.
type ExportedFile struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"` // of the whole file, hexadecimal; with Sum
	// Duration is the file's; time that was not recorded is not in it.
	Duration time.Duration `json:"-"`
	// Stretches map the file's time to the wall's: one for each run of recordings.
	Stretches []ExportedStretch `json:"stretches"`
}

// ExportedStretch is a part of a file without a hole in it.
type ExportedStretch struct {
	At    time.Duration `json:"-"` // in the file
	Start time.Time     `json:"start"`
	End   time.Time     `json:"end"`
}

// ErrNothing says that nothing was recorded in the time that was asked for.
var ErrNothing = errors.New("recorder: nothing is recorded in this time")

// Export writes the recordings of [From, To) into one MP4 (or several, see Path). It
// begins at the last key picture that is not behind From and ends with the last
// picture before To. Samples are copied as they are, across segments, runs and gaps;
// time that was not recorded is left out. A file appears whole or not at all.
func (a *Archive) Export(ctx context.Context, r ExportRequest) ([]ExportedFile, error) {
	if !r.To.After(r.From) {
		return nil, fmt.Errorf("export: the end %v is not behind the beginning %v", r.To, r.From)
	}
	segments, err := a.List(ctx, r.Camera, r.From, r.To)
	if err != nil {
		return nil, err
	}
	if len(segments) == 0 {
		return nil, ErrNothing
	}
	x := &exporter{ExportRequest: r}
	defer x.abort()
	for i := range segments {
		x.total += segments[i].Bytes
	}
	for i := range segments {
		if err := x.segment(ctx, &segments[i]); err != nil {
			return nil, fmt.Errorf("export %s: %w", segments[i].Path, err)
		}
	}
	if err := x.finish(); err != nil {
		return nil, err
	}
	if len(x.files) == 0 {
		return nil, ErrNothing
	}
	return x.files, nil
}

// exporter is one export under way.
type exporter struct {
	ExportRequest
	total, done int64
	files       []ExportedFile

	out      *exportFile // nil: none is open
	lastEnd  time.Time   // of what was written last, to leave out what was recorded twice
	keep     []fmp4.Run
	pieces   []piece
	header   []byte
	sequence uint32
}

// piece is a stretch of a source file that is copied.
type piece struct{ at, n int64 }

// exportFile is the file being written.
type exportFile struct {
	ExportedFile
	f      *os.File
	w      *bufio.Writer
	sum    hash.Hash // nil: not wanted
	tracks []fmp4.Track
	ends   []int64       // per track, ticks of its timescale
	end    time.Duration // of the longest track
}

const exportBuffer = 1 << 20

func (x *exporter) segment(ctx context.Context, seg *Segment) error {
	f, err := os.Open(seg.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	init, err := fmp4.ReadInit(f, seg.Bytes)
	if err != nil {
		return err
	}
	start := x.startOf(seg)
	shifts := make([]int64, len(init.Tracks)) // from the segment's ticks to the file's
	begun := false
	for at := init.Size; ; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		p, err := fmp4.ReadPartAt(f, at, seg.Bytes)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		at = p.Offset + p.Size
		x.progress(p.Size)
		if !p.Wall.IsZero() && !p.Wall.Before(x.To) {
			return nil
		}
		if !x.trim(p, init.Tracks, start) {
			continue
		}
		if !begun {
			if err := x.enter(init.Tracks); err != nil {
				return err
			}
			x.align(shifts)
			begun = true
		}
		if err := x.write(f, p, shifts); err != nil {
			return err
		}
	}
}

// startOf is the wall-clock time of the picture with which a segment's part of the
// export begins; zero: its first.
func (x *exporter) startOf(seg *Segment) time.Time {
	from := x.From
	if x.lastEnd.After(from) {
		from = x.lastEnd // what is recorded twice is exported once
	}
	var start time.Time
	for _, g := range seg.GOPs {
		if g.Wall.After(from) {
			if start.IsZero() && from.After(seg.Start) {
				start = g.Wall
			}
			break
		}
		start = g.Wall
	}
	if x.lastEnd.After(x.From) && start.Before(x.lastEnd) && !start.IsZero() && x.lastEnd.Sub(start) > time.Millisecond {
		for _, g := range seg.GOPs { // the GOP around lastEnd was written already
			if !g.Wall.Before(x.lastEnd.Add(-time.Millisecond)) {
				return g.Wall
			}
		}
		return seg.End
	}
	return start
}

// trim finds what of a part is exported: x.keep, a run for each run of the part, with
// the place of its bytes in x.pieces. It reports whether there is anything.
func (x *exporter) trim(p *fmp4.ReadPart, tracks []fmp4.Track, start time.Time) bool {
	x.keep, x.pieces = x.keep[:0], x.pieces[:0]
	lead := &p.Runs[0] // what prft speaks of
	leadAt := duration(int64(lead.Base), timescale(tracks, lead.Track))
	any := false
	for i := range p.Runs {
		r := &p.Runs[i]
		scale := timescale(tracks, r.Track)
		k := r.Run
		k.Samples, k.Bytes = nil, 0
		pc := piece{at: r.Offset}
		t := int64(r.Base)
		first := true
		for j := range r.Samples {
			s := &r.Samples[j]
			wall := p.Wall.Add(duration(t, scale) - leadAt)
			switch {
			case !p.Wall.IsZero() && (wall.Before(start.Add(-time.Millisecond)) || !wall.Before(x.To)), r.Video && first && !s.Key && !x.continues(start, wall):
				if first {
					pc.at += int64(s.Size)
				}
			default:
				if first {
					k.Base, first = uint64(t), false
				}
				k.Samples = append(k.Samples, *s)
				k.Bytes += int(s.Size)
				pc.n += int64(s.Size)
			}
			t += int64(s.Duration)
		}
		any = any || len(k.Samples) > 0
		x.keep, x.pieces = append(x.keep, k), append(x.pieces, pc)
	}
	return any
}

// continues says whether a picture that is no key picture may be a part's first:
// behind the export's first key picture every part goes on where the last one ended.
func (x *exporter) continues(start, wall time.Time) bool { return wall.After(start) }

// enter makes sure that the open file has these tracks.
func (x *exporter) enter(tracks []fmp4.Track) error {
	if x.out != nil && slices.EqualFunc(x.out.tracks, tracks, func(a, b fmp4.Track) bool { return a.ID == b.ID && sameTrack(&a, &b) }) {
		return nil
	}
	if err := x.finish(); err != nil {
		return err
	}
	path := x.Path
	if n := len(x.files); n > 0 {
		ext := filepath.Ext(path)
		path = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, ext), n+1, ext)
	}
	f, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	o := &exportFile{ExportedFile: ExportedFile{Path: path}, f: f, tracks: tracks, ends: make([]int64, len(tracks))}
	var to io.Writer = f
	if x.Sum {
		o.sum = sha256.New()
		to = io.MultiWriter(f, o.sum)
	}
	o.w = bufio.NewWriterSize(to, exportBuffer)
	x.out, x.sequence = o, 0
	init, err := fmp4.AppendInit(nil, tracks)
	if err != nil {
		return err
	}
	return o.put(init)
}

func (o *exportFile) put(b []byte) error {
	n, err := o.w.Write(b)
	o.Bytes += int64(n)
	return err
}

// align lays the part in x.keep, a segment's first, behind what the file has.
func (x *exporter) align(shifts []int64) {
	o := x.out
	earliest := time.Duration(-1)
	for i := range x.keep {
		if k := &x.keep[i]; len(k.Samples) > 0 {
			if at := duration(int64(k.Base), timescale(o.tracks, k.Track)); earliest < 0 || at < earliest {
				earliest = at
			}
		}
	}
	for i := range o.tracks {
		shifts[i] = samplesOf(o.end-earliest, int(o.tracks[i].Timescale()))
	}
}

// write copies what trim kept of a part.
func (x *exporter) write(f *os.File, p *fmp4.ReadPart, shifts []int64) error {
	o := x.out
	x.sequence++
	h := fmp4.PartHeader{Sequence: x.sequence, Wall: p.Wall}
	lead := &p.Runs[0]
	for i := range x.keep {
		k := &x.keep[i]
		if len(k.Samples) == 0 {
			continue
		}
		t := slices.IndexFunc(o.tracks, func(t fmp4.Track) bool { return t.ID == k.Track })
		scale := o.tracks[t].Timescale()
		if len(h.Runs) == 0 {
			h.Wall = p.Wall.Add(duration(int64(k.Base), scale) - duration(int64(lead.Base), timescale(o.tracks, lead.Track)))
		}
		base := max(int64(k.Base)+shifts[t], o.ends[t]) // rounding must not make a sample overlap
		k.Base = uint64(base)
		for _, s := range k.Samples {
			base += int64(s.Duration)
		}
		o.ends[t] = base
		o.end = max(o.end, duration(base, scale))
		h.Runs = append(h.Runs, *k)
	}
	x.note(&h)
	x.header = fmp4.AppendPart(x.header[:0], &h)
	if err := o.put(x.header); err != nil {
		return err
	}
	for i, pc := range x.pieces {
		if len(x.keep[i].Samples) == 0 {
			continue
		}
		n, err := io.Copy(o.w, io.NewSectionReader(f, pc.at, pc.n))
		o.Bytes += n
		if err == nil && n < pc.n {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// note keeps the relation of the file's time to the wall's.
func (x *exporter) note(h *fmp4.PartHeader) {
	o := x.out
	r := &h.Runs[0]
	scale := timescale(o.tracks, r.Track)
	var ticks int64
	for _, s := range r.Samples {
		ticks += int64(s.Duration)
	}
	start := h.Wall.Round(time.Millisecond)
	end := h.Wall.Add(duration(ticks, scale)).Round(time.Millisecond)
	if n := len(o.Stretches); n == 0 || start.Sub(o.Stretches[n-1].End).Abs() > audioTolerance {
		o.Stretches = append(o.Stretches, ExportedStretch{At: duration(int64(r.Base), scale), Start: start})
	}
	o.Stretches[len(o.Stretches)-1].End = end
	x.lastEnd = end
}

// finish makes the open file whole.
func (x *exporter) finish() error {
	o := x.out
	if o == nil {
		return nil
	}
	x.out = nil
	err := o.w.Flush()
	if err == nil {
		err = o.f.Sync()
	}
	if err = errors.Join(err, o.f.Close()); err == nil {
		err = os.Rename(o.Path+".part", o.Path)
	}
	if err != nil {
		os.Remove(o.Path + ".part")
		return err
	}
	o.Duration = o.end
	if o.sum != nil {
		o.SHA256 = hex.EncodeToString(o.sum.Sum(nil))
	}
	x.files = append(x.files, o.ExportedFile)
	return osFS{}.SyncDir(filepath.Dir(o.Path))
}

// abort removes what is not whole.
func (x *exporter) abort() {
	if o := x.out; o != nil {
		o.f.Close()
		os.Remove(o.Path + ".part")
	}
}

func (x *exporter) progress(n int64) {
	x.done += n
	if x.Progress != nil {
		x.Progress(min(x.done, x.total), x.total)
	}
}

func timescale(tracks []fmp4.Track, id uint32) uint32 {
	for i := range tracks {
		if tracks[i].ID == id {
			return tracks[i].Timescale()
		}
	}
	return fmp4.VideoTimescale
}

// duration is ticks of a timescale as time.
func duration(ticks int64, scale uint32) time.Duration { return durationOf(ticks, int(scale)) }
