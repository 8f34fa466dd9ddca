// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/demux/g711"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// samples has ffmpeg decode the sound of source, which it may not complain of.
func samples(t *testing.T, source string) []int16 {
	t.Helper()
	out := tool(t, "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", source, "-map", "0:a", "-f", "s16le", "-ar", "8000", "-ac", "1", "-")
	pcm := make([]int16, len(out)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16([]byte(out[2*i:])))
	}
	return pcm
}

// The telephone sound of a recording reaches a player of HLS sample by sample.
func TestHLSTelephoneSound(t *testing.T) {
	for _, kind := range []testmedia.Kind{testmedia.H264ALaw, testmedia.ALaw} {
		t.Run(string(kind), func(t *testing.T) {
			o := testmedia.Options{GOP: 25}
			a, _, end := recorded(t, 5*time.Second, take{kind, 12, o, 0})
			end()
			var want []int16
			for _, u := range units(t, testmedia.FLV(t, kind, 12, o)) {
				if u.Kind == demux.Audio {
					want = g711.ALaw.AppendSamples(want, u.Data)
				}
			}
			s := start(t, Config{Recordings: a})
			got := samples(t, s.URL()+"hls/gate/index.m3u8?"+between(-10, 60)+"&token="+s.auth.token)
			if !slices.Equal(got, want) {
				t.Errorf("%d samples are not the %d that were recorded", len(got), len(want))
			}
		})
	}
}

// liveFLAC puts a stream through flacSound and gives the FLAC in it, when each frame of it is due, and what else
// came out.
func liveFLAC(t *testing.T, stream []byte) (file []byte, times []uint32, rest []byte) {
	t.Helper()
	out, err := io.ReadAll(newFLACSound(bytes.NewReader(stream)))
	if err != nil {
		t.Fatal(err)
	}
	rest = flv.AppendHeader(nil, true, true)
	r := flv.NewReader(bytes.NewReader(out), flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for {
		err := r.Next(&tag, &u)
		if err == io.EOF {
			return file, times, rest
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case tag.Type != flv.TagAudio:
			rest = append(rest, tag.Raw...)
		case bytes.HasPrefix(tag.Payload, []byte(exAudioConfig)):
			if file != nil {
				t.Error("a second configuration")
			}
			file = append([]byte("fLaC"), tag.Payload[len(exAudioConfig):]...)
		case bytes.HasPrefix(tag.Payload, []byte(exAudioFrames)):
			file = append(file, tag.Payload[len(exAudioFrames):]...)
			times = append(times, tag.Timestamp)
		default:
			t.Errorf("a tag of sound: % x", tag.Payload[:6])
		}
	}
}

func TestFLACSound(t *testing.T) {
	tone := make([]byte, 2*8000*4)
	for i := range len(tone) / 2 {
		binary.LittleEndian.PutUint16(tone[2*i:], uint16(int16(9000*math.Sin(float64(i)/7))))
	}
	for _, c := range []struct {
		name  string
		law   g711.Law
		codec demux.Codec
		sizes []int         // of tags, in samples, by turns
		jump  time.Duration // of the times in the middle
		block int
	}{
		{"A-law of 40 ms", g711.ALaw, demux.ALaw, []int{320}, 0, 320},
		{"mu-law of 20 ms", g711.MuLaw, demux.MuLaw, []int{160}, 0, 160},
		{"tags of a second", g711.ALaw, demux.ALaw, []int{8000}, 0, telephoneBlock},
		{"tags of many sizes", g711.MuLaw, demux.MuLaw, []int{320, 100, 1, 801, 320}, 0, 320},
		{"tiny tags", g711.ALaw, demux.ALaw, []int{3}, 0, 16},
		{"times tremble", g711.ALaw, demux.ALaw, []int{320, 200}, soundSlip / 2, 320},
		{"a hole", g711.ALaw, demux.ALaw, []int{320, 200}, 5 * time.Second, 320},
		{"a step back", g711.ALaw, demux.ALaw, []int{320, 200}, -time.Second, 320},
		{"a long hole", g711.ALaw, demux.ALaw, []int{320}, time.Minute, 320},
		{"a long step back", g711.ALaw, demux.ALaw, []int{320}, -time.Minute, 320},
	} {
		t.Run(c.name, func(t *testing.T) {
			const begin = 2 * time.Minute
			stream := flv.AppendHeader(nil, true, true)
			picture := flv.AppendTag(nil, flv.TagVideo, 0, []byte{0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x65})
			stream = append(stream, picture...)
			coded := c.law.Encode(nil, tone)
			half := 0 // where the times jump
			for i, at := 0, 0; at < len(coded); i++ {
				n := min(c.sizes[i%len(c.sizes)], len(coded)-at)
				when := begin + time.Duration(at)*time.Second/8000
				if at > len(coded)/2 {
					if half == 0 {
						half = at
					}
					when += c.jump
				}
				b, err := flv.AppendUnit(stream, &demux.Unit{Kind: demux.Audio, Codec: c.codec, DTS: when, Data: coded[at : at+n]}, flv.WriteOptions{})
				if err != nil {
					t.Fatal(err)
				}
				stream = b
				at += n
			}
			want := c.law.AppendSamples(nil, coded)
			switch jump := int(c.jump.Seconds() * 8000); {
			case c.jump.Abs() > mostSilence:
				want = want[:half]
			case c.jump > soundSlip:
				want = slices.Concat(want[:half], make([]int16, jump), want[half:])
			case c.jump < -soundSlip:
				want = slices.Concat(want[:half], want[half-jump:])
			}
			file, times, rest := liveFLAC(t, stream)
			if !bytes.Equal(rest, append(flv.AppendHeader(nil, true, true), picture...)) {
				t.Error("the picture is not as it was")
			}
			path := filepath.Join(t.TempDir(), "live.flac")
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			got := samples(t, path)
			if whole := len(want) / c.block * c.block; len(got) != whole || len(times) != whole/c.block {
				t.Fatalf("%d samples in %d frames, want %d", len(got), len(times), whole)
			}
			for i := range times {
				if due := begin.Milliseconds() + int64(i*c.block)/8; int64(times[i]) < due-1 || int64(times[i]) > due+1 {
					t.Fatalf("frame %d comes at %d ms, due at %d", i, times[i], due)
				}
				if first := i * c.block; !slices.Equal(got[first:first+c.block], want[first:first+c.block]) {
					t.Fatalf("frame %d has other samples", i)
				}
			}
		})
	}
}

// A live stream is given with FLAC to who asks for it, and refused to who asks for
// something else.
func TestLiveFLAC(t *testing.T) {
	s := liveSite(t, testmedia.H264ALaw)
	s.get(400, "/live/gate.flv?sound=mp3")
	for sound, want := range map[string]string{"": "\x72", "?sound=flac": exAudioConfig} {
		res := s.request("GET", "/live/gate.flv"+sound, nil, nil)
		within(t, "the first sound", func() error {
			r := flv.NewReader(res.Body, flv.Options{})
			var tag flv.Tag
			var u demux.Unit
			for tag.Type != flv.TagAudio {
				if err := r.Next(&tag, &u); err != nil {
					return err
				}
			}
			if !bytes.HasPrefix(tag.Payload, []byte(want)) {
				t.Errorf("%q: the first sound begins with % x", sound, tag.Payload[:5])
			}
			return nil
		})
	}
}

// Whatever a stream holds, what is given of it is a stream, and not without bound.
func FuzzFLACSound(f *testing.F) {
	head := flv.AppendHeader(nil, true, true)
	f.Add(flv.AppendTag(head, flv.TagAudio, 40, append([]byte{0x72}, make([]byte, 320)...)))
	f.Add(flv.AppendTag(flv.AppendTag(head, flv.TagAudio, 0, []byte{0x83, 1, 2, 3}), flv.TagAudio, 9000, []byte{0x83, 4, 5}))
	f.Fuzz(func(t *testing.T, stream []byte) {
		const silence = 90_000 // at most, for each tag: 10 s
		out, err := io.ReadAll(io.LimitReader(newFLACSound(bytes.NewReader(stream)), 1<<24))
		if most := 100 + (len(stream)/12+1)*silence; len(out) > most {
			t.Errorf("%d bytes became %d (%v)", len(stream), len(out), err)
		}
		r := flv.NewReader(bytes.NewReader(out), flv.Options{Strict: true})
		var tag flv.Tag
		var u demux.Unit
		for err = nil; err == nil; {
			err = r.Next(&tag, &u)
		}
		if err != io.EOF {
			t.Errorf("what is given is no stream: %v", err)
		}
	})
}
