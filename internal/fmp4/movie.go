// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
)

// Movie gathers the tables of an ordinary MP4 (ISO/IEC 14496-12 §8.6, §8.7), which
// unlike parts say in one place where every sample is: players seek in it at once, and
// all of them know its edit lists. The file is ftyp, moov, then one mdat with the
// samples' bytes; see [Movie.AppendHeader].
//
// A sample takes 4 bytes of memory, one with a composition offset of its own 8 more.
type Movie struct {
	tracks  []movieTrack
	samples int
}

// movieTrack are the tables of one track, run-length coded as the file has them.
type movieTrack struct {
	Track
	first, next int64 // decoding time of the first sample and behind the last one, in ticks
	end         int64 // when the last sample to be shown is over
	sizes       []uint32
	durations   []repeated // stts
	offsets     []repeated // ctts
	keys        []uint32   // stss: numbers of the samples, from 1
	chunks      []chunk
}

// repeated is a value that n samples in a row have.
type repeated struct{ n, value uint32 }

// chunk is a stretch of samples that lie one behind the other.
type chunk struct {
	at int64 // from the first byte of all samples
	n  uint32
}

// NewMovie begins an MP4 with tracks, in their order.
func NewMovie(tracks []Track) *Movie {
	m := &Movie{tracks: make([]movieTrack, len(tracks))}
	for i := range tracks {
		m.tracks[i].Track = tracks[i]
	}
	return m
}

// Samples is how many there are, of all tracks.
func (m *Movie) Samples() int { return m.samples }

// Begin and End are the decoding times between which a track (by its place) has
// samples, in ticks; ok is false when it has none.
func (m *Movie) Begin(track int) (ticks int64, ok bool) {
	return m.tracks[track].first, len(m.tracks[track].sizes) > 0
}

func (m *Movie) End(track int) int64 { return m.tracks[track].next }

// Add appends samples to a track (by its place). The first is decoded at base, which is
// not before the end of what the track has; a hole makes the sample before it longer.
// Their bytes lie behind each other from at on, counted from the first byte of all.
func (m *Movie) Add(track int, base int64, samples []Sample, at int64) {
	t := &m.tracks[track]
	if len(samples) == 0 {
		return
	}
	if len(t.sizes) == 0 {
		t.first, t.next = base, base
	}
	if hole := base - t.next; hole > 0 {
		t.lengthen(hole)
		t.next = base
	}
	for i := range samples {
		s := &samples[i]
		t.sizes = append(t.sizes, s.Size)
		t.durations = repeat(t.durations, s.Duration)
		t.offsets = repeat(t.offsets, uint32(s.CTS))
		if s.Key {
			t.keys = append(t.keys, uint32(len(t.sizes)))
		}
		t.next += int64(s.Duration)
		t.end = max(t.end, t.next+int64(s.CTS))
	}
	t.chunks = append(t.chunks, chunk{at, uint32(len(samples))})
	m.samples += len(samples)
}

// SetTrack says what a track (by its place) is, where that was not known when the movie
// was begun. Its clock is the same.
func (m *Movie) SetTrack(track int, t *Track) { m.tracks[track].Track = *t }

// Room is space for bytes of samples that are added later, before those that lie at At.
type Room struct{ At, Bytes int64 }

// MakeRoom moves the places of all samples behind rooms, which are in their order.
func (m *Movie) MakeRoom(rooms []Room) {
	for i := range m.tracks {
		var before int64
		next := rooms
		for c := range m.tracks[i].chunks {
			at := &m.tracks[i].chunks[c].at
			for ; len(next) > 0 && next[0].At <= *at; next = next[1:] {
				before += next[0].Bytes
			}
			*at += before
		}
	}
}

// lengthen gives the last sample more time.
func (t *movieTrack) lengthen(ticks int64) {
	last := &t.durations[len(t.durations)-1]
	d := uint32(min(int64(last.value)+ticks, math.MaxUint32))
	if last.n--; last.n == 0 {
		t.durations = t.durations[:len(t.durations)-1]
	}
	t.durations = repeat(t.durations, d)
}

func repeat(list []repeated, value uint32) []repeated {
	if n := len(list); n > 0 && list[n-1].value == value {
		list[n-1].n++
		return list
	}
	return append(list, repeated{1, value})
}

// MovieHeader says what of a movie is shown.
type MovieHeader struct {
	// From and To are presentation times (on the clock of base in [Movie.Add]) between
	// which it is shown: what is before From is decoded and not seen.
	From, To time.Duration
	Created  time.Time // when From was captured; zero: not said
	Bytes    int64     // of all samples
}

// movieTimescale is the clock of edit lists, in ticks per second: FLV's.
const movieTimescale = 1000

// AppendHeader appends ftyp, moov and the head of mdat: the samples' bytes follow.
func (m *Movie) AppendHeader(dst []byte, h *MovieHeader) ([]byte, error) {
	header, err := m.header(h)
	if err != nil {
		return dst, err
	}
	// Places are counted from the first sample until it is known how long moov is.
	moveChunks(header, uint64(len(header)))
	return append(dst, header...), nil
}

// moveChunks adds by to the places in every stco and co64 of b.
func moveChunks(b []byte, by uint64) {
	children(b, func(name string, body []byte) {
		switch name {
		case "moov", "trak", "mdia", "minf", "stbl":
			moveChunks(body, by)
		case "stco":
			for p := body[8:]; len(p) >= 4; p = p[4:] {
				binary.BigEndian.PutUint32(p, binary.BigEndian.Uint32(p)+uint32(by))
			}
		case "co64":
			for p := body[8:]; len(p) >= 8; p = p[8:] {
				binary.BigEndian.PutUint64(p, binary.BigEndian.Uint64(p)+by)
			}
		}
	})
}

func (m *Movie) header(h *MovieHeader) ([]byte, error) {
	var buf bytes.Buffer
	if err := mp4.NewFtyp("isom", 0x200, []string{"isom", "iso4", "mp41"}).Encode(&buf); err != nil {
		return nil, err
	}
	moov := mp4.NewMoovBox()
	mvhd := mp4.CreateMvhd()
	mvhd.Timescale, mvhd.Duration = movieTimescale, movieTicks(h.To-h.From)
	if !h.Created.IsZero() {
		mvhd.CreationTime = uint64(max(0, h.Created.Unix()+mp4.EpochDiffS))
		mvhd.ModificationTime = mvhd.CreationTime
	}
	moov.AddChild(mvhd)
	// Places need 64 bits when the file is large; moov itself is far below 1 GiB.
	wide := h.Bytes > math.MaxUint32-1<<30
	for i := range m.tracks {
		t := &m.tracks[i]
		if len(t.sizes) == 0 {
			continue
		}
		trak, err := t.trak(h, wide)
		if err != nil {
			return nil, fmt.Errorf("track %d (%s): %w", t.ID, t.Codec, err)
		}
		moov.AddChild(trak)
		mvhd.NextTrackID = t.ID + 1
	}
	if err := moov.Encode(&buf); err != nil {
		return nil, fmt.Errorf("encode moov: %w", err)
	}
	b := buf.Bytes()
	if wide { // a size of 1 says that 64 bits of it follow
		b = append(be32(b, 1), "mdat"...)
		return binary.BigEndian.AppendUint64(b, uint64(16+h.Bytes)), nil
	}
	return append(be32(b, uint32(8+h.Bytes)), "mdat"...), nil
}

func (t *movieTrack) trak(h *MovieHeader, wide bool) (*mp4.TrakBox, error) {
	trak, err := newTrak(&t.Track)
	if err != nil {
		return nil, err
	}
	edits, shown := t.edits(h)
	trak.Tkhd.Duration = shown
	mdhd := trak.Mdia.Mdhd
	if mdhd.Duration = uint64(t.next - t.first); mdhd.Duration > math.MaxUint32 {
		mdhd.Version = 1
	}
	// edts comes between tkhd and mdia.
	trak.Children = append(trak.Children[:1:1], append([]mp4.Box{raw("edts", box("elst", edits))}, trak.Children[1:]...)...)

	stbl := trak.Mdia.Minf.Stbl
	stbl.Children = []mp4.Box{stbl.Stsd, raw("stts", t.runs(0, t.durations))}
	if t.Video() && (len(t.offsets) > 1 || t.offsets[0].value != 0) {
		stbl.Children = append(stbl.Children, raw("ctts", t.runs(1, t.offsets)))
	}
	if t.Video() && len(t.keys) < len(t.sizes) {
		b := be32(make([]byte, 4, 8+4*len(t.keys)), uint32(len(t.keys)))
		for _, k := range t.keys {
			b = be32(b, k)
		}
		stbl.Children = append(stbl.Children, raw("stss", b))
	}
	sizes := be32(make([]byte, 8, 12+4*len(t.sizes)), uint32(len(t.sizes)))
	for _, n := range t.sizes {
		sizes = be32(sizes, n)
	}
	stbl.Children = append(stbl.Children, raw("stsc", t.stsc()), raw("stsz", sizes))
	places, name := be32(make([]byte, 4, 8+8*len(t.chunks)), uint32(len(t.chunks))), "stco"
	for _, c := range t.chunks {
		if wide {
			places = binary.BigEndian.AppendUint64(places, uint64(c.at))
		} else {
			places = be32(places, uint32(c.at))
		}
	}
	if wide {
		name = "co64"
	}
	stbl.Children = append(stbl.Children, raw(name, places))
	return trak, nil
}

// edits is the body of the track's elst: nothing for as long as it begins later than
// the film, then its media from where the film begins. shown is their length.
func (t *movieTrack) edits(h *MovieHeader) (elst []byte, shown uint64) {
	scale := int64(t.Timescale())
	from, to := ticksOf(h.From, scale), ticksOf(h.To, scale)
	var list []byte
	n := uint32(0)
	edit := func(length uint64, media int64) {
		list = binary.BigEndian.AppendUint64(list, length)
		list = binary.BigEndian.AppendUint64(list, uint64(media))
		list = be32(list, 1<<16) // at its own speed
		n++
		shown += length
	}
	if t.first > from {
		if empty := uint64(max(0, (t.first-from)*movieTimescale/scale)); empty > 0 {
			edit(empty, -1)
		}
		from = t.first
	}
	edit(uint64(max(0, (min(to, t.end)-from)*movieTimescale+scale/2)/scale), from-t.first)
	return append(be32(be32(nil, 1<<24), n), list...), shown
}

// runs is the body of stts and ctts; version 1 of ctts has signed offsets.
func (t *movieTrack) runs(version byte, list []repeated) []byte {
	b := be32(append(make([]byte, 0, 8+8*len(list)), version, 0, 0, 0), uint32(len(list)))
	for _, r := range list {
		b = be32(be32(b, r.n), r.value)
	}
	return b
}

func (t *movieTrack) stsc() []byte {
	b := make([]byte, 8)
	count, last := uint32(0), uint32(0)
	for i, c := range t.chunks {
		if c.n != last {
			b = be32(be32(be32(b, uint32(i+1)), c.n), 1)
			count, last = count+1, c.n
		}
	}
	binary.BigEndian.PutUint32(b[4:], count)
	return b
}

// movieTicks is d on the clock of edit lists.
func movieTicks(d time.Duration) uint64 {
	return uint64(max(0, ticksOf(d, movieTimescale)))
}

// ticksOf is d on a clock, rounded to the nearest tick.
func ticksOf(d time.Duration, scale int64) int64 {
	s, rest := int64(d/time.Second), int64(d%time.Second)
	if rest < 0 {
		s, rest = s-1, rest+int64(time.Second)
	}
	return s*scale + (rest*scale+int64(time.Second)/2)/int64(time.Second)
}

func raw(name string, body []byte) mp4.Box {
	return mp4.CreateUnknownBox(name, uint64(8+len(body)), body)
}

func box(name string, body []byte) []byte {
	return append(append(be32(nil, uint32(8+len(body))), name...), body...)
}
