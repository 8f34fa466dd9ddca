// SPDX-License-Identifier: LGPL-2.1-or-later

package talk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/demux/g711"
	"github.com/xp2p/xp2p/internal/testmedia"
)

var (
	alaw8k  = Format{demux.ALaw, 8000, 1}
	mulaw8k = Format{demux.MuLaw, 8000, 1}
	pcm8k   = Format{demux.PCM, 8000, 1}
	aac44k  = Format{demux.AAC, 44100, 2}
)

// tone is one second of 440 Hz.
func tone(f Format) []byte {
	var b []byte
	for i := range f.Rate {
		s := uint16(int16(8000 * math.Sin(2*math.Pi*440*float64(i)/float64(f.Rate))))
		for range f.Channels {
			b = binary.LittleEndian.AppendUint16(b, s)
		}
	}
	return b
}

// wav has ffmpeg dress samples.
func wav(t *testing.T, f Format, codec string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.wav")
	c := exec.Command("ffmpeg", "-loglevel", "error", "-f", "s16le", "-ar", strconv.Itoa(f.Rate), "-ac", strconv.Itoa(f.Channels), "-i", "-", "-c:a", codec, out)
	c.Stdin = bytes.NewReader(tone(f))
	if b, err := c.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg (apt-get install -y ffmpeg): %v\n%s", err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// said is all of a source's sound.
func said(t *testing.T, in []byte, want Format, o Options) ([]byte, time.Duration, error) {
	t.Helper()
	s, err := Open(bytes.NewReader(in), want, o)
	if err != nil {
		return nil, 0, err
	}
	var all []byte
	var last time.Duration
	for {
		u, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all, last, nil
		}
		if err != nil {
			return all, last, err
		}
		if u.Codec != want.Codec || u.Kind != demux.Audio || u.DTS < last {
			t.Fatalf("unit %v %v at %v after %v", u.Kind, u.Codec, u.DTS, last)
		}
		if !u.Config {
			all = append(all, u.Data...)
		}
		last = u.DTS
	}
}

func TestSamples(t *testing.T) {
	stereo := Format{demux.PCM, 8000, 2}
	mono := tone(pcm8k)
	asA, asU := g711.ALaw.Encode(nil, mono), g711.MuLaw.Encode(nil, mono)
	for _, tt := range []struct {
		name string
		in   []byte
		raw  *Format
		want Format
		out  []byte
	}{
		{"wav to alaw", wav(t, pcm8k, "pcm_s16le"), nil, alaw8k, asA},
		{"wav to mulaw", wav(t, pcm8k, "pcm_s16le"), nil, mulaw8k, asU},
		{"wav of two channels", wav(t, stereo, "pcm_s16le"), nil, alaw8k, asA},
		{"wav as it is", wav(t, pcm8k, "pcm_s16le"), nil, pcm8k, mono},
		{"bare samples", mono, &pcm8k, alaw8k, asA},
		{"a sample cut in two", mono[:len(mono)-1], &pcm8k, alaw8k, asA[:len(asA)-1]},
		{"bare alaw", asA, &alaw8k, alaw8k, asA},
		{"alaw to mulaw", asA, &alaw8k, mulaw8k, g711.MuLaw.Encode(nil, g711.ALaw.Decode(nil, asA))},
		{"nothing", nil, &pcm8k, alaw8k, nil},
	} {
		got, last, err := said(t, tt.in, tt.want, Options{Raw: tt.raw})
		if err != nil || !bytes.Equal(got, tt.out) {
			t.Errorf("%s: %d bytes of %d, %v", tt.name, len(got), len(tt.out), err)
		}
		if tt.out != nil && last != time.Second-frame {
			t.Errorf("%s: the last unit is at %v", tt.name, last)
		}
	}
	// ffmpeg's own G.711 differs from ours where a sample is between two (demux/g711).
	if got, _, err := said(t, wav(t, pcm8k, "pcm_alaw"), alaw8k, Options{}); err != nil || len(got) != len(asA) {
		t.Errorf("wav of alaw: %d bytes, %v", len(got), err)
	}
}

func TestFLV(t *testing.T) {
	read := func(k testmedia.Kind) []byte {
		b, err := os.ReadFile(testmedia.FLV(t, k, 2, testmedia.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if got, last, err := said(t, read(testmedia.H264ALaw), alaw8k, Options{}); err != nil || len(got) < 14000 || last < 1500*time.Millisecond {
		t.Errorf("alaw: %d bytes to %v, %v", len(got), last, err)
	}
	if got, _, err := said(t, read(testmedia.ALaw), mulaw8k, Options{}); err != nil || len(got) < 14000 {
		t.Errorf("alaw to mulaw: %d bytes, %v", len(got), err)
	}
	if got, _, err := said(t, read(testmedia.H264AAC), aac44k, Options{}); err != nil || len(got) == 0 {
		t.Errorf("aac: %d bytes, %v", len(got), err)
	}
	cut := read(testmedia.ALaw)
	if got, _, err := said(t, cut[:len(cut)-7], alaw8k, Options{}); err != nil || len(got) == 0 {
		t.Errorf("cut off: %d bytes, %v", len(got), err)
	}
	if _, _, err := said(t, read(testmedia.H264), alaw8k, Options{Name: "x.flv"}); err == nil || !strings.Contains(err.Error(), "x.flv has no sound") {
		t.Errorf("without sound: %v", err)
	}
	// A video call has pictures, and its AAC configuration.
	s, err := Open(bytes.NewReader(read(testmedia.H264AAC)), aac44k, Options{Video: true})
	if err != nil {
		t.Fatal(err)
	}
	pictures, configs := 0, 0
	for {
		u, err := s.Next()
		if err != nil {
			break
		}
		if u.Kind == demux.Video && !u.Config {
			pictures++
		}
		if u.Config {
			configs++
		}
		if _, err := flv.AppendUnit(nil, u, flv.WriteOptions{}); err != nil {
			t.Errorf("not for FLV: %v", err)
		}
	}
	if pictures != testmedia.Frames(2) || configs != 2 {
		t.Errorf("%d pictures, %d configurations", pictures, configs)
	}
}

func TestRefused(t *testing.T) {
	cd := Format{demux.PCM, 44100, 2}
	flvAAC, err := os.ReadFile(testmedia.FLV(t, testmedia.AAC, 1, testmedia.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		in   []byte
		raw  *Format
		want Format
		text string
	}{
		{"another rate", wav(t, cd, "pcm_s16le"), nil, alaw8k, "the camera takes alaw at 8000 Hz, 1 channel; song has pcm at 44100 Hz, 2 channels. Convert it, for example: ffmpeg -i INPUT -vn -ar 8000 -ac 1 -f s16le - | xp2p talk --input - --format s16le --rate 8000 --channels 1"},
		{"an AAC encoder", wav(t, pcm8k, "pcm_s16le"), nil, aac44k, "-c:a aac -ar 44100 -ac 2 -f flv"},
		{"an AAC decoder", flvAAC, nil, alaw8k, "song has aac"},
		{"24 bits", wav(t, pcm8k, "pcm_s24le"), nil, alaw8k, "with 24 bits is not supported"},
		{"text", []byte("hello there, this is text"), nil, alaw8k, "neither WAV nor FLV: bare samples need their format"},
		{"nothing", nil, nil, alaw8k, "neither WAV nor FLV"},
		{"one channel to two", tone(pcm8k), &pcm8k, Format{demux.PCM, 8000, 2}, "2 channels"},
	} {
		if _, _, err := said(t, tt.in, tt.want, Options{Name: "song", Raw: tt.raw}); err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestSayIsInRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(bytes.NewReader(bytes.Repeat(tone(pcm8k), 10)), alaw8k, Options{Raw: &pcm8k})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := Say(t.Context(), s, func(u *demux.Unit) error {
			if at, due := time.Since(begin), max(u.DTS-lead, 0); at != due {
				t.Fatalf("the unit of %v was said at %v", u.DTS, at)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d != 10*time.Second-lead-frame {
			t.Errorf("ten seconds took %v", d)
		}
		s, _ = Open(bytes.NewReader(tone(pcm8k)), alaw8k, Options{Raw: &pcm8k})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := Say(ctx, s, func(*demux.Unit) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended: %v", err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	head := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x04\x00\x00\x00\x01\x02\x03\x04")
	f.Add(head)
	f.Add(append([]byte("RIFF\x00\x00\x00\x00WAVEjunk\x03\x00\x00\x00abc\x00"), head[12:]...))
	f.Add(flv.AppendHeader(nil, false, true))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := Open(bytes.NewReader(in), alaw8k, Options{Video: true})
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			u, err := s.Next()
			if err != nil {
				return
			}
			if len(u.Data) > len(in) || n > len(in) {
				t.Fatalf("%d bytes gave a unit of %d, the %dth", len(in), len(u.Data), n)
			}
		}
	})
}
