// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"io"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flac"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/demux/g711"
)

// flacSound gives an FLV stream with FLAC in place of G.711, as Enhanced RTMP 2 dresses
// it; all else of it as it is. The sound comes in blocks of one length, later by at most one: players
// want to know how long a frame is.
type flacSound struct {
	reader *flv.Reader
	tag    flv.Tag
	unit   demux.Unit
	out    []byte // that nobody has read yet
	buf    []byte // keeps out's memory

	law      g711.Law
	rate     int
	channels int
	block    int           // samples of a channel in each frame; 0: no sound has come yet
	at       time.Duration // of the first of pcm
	pcm      []int16       // less than a block, between two tags
	again    int           // samples to come that have been given already
	position uint64        // of the first of pcm, in samples
	frame    []byte
}

const (
	// telephoneBlock is the longest block, of 128 ms at 8 kHz.
	telephoneBlock = 1024
	// soundSlip is how far the time of a tag may be from where the samples before it
	// end: the rest is what times of cameras tremble by.
	soundSlip = 100 * time.Millisecond
	// mostSilence is the longest hole that is filled. A longer one, or a step back
	// as long, ends the stream: who asks again gets one with times of its own.
	mostSilence = 10 * time.Second
)

// The body of an audio tag of FLAC: the format of the FourCC, and a packet type.
const (
	exAudioConfig = "\x90fLaC"
	exAudioFrames = "\x91fLaC"
	// lastStreamInfo is the header of a metadata block: STREAMINFO of 34 bytes, and none behind it.
	lastStreamInfo = "\x80\x00\x00\x22"
)

func newFLACSound(r io.Reader) *flacSound {
	f := &flacSound{reader: flv.NewReader(r, flv.Options{})}
	f.out = flv.AppendHeader(nil, true, true)
	return f
}

func (f *flacSound) Read(p []byte) (int, error) {
	for len(f.out) == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.out)
	f.out = f.out[n:]
	return n, nil
}

// next takes one tag.
func (f *flacSound) next() error {
	if err := f.reader.Next(&f.tag, &f.unit); err != nil {
		return err
	}
	f.out = f.buf[:0]
	if law, ok := telephone(f.unit.Codec); ok {
		if err := f.sound(law); err != nil {
			return err
		}
	} else {
		f.out = append(f.out, f.tag.Raw...)
	}
	f.buf = f.out
	return nil
}

// sound takes a tag of G.711 and puts out the blocks that it completes. Their times follow each other
// without a hole or a step: players fill holes with what they take for silence, which
// is AAC's. What is missing is silence here, what comes twice is left out.
func (f *flacSound) sound(law g711.Law) error {
	u := &f.unit
	n := len(u.Data) / u.Channels
	if n == 0 {
		return nil
	}
	if f.block == 0 || law != f.law || u.Rate != f.rate || u.Channels != f.channels {
		f.law, f.rate, f.channels = law, u.Rate, u.Channels
		f.block = min(max(n, flac.MinBlock), telephoneBlock)
		f.pcm, f.at, f.again = f.pcm[:0], u.DTS, 0
		info, err := flac.AppendStreamInfo([]byte(exAudioConfig+lastStreamInfo), f.rate, f.channels, f.block, f.block)
		if err != nil {
			return err
		}
		f.out = flv.AppendTag(f.out, flv.TagAudio, f.millis(), info)
	}
	coded := u.Data[:n*u.Channels]
	switch late := u.DTS - f.at - f.length(len(f.pcm)/f.channels); {
	case late.Abs() > mostSilence:
		return io.EOF
	case late > soundSlip:
		f.pcm = append(f.pcm, make([]int16, f.samples(late)*f.channels)...)
	case late < -soundSlip && f.again == 0:
		f.again = f.samples(-late)
	}
	skip := min(f.again, n)
	f.again -= skip
	coded = coded[skip*f.channels:]
	f.pcm = f.law.AppendSamples(f.pcm, coded)
	done := 0
	for each := f.block * f.channels; len(f.pcm)-done >= each; done += each {
		var err error
		if f.frame, err = flac.AppendFrame(append(f.frame[:0], exAudioFrames...), f.pcm[done:done+each], f.rate, f.channels, f.position); err != nil {
			return err
		}
		f.out = flv.AppendTag(f.out, flv.TagAudio, f.millis(), f.frame)
		f.position += uint64(f.block)
		f.at += f.length(f.block)
	}
	f.pcm = append(f.pcm[:0], f.pcm[done:]...)
	return nil
}

func (f *flacSound) samples(d time.Duration) int { return int(d * time.Duration(f.rate) / time.Second) }

func (f *flacSound) length(samples int) time.Duration {
	return time.Duration(samples) * time.Second / time.Duration(f.rate)
}

func (f *flacSound) millis() uint32 { return uint32(f.at.Milliseconds()) }
