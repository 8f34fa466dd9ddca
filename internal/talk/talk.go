// SPDX-License-Identifier: LGPL-2.1-or-later

// Package talk makes what a talker says: sound from a WAV file, an FLV stream or bare
// samples, as the units that a camera's speaker takes, in real time.
//
// G.711 is coded and decoded here (demux/g711), and two channels are mixed to one. What
// needs a resampler or an AAC encoder is refused, with the ffmpeg line that does it.
package talk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/xp2p/xp2p/demux"
)

// Format is a kind of sound.
type Format struct {
	Codec    demux.Codec // ALaw, MuLaw, AAC or PCM (16-bit little-endian)
	Rate     int         // Hz
	Channels int
}

func (f Format) String() string {
	s := "s"
	if f.Channels == 1 {
		s = ""
	}
	return fmt.Sprintf("%v at %d Hz, %d channel%s", f.Codec, f.Rate, f.Channels, s)
}

// RawFormat is the format of bare samples: codec is s16le, alaw or mulaw, rate in Hz.
func RawFormat(codec string, rate, channels int) (*Format, error) {
	codecs := map[string]demux.Codec{"s16le": demux.PCM, "alaw": demux.ALaw, "mulaw": demux.MuLaw}
	switch {
	case codecs[codec] == demux.CodecUnknown:
		return nil, fmt.Errorf("format %q: wanted s16le, alaw or mulaw", codec)
	case rate < 1000 || rate > 192000:
		return nil, fmt.Errorf("rate %d: wanted 1000 to 192000 Hz", rate)
	case channels < 1 || channels > 2:
		return nil, fmt.Errorf("channels %d: wanted 1 or 2", channels)
	}
	return &Format{Codec: codecs[codec], Rate: rate, Channels: channels}, nil
}

// Options of Open.
type Options struct {
	// Name of the input in errors; "": "the input".
	Name string
	// Raw is the format of an input of bare samples; nil: the input is WAV or FLV.
	Raw *Format
	// Video passes the pictures of an FLV input on.
	Video bool
}

// Source gives units in the format that was wanted.
type Source struct {
	next func() (*demux.Unit, error)
}

// Next gives the next unit, which is valid until the next call, or io.EOF.
func (s *Source) Next() (*demux.Unit, error) { return s.next() }

// FormatError says that the input is of no use to the camera as it is, and what to do.
type FormatError struct {
	Name string
	Has  Format
	Want Format
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("the camera takes %v; %s has %v. Convert it, for example: %s", e.Want, e.Name, e.Has, e.line())
}

// line is a command line that makes what is wanted.
func (e *FormatError) line() string {
	if e.Want.Codec == demux.AAC {
		return fmt.Sprintf("ffmpeg -i INPUT -vn -c:a aac -ar %d -ac %d -f flv - | xp2p talk --input - …", e.Want.Rate, e.Want.Channels)
	}
	return fmt.Sprintf("ffmpeg -i INPUT -vn -ar %d -ac %d -f s16le - | xp2p talk --input - --format s16le --rate %[1]d --channels %[2]d …", e.Want.Rate, e.Want.Channels)
}

// Open looks at the beginning of r.
func Open(r io.Reader, want Format, o Options) (*Source, error) {
	if o.Name == "" {
		o.Name = "the input"
	}
	b := bufio.NewReaderSize(r, 64<<10)
	if o.Raw != nil {
		return openRaw(b, *o.Raw, want, o)
	}
	magic, err := b.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte("FLV")):
		return openFLV(b, want, o), nil
	case string(magic) == "RIFF":
		f, data, err := readWAV(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Name, err)
		}
		return openRaw(data, f, want, o)
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	return nil, fmt.Errorf("%s is neither WAV nor FLV: bare samples need their format (--format s16le --rate 8000)", o.Name)
}

// frame is how much sound becomes one unit: each is a packet or two.
const frame = 40 * time.Millisecond

// openRaw cuts a stream of samples into frames.
func openRaw(r io.Reader, has, want Format, o Options) (*Source, error) {
	conv, err := NewConverter(has, want)
	if err != nil {
		return nil, &FormatError{Name: o.Name, Has: has, Want: want}
	}
	sample := has.Channels
	if has.Codec == demux.PCM {
		sample *= 2
	}
	buf := make([]byte, sample*int(int64(has.Rate)*int64(frame)/int64(time.Second)))
	var u demux.Unit
	var samples int64
	return &Source{func() (*demux.Unit, error) {
		n, err := io.ReadFull(r, buf)
		n -= n % sample
		if n == 0 {
			if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF
			}
			return nil, err
		}
		u = demux.Unit{Kind: demux.Audio, Codec: want.Codec, Key: true, Rate: want.Rate, Channels: want.Channels,
			DTS: time.Duration(samples) * time.Second / time.Duration(has.Rate), Data: conv.Convert(buf[:n])}
		samples += int64(n / sample)
		return &u, nil
	}}, nil
}

// lead is how far ahead of its time a unit is said, for a camera that must not run dry.
const lead = 200 * time.Millisecond

// Say writes what s gives in real time, until its end or that of ctx. Input that comes
// live is not held up.
func Say(ctx context.Context, s *Source, write func(*demux.Unit) error) error {
	var begin time.Time
	var first time.Duration
	for {
		u, err := s.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if begin.IsZero() {
			begin, first = time.Now(), u.DTS
		}
		if wait := time.Until(begin.Add(u.DTS - first - lead)); wait > 0 {
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return context.Cause(ctx)
			}
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := write(u); err != nil {
			return err
		}
	}
}
