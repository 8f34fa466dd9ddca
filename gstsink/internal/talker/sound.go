// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"bytes"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/g711"
	"github.com/xp2p/xp2p/internal/talk"
)

// Format is the sound that Take is given: A-law, mu-law or 16-bit samples at 8 kHz, such
// samples at 16 kHz, one channel each, or AAC with its AudioSpecificConfig.
type Format struct {
	talk.Format
	Config []byte
}

// sound is what was taken and not said yet, on its way to the camera's form. It is
// bounded by the pipeline: the next buffer is taken when the one before is said.
type sound struct {
	format Format
	in     []byte // one buffer
	at     time.Duration
	known  bool
	line   timeline

	halve  *halver         // nil: the rate is the camera's
	conv   *talk.Converter // nil: to be made for the camera
	frames frames

	configured bool          // the configuration was said
	begin      time.Duration // of this talk, in the timeline
	begun      bool
}

// change sets the format of what comes; what came before is kept in the camera's.
func (s *sound) change(f Format) {
	if f.Format != s.format.Format {
		s.tail()
		s.halve, s.conv = nil, nil
	}
	if !bytes.Equal(f.Config, s.format.Config) {
		s.configured = false
	}
	s.format = Format{f.Format, bytes.Clone(f.Config)}
}

// take copies a buffer.
func (s *sound) take(b []byte, at time.Duration, known bool) {
	s.in = append(s.in[:0], b...)
	s.at, s.known = at, known
}

// silence takes as much of it in place of a buffer. AAC's cannot be made here.
func (s *sound) silence(at, length time.Duration) {
	rate, size, value := s.format.Rate, 1, byte(0)
	switch s.format.Codec {
	case demux.ALaw:
		value = g711.EncodeA(0)
	case demux.MuLaw:
		value = g711.EncodeU(0)
	case demux.PCM:
		size = 2
	default:
		return
	}
	n := int(int64(min(length, maxSilence)) * int64(rate) / int64(time.Second))
	s.take(bytes.Repeat([]byte{value}, n*size), at, true)
}

// maxSilence bounds what one gap is filled with. Behind a longer one the time jumps.
const maxSilence = 5 * time.Second

// running is the running time of a time of the talk, once that has begun.
func (s *sound) running(dts time.Duration) time.Duration { return dts + s.begin + s.line.origin }

// empty says that there is nothing to say.
func (s *sound) empty() bool { return len(s.in) == 0 && len(s.frames.buf) == 0 }

// discard forgets what was not said.
func (s *sound) discard() {
	s.in, s.frames.buf, s.halve, s.conv = s.in[:0], s.frames.buf[:0], nil, nil
}

// talk begins a talk to a camera that takes want.
func (s *sound) talk(want talk.Format) {
	if s.conv != nil && s.conv.Want() != want { // another camera's form: of no use
		s.frames.buf, s.halve, s.conv = s.frames.buf[:0], nil, nil
	}
	s.configured, s.begun = false, false
}

// prepare brings what was taken into the camera's form. AAC is said as it is, whatever
// its rate: the camera gets its configuration.
func (s *sound) prepare(want talk.Format) error {
	if s.format.Codec == demux.AAC {
		if want.Codec != demux.AAC {
			return formatError(s.format.Format, want)
		}
		return nil
	}
	if s.conv == nil {
		has := s.format.Format
		if has.Codec == demux.PCM && has.Rate == 2*want.Rate {
			has.Rate = want.Rate
			s.halve = newHalver()
		}
		var err error
		if s.conv, err = talk.NewConverter(has, want); err != nil || want.Codec == demux.PCM || want.Rate != g711Rate {
			return formatError(s.format.Format, want)
		}
	}
	if len(s.in) == 0 {
		return nil
	}
	b := s.in
	if s.halve != nil {
		b = s.halve.convert(b)
	}
	b = s.conv.Convert(b)
	s.frames.add(b, s.line.place(s.at, s.known, lasts(len(b))))
	s.in = s.in[:0]
	return nil
}

// tail brings out what the filter holds.
func (s *sound) tail() {
	if s.halve == nil || s.conv == nil {
		return
	}
	b := s.conv.Convert(s.halve.rest())
	s.frames.add(b, s.line.place(0, false, lasts(len(b))))
}

// next is the unit to say now, nil: none. all: also what is less than a frame.
func (s *sound) next(want talk.Format, all bool) *demux.Unit {
	u := s.frames.next(want.Codec, all)
	if s.format.Codec == demux.AAC {
		u = s.nextAAC()
	}
	if u == nil {
		return nil
	}
	if !s.begun {
		s.begin, s.begun = u.DTS, true
	}
	u.DTS -= s.begin
	return u
}

// nextAAC is the configuration, then the frame that was taken.
func (s *sound) nextAAC() *demux.Unit {
	if len(s.in) == 0 {
		return nil
	}
	if s.known { // to be placed once, however often it is tried
		s.line.next = s.line.place(s.at, true, 0)
		s.known = false
	}
	u := &demux.Unit{Kind: demux.Audio, Codec: demux.AAC, Config: !s.configured, DTS: s.line.next, Data: s.format.Config}
	if s.configured {
		u.Key, u.Data = true, s.in
	}
	return u
}

// aacFrame is how long a frame of AAC lasts (ISO/IEC 14496-3 §4.5.1.1: 1024 samples).
func (s *sound) aacFrame() time.Duration {
	return 1024 * time.Second / time.Duration(max(s.format.Rate, 1))
}

// said takes the unit away that next gave.
func (s *sound) said(u *demux.Unit) {
	switch {
	case u.Config:
		s.configured = true
	case u.Codec == demux.AAC:
		s.in = s.in[:0]
		s.line.next += s.aacFrame()
	default:
		s.frames.said(len(u.Data))
	}
}
