// SPDX-License-Identifier: LGPL-2.1-or-later

package shelf

import (
	"fmt"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/internal/fmp4"
)

// part is one part of a segment that is being given out, track by track.
type part struct {
	file  *file
	runs  []run
	start time.Time // when its first sample was captured
	end   time.Time // where the track of that one ends
}

// run is the samples of one track of a part.
type run struct {
	track   *fmp4.Track
	samples []fmp4.Sample
	offset  int64     // of the first sample in the file
	bytes   int       // of all samples
	wall    time.Time // of the first sample

	next  int    // the sample that comes next,
	ticks uint64 // its time since the first one, and
	at    int    // the place of its bytes behind the first one's

	data   []byte // the bytes of all samples, once loaded; or of one
	loaded bool
}

// fill makes p the part that r describes.
func (p *part) fill(f *file, r *fmp4.ReadPart) {
	runs := p.runs[:0]
	p.file, p.start = f, r.Wall
	if p.start.IsZero() {
		p.start = f.seg.Start
	}
	var lead time.Duration // media time of start
	for i := range r.Runs {
		src := &r.Runs[i]
		t := f.track(src.Track)
		if t == nil || len(src.Samples) == 0 {
			continue
		}
		base := duration(src.Base, t)
		if len(runs) == 0 {
			lead = base
		}
		var data []byte
		if n := len(runs); n < cap(runs) {
			data = runs[: n+1 : cap(runs)][n].data[:0]
		}
		runs = append(runs, run{track: t, samples: src.Samples, offset: src.Offset, bytes: src.Bytes, wall: p.start.Add(base - lead), data: data})
	}
	p.runs, p.end = runs, p.start
	if len(runs) > 0 {
		var ticks uint64
		for _, s := range runs[0].samples {
			ticks += uint64(s.Duration)
		}
		p.end = p.start.Add(duration(ticks, runs[0].track))
	}
}

func (f *file) track(id uint32) *fmp4.Track {
	for i := range f.tracks {
		if f.tracks[i].ID == id {
			return &f.tracks[i]
		}
	}
	return nil
}

// duration is ticks of a track as time, rounded down.
func duration(ticks uint64, t *fmp4.Track) time.Duration {
	scale := uint64(t.Timescale())
	return time.Duration(ticks/scale)*time.Second + time.Duration(ticks%scale*uint64(time.Second)/scale)
}

// run is the part's run of a track's kind that has a sample left; nil: it has none.
func (p *part) run(video bool) *run {
	for i := range p.runs {
		if r := &p.runs[i]; r.track.Video() == video && r.next < len(r.samples) {
			return r
		}
	}
	return nil
}

func (p *part) over() bool { return p.run(true) == nil && p.run(false) == nil }

// time is when the next sample was captured.
func (r *run) time() time.Time { return r.wall.Add(duration(r.ticks, r.track)) }

func (r *run) key() bool { return r.samples[r.next].Key }

// place is where the next sample's bytes are in the file.
func (r *run) place() int64 { return r.offset + int64(r.at) }

// skip leaves the next sample out.
func (r *run) skip() {
	s := &r.samples[r.next]
	r.next++
	r.ticks += uint64(s.Duration)
	r.at += int(s.Size)
}

// take makes the next sample a frame. All of the run is read with its first sample,
// save where only key pictures are wanted.
func (r *run) take(f *file, alone bool, out *device.Frame) error {
	s := r.samples[r.next]
	t := r.track
	var data []byte
	switch {
	case r.loaded:
		data = r.data[r.at:][:s.Size:s.Size]
	case alone:
		r.data = sized(r.data, int(s.Size))
		if _, err := f.f.ReadAt(r.data, r.place()); err != nil {
			return fmt.Errorf("read %s: %w", f.seg.Path, err)
		}
		data = r.data
	default:
		r.data = sized(r.data, r.bytes)
		if _, err := f.f.ReadAt(r.data, r.offset); err != nil {
			return fmt.Errorf("read %s: %w", f.seg.Path, err)
		}
		r.loaded = true
		data = r.data[r.at:][:s.Size:s.Size]
	}
	*out = device.Frame{Wall: r.time(), Unit: demux.Unit{Kind: demux.Audio, Codec: t.Codec, Key: s.Key, Data: data}}
	if t.Video() {
		out.Kind = demux.Video
		out.CTS = time.Duration(s.CTS) * time.Second / time.Duration(t.Timescale())
	} else if t.Config == nil {
		out.Rate, out.Channels = t.Rate, t.Channels
	}
	r.skip()
	return nil
}

// sized is b with n bytes, made anew where it has no room.
func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
