// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"fmt"
	"io"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flac"
	"github.com/xp2p/xp2p/demux/g711"
	"github.com/xp2p/xp2p/internal/fmp4"
)

// Browsers do not play telephone sound (G.711), which is what cameras send most. They all
// play FLAC, which keeps each of its samples, so that they are given that: in HLS and,
// where they ask for it, in live streams.

// telephone says which law a codec of sound follows.
func telephone(c demux.Codec) (law g711.Law, ok bool) {
	switch c {
	case demux.ALaw:
		return g711.ALaw, true
	case demux.MuLaw:
		return g711.MuLaw, true
	}
	return 0, false
}

// flacRate is how much more FLAC takes than G.711 at most, bits a second of a channel.
const flacRate = 64_000

// flacTrack is what becomes of a track of G.711: its samples keep their number and times.
type flacTrack struct {
	id             uint32 // 0: there is none
	law            g711.Law
	rate, channels int
	shift          int64 // added to decoding times, ticks

	samples []int16 // kept from frame to frame
}

// asFLAC describes the track that is sent for t; ok is false where it is none of G.711.
func asFLAC(t *fmp4.Track) (sent fmp4.Track, f flacTrack, ok bool) {
	law, ok := telephone(t.Codec)
	if !ok {
		return sent, f, false
	}
	info, err := flac.AppendStreamInfo(nil, t.Rate, t.Channels, flac.MinBlock, flac.MaxBlock)
	if err != nil {
		return sent, f, false // of many channels
	}
	sent = *t
	sent.Codec, sent.Config = demux.FLAC, info
	return sent, flacTrack{id: t.ID, law: law, rate: t.Rate, channels: t.Channels}, true
}

// code makes FLAC of the run r of a part, in the bytes of which it reads.
func (f *flacTrack) code(file io.ReaderAt, r *fmp4.ReadRun) (fmp4.Run, []byte, error) {
	coded := make([]byte, r.Bytes)
	if _, err := file.ReadAt(coded, r.Offset); err != nil {
		return fmp4.Run{}, nil, fmt.Errorf("read sound at %d: %w", r.Offset, err)
	}
	run := fmp4.Run{Track: r.Track, Base: uint64(max(0, int64(r.Base)+f.shift)), Samples: make([]fmp4.Sample, 0, len(r.Samples))}
	var data []byte
	at := run.Base
	for _, s := range r.Samples {
		frame := coded[:s.Size]
		coded = coded[s.Size:]
		// A frame of FLAC is at most some 8 s long; one of G.711 hardly ever is longer.
		for left := s.Duration; len(frame) >= f.channels; {
			n := min(len(frame)/f.channels, flac.MaxBlock)
			f.samples = f.law.AppendSamples(f.samples[:0], frame[:n*f.channels])
			frame = frame[n*f.channels:]
			length := min(uint32(n), left)
			if len(frame) < f.channels {
				length = left
			}
			before := len(data)
			var err error
			if data, err = flac.AppendFrame(data, f.samples, f.rate, f.channels, at); err != nil {
				return run, nil, err
			}
			run.Samples = append(run.Samples, fmp4.Sample{Size: uint32(len(data) - before), Duration: length, Key: true})
			left, at = left-length, at+uint64(length)
		}
	}
	run.Bytes = len(data)
	return run, data, nil
}

// sendParts sends p and the parts behind it up to end as the function of that name does, with
// FLAC for G.711. Pictures are sent as they are stored.
func (f flacTrack) sendParts(w io.Writer, file io.ReaderAt, p *fmp4.ReadPart, end int64, shift fmp4.Shift) error {
	buf := make([]byte, 128<<10)
	var header []byte
	for sequence := uint32(1); ; sequence++ {
		h := fmp4.PartHeader{Sequence: sequence, Wall: p.Wall}
		var runs []*fmp4.ReadRun // of h.Runs
		var sound []byte
		for i := range p.Runs {
			r := &p.Runs[i]
			ticks, hide := shift(r.Track)
			switch {
			case hide:
				continue
			case r.Track == f.id:
				f.shift = ticks
				run, data, err := f.code(file, r)
				if err != nil {
					return err
				}
				h.Runs, sound = append(h.Runs, run), data
			default:
				run := r.Run
				run.Base = uint64(max(0, int64(r.Base)+ticks))
				h.Runs = append(h.Runs, run)
			}
			runs = append(runs, r)
		}
		if len(h.Runs) > 0 {
			header = fmp4.AppendPart(header[:0], &h)
			if _, err := w.Write(header); err != nil {
				return err
			}
		}
		for _, r := range runs {
			var err error
			if r.Track == f.id {
				_, err = w.Write(sound)
			} else {
				_, err = io.CopyBuffer(w, io.NewSectionReader(file, r.Offset, int64(r.Bytes)), buf)
			}
			if err != nil {
				return err
			}
		}
		at := p.Offset + p.Size
		if at == end {
			return nil
		}
		var err error
		if p, err = fmp4.ReadPartAt(file, at, end); err != nil {
			return err
		}
	}
}
