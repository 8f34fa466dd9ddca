// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
)

// planner reads the headers of what is exported and decides what will be in which
// file. It holds the tables of all samples, about 4 bytes for each, and no samples.
type planner struct {
	ExportRequest
	encoder AACEncoder // nil: there is none
	files   []*plannedFile

	out     *plannedFile  // nil: none is begun
	delay   time.Duration // composition offset of the segment's first key picture
	lastEnd time.Time     // of what was taken last, to leave out what was recorded twice
	keep    []fmp4.Run
	places  []int64 // where in the source the bytes of each of keep are
}

// plannedFile is one file to write.
type plannedFile struct {
	ExportedFile
	tracks []fmp4.Track
	movie  *fmp4.Movie
	ends   []int64 // per track, ticks of its timescale
	end    time.Duration
	pieces []piece
	bytes  int64 // of all samples
	head   []byte

	// What is shown of it, on the clock of decoding times. delay is the composition
	// offset of the first key picture: a picture decoded at t is seen at t+delay or later.
	delay    time.Duration
	delayed  bool // delay is known
	from, to time.Duration
	lastAt   time.Duration // where the last stretch ends, on the clock of decoding times
	snapped  bool          // from is that of a picture that was to be seen at From
	sound    *recoded      // sound that becomes AAC; nil: none does
	shown    time.Time     // when what is at from was captured
}

// piece is a stretch of a source file that is copied.
type piece struct {
	seg   *Segment // nil: of the AAC that was made for it
	at, n int64
}

// maxExportSamples bounds the tables of one file: a day of pictures and sound has 6
// million. What follows is in another file.
const maxExportSamples = 8 << 20

func (x *planner) segment(ctx context.Context, seg *Segment) error {
	f, err := seg.OpenFile(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	r := fmp4.ReadAhead(f)
	init, err := fmp4.ReadInit(r, seg.Bytes)
	if err != nil {
		return err
	}
	start := x.startOf(seg)
	shifts := make([]int64, len(init.Tracks)) // from the segment's ticks to the file's
	begun := false
	x.delay = 0
	for at := init.Size; ; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		p, err := fmp4.ReadPartAt(r, at, seg.Bytes)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := belongs(p, init.Tracks); err != nil {
			return err
		}
		if lead := &p.Runs[0]; at == init.Size && lead.Video && len(lead.Samples) > 0 {
			x.delay = duration(int64(lead.Samples[0].CTS), fmp4.VideoTimescale)
		}
		at = p.Offset + p.Size
		if !p.Wall.IsZero() && !p.Wall.Before(x.until()) {
			return nil
		}
		if !x.trim(p, init.Tracks, start) {
			continue
		}
		if !begun {
			if err := x.enter(ctx, init.Tracks); err != nil {
				return err
			}
			x.align(p, shifts)
			begun = true
		}
		x.take(seg, p, shifts)
	}
}

// belongs says whether a part is of the tracks that its file has, and its times are
// such that can be reckoned with: a damaged file may say anything.
func belongs(p *fmp4.ReadPart, tracks []fmp4.Track) error {
	for i := range p.Runs {
		r := &p.Runs[i]
		t := slices.IndexFunc(tracks, func(t fmp4.Track) bool { return t.ID == r.Track })
		again := slices.ContainsFunc(p.Runs[:i], func(x fmp4.ReadRun) bool { return x.Track == r.Track })
		if t < 0 || again || tracks[t].Video() != r.Video {
			return fmt.Errorf("%w: at %d it is not of the file's tracks", fmp4.ErrPart, p.Offset)
		}
		if length := r.Base / uint64(tracks[t].Timescale()); length > maxSegmentSeconds {
			return fmt.Errorf("%w: at %d it says that it is %d s into the file", fmp4.ErrPart, p.Offset, length)
		}
	}
	return nil
}

// maxSegmentSeconds is longer than any segment: a camera may send no key picture for days.
const maxSegmentSeconds = 10 * 365 * 24 * 3600

// until is the decoding time up to which samples are needed: with an exact end, what
// is decoded behind it may be seen before it.
func (x *planner) until() time.Time {
	if x.Exact {
		return x.To.Add(x.delay)
	}
	return x.To
}

// startOf is the wall-clock time of the picture with which a segment's part of the
// export begins; zero: its first.
func (x *planner) startOf(seg *Segment) time.Time {
	from := x.From
	if x.lastEnd.After(from) {
		from = x.lastEnd // what is recorded twice is exported once
	}
	var start time.Time
	for _, g := range seg.GOPs() {
		if g.Wall.After(from) {
			if start.IsZero() && from.After(seg.Start) {
				start = g.Wall
			}
			break
		}
		start = g.Wall
	}
	if x.lastEnd.After(x.From) && start.Before(x.lastEnd) && !start.IsZero() && x.lastEnd.Sub(start) > time.Millisecond {
		for _, g := range seg.GOPs() { // the GOP around lastEnd was written already
			if !g.Wall.Before(x.lastEnd.Add(-time.Millisecond)) {
				return g.Wall
			}
		}
		return seg.End
	}
	return start
}

// trim finds what of a part is exported: x.keep, a run for each run of the part, with
// the place of its bytes in x.places. It reports whether there is anything.
func (x *planner) trim(p *fmp4.ReadPart, tracks []fmp4.Track, start time.Time) bool {
	x.keep, x.places = x.keep[:0], x.places[:0]
	lead := &p.Runs[0] // what prft speaks of
	leadAt := duration(int64(lead.Base), timescale(tracks, lead.Track))
	any, until := false, x.until()
	for i := range p.Runs {
		r := &p.Runs[i]
		scale := timescale(tracks, r.Track)
		k := r.Run
		k.Samples, k.Bytes = nil, 0
		place := r.Offset
		t := int64(r.Base)
		first := true
		for j := range r.Samples {
			s := &r.Samples[j]
			wall := p.Wall.Add(duration(t, scale) - leadAt)
			switch {
			case !p.Wall.IsZero() && (wall.Before(start.Add(-time.Millisecond)) || !wall.Before(until)), r.Video && first && !s.Key && !x.continues(start, wall):
				if first {
					place += int64(s.Size)
				}
			default:
				if first {
					k.Base, first = uint64(t), false
				}
				k.Samples = append(k.Samples, *s)
				k.Bytes += int(s.Size)
			}
			t += int64(s.Duration)
		}
		any = any || len(k.Samples) > 0
		x.keep, x.places = append(x.keep, k), append(x.places, place)
	}
	return any
}

// continues says whether a picture that is no key picture may be a part's first:
// behind the export's first key picture every part goes on where the last one ended.
func (x *planner) continues(start, wall time.Time) bool { return wall.After(start) }

// enter makes sure that the file that is begun has these tracks.
func (x *planner) enter(ctx context.Context, tracks []fmp4.Track) error {
	same := func(a, b fmp4.Track) bool { return a.ID == b.ID && sameTrack(&a, &b) }
	if x.out != nil && slices.EqualFunc(x.out.tracks, tracks, same) && x.out.movie.Samples() < maxExportSamples {
		return nil
	}
	if err := x.finish(ctx); err != nil {
		return err
	}
	path := x.Path
	if n := len(x.files); n > 0 {
		ext := filepath.Ext(path)
		path = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, ext), n+1, ext)
	}
	x.out = &plannedFile{ExportedFile: ExportedFile{Path: path}, tracks: tracks, movie: fmp4.NewMovie(tracks), ends: make([]int64, len(tracks)), sound: x.newRecoded(tracks)}
	return nil
}

// align lays the part in x.keep, a segment's first, behind what the file has: where
// the recording goes on, right where it left off, and else behind all tracks.
func (x *planner) align(p *fmp4.ReadPart, shifts []int64) {
	o := x.out
	var lead, earliest time.Duration
	found := false
	for i := range x.keep {
		k := &x.keep[i]
		if len(k.Samples) == 0 {
			continue
		}
		at := duration(int64(k.Base), timescale(o.tracks, k.Track))
		if !found {
			lead, earliest, found = at, at, true
		}
		earliest = min(earliest, at)
	}
	first := &p.Runs[0]
	wall := p.Wall.Add(lead - duration(int64(first.Base), timescale(o.tracks, first.Track)))
	shift := o.end - earliest
	if len(o.Stretches) > 0 && wall.Sub(x.lastEnd).Abs() <= audioTolerance {
		shift = o.lastAt - lead
	}
	for i := range o.tracks {
		shifts[i] = samplesOf(shift, int(o.tracks[i].Timescale()))
	}
}

// take puts what trim kept of a part into the file's tables.
func (x *planner) take(seg *Segment, p *fmp4.ReadPart, shifts []int64) {
	o := x.out
	lead := &p.Runs[0]
	leadAt := duration(int64(lead.Base), timescale(o.tracks, lead.Track))
	noted := false
	for i := range x.keep {
		k := &x.keep[i]
		if len(k.Samples) == 0 {
			continue
		}
		t := slices.IndexFunc(o.tracks, func(t fmp4.Track) bool { return t.ID == k.Track })
		scale := o.tracks[t].Timescale()
		wall := p.Wall.Add(duration(int64(k.Base), scale) - leadAt)
		base := max(int64(k.Base)+shifts[t], o.ends[t]) // rounding must not make a sample overlap
		if k.Video && !o.delayed {
			o.delay, o.delayed = duration(int64(k.Samples[0].CTS), scale), true
		}
		if x.Exact && k.Video {
			x.snap(k, base, wall)
		}
		if o.sound != nil && o.sound.track == t {
			o.ends[t] = o.sound.add(o, seg, k, base, x.places[i])
		} else {
			o.movie.Add(t, base, k.Samples, o.bytes)
			o.ends[t] = o.movie.End(t)
			o.copy(seg, x.places[i], int64(k.Bytes))
		}
		length := o.ends[t] - base
		o.end = max(o.end, duration(o.ends[t], scale))
		if !noted { // the first run tells of the part's time
			x.note(duration(base, scale), duration(length, scale), wall)
			noted = true
		}
	}
}

// snap looks for the picture that was to be seen at From: the last one that is shown
// before it, or then.
func (x *planner) snap(k *fmp4.Run, base int64, wall time.Time) {
	o := x.out
	if wall.After(x.From.Add(o.delay)) {
		return
	}
	t := base
	for i := range k.Samples {
		seen := duration(t+int64(k.Samples[i].CTS), fmp4.VideoTimescale)
		captured := wall.Add(seen - duration(base, fmp4.VideoTimescale) - o.delay)
		if !captured.After(x.From.Add(time.Millisecond/2)) && (!o.snapped || seen > o.from) {
			o.from, o.snapped, o.shown = seen, true, captured
		}
		t += int64(k.Samples[i].Duration)
	}
}

// copy notes a stretch of a source that goes into the file, with the one before it
// where they are neighbours.
func (o *plannedFile) copy(seg *Segment, at, n int64) {
	if l := len(o.pieces) - 1; l >= 0 && o.pieces[l].seg == seg && o.pieces[l].at+o.pieces[l].n == at {
		o.pieces[l].n += n
	} else {
		o.pieces = append(o.pieces, piece{seg: seg, at: at, n: n})
	}
	o.bytes += n
}

// note keeps the relation of the file's time to the wall's.
func (x *planner) note(at, length time.Duration, wall time.Time) {
	o := x.out
	start, end := wall.Round(time.Millisecond), wall.Add(length).Round(time.Millisecond)
	if n := len(o.Stretches); n == 0 || start.Sub(o.Stretches[n-1].End).Abs() > audioTolerance {
		o.Stretches = append(o.Stretches, ExportedStretch{At: at + o.delay, Start: start})
	}
	o.Stretches[len(o.Stretches)-1].End = end
	x.lastEnd, o.lastAt = end, at+length
}

// finish decides what is shown of the file that was begun, and makes its header.
func (x *planner) finish(ctx context.Context) (err error) {
	o := x.out
	x.out = nil
	if o == nil || len(o.Stretches) == 0 {
		return nil
	}
	x.files = append(x.files, o)
	if !o.snapped { // all there is of it
		o.from = o.delay
		if !x.Exact {
			for i := range o.tracks {
				if ticks, ok := o.begin(i); ok && !o.tracks[i].Video() {
					o.from = min(o.from, duration(ticks, o.tracks[i].Timescale()))
				}
			}
		}
		o.shown = o.Stretches[0].Start.Add(o.from - o.delay)
		if x.Exact && !o.tracks[0].Video() && o.shown.Before(x.From) {
			o.from, o.shown = o.from+x.From.Sub(o.shown), x.From // sound alone is cut anywhere
		}
	}
	o.to = o.end + o.delay
	last := &o.Stretches[len(o.Stretches)-1]
	if x.Exact && last.End.After(x.To) {
		o.to = min(o.to, o.lastAt+o.delay-last.End.Sub(x.To))
		last.End = x.To
	}
	o.Duration = max(0, o.to-o.from)
	for i := range o.Stretches {
		s := &o.Stretches[i]
		s.At -= o.from
		if i == 0 {
			s.At, s.Start = 0, o.shown.Round(time.Millisecond)
		}
	}
	if o.sound != nil {
		if err := o.sound.encode(ctx, o, x.encoder); err != nil {
			return fmt.Errorf("export to %s: %w", o.Path, err)
		}
	}
	o.head, err = o.movie.AppendHeader(nil, &fmp4.MovieHeader{From: o.from, To: o.to, Created: o.shown, Bytes: o.bytes})
	o.movie = nil
	o.Bytes = int64(len(o.head)) + o.bytes
	return err
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
