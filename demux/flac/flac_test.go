// SPDX-License-Identifier: LGPL-2.1-or-later

package flac

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// decode has ffmpeg decode a stream, which it checks by the frames' checksums.
func decode(t *testing.T, stream []byte, rate, channels int) []int16 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "s.flac")
	if err := os.WriteFile(file, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-xerror", "-err_detect", "crccheck+explode", "-i", file,
		"-f", "s16le", "-ar", fmt.Sprint(rate), "-ac", fmt.Sprint(channels), "-")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		t.Fatalf("ffmpeg (apt-get install -y ffmpeg): %v\n%s", err, said.Bytes())
	}
	pcm := make([]int16, out.Len()/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(out.Bytes()[2*i:]))
	}
	return pcm
}

// stream codes pcm in blocks of such sizes, by turns.
func stream(t *testing.T, pcm []int16, rate, channels int, from uint64, blocks ...int) []byte {
	t.Helper()
	b, err := AppendStreamInfo([]byte("fLaC\x80\x00\x00\x22"), rate, channels, 1, MaxBlock)
	if err != nil {
		t.Fatal(err)
	}
	for at := from; len(pcm) > 0; {
		for _, n := range blocks {
			n = min(n, len(pcm)/channels)
			if n == 0 {
				break
			}
			if b, err = AppendFrame(b, pcm[:n*channels], rate, channels, at); err != nil {
				t.Fatal(err)
			}
			pcm, at = pcm[n*channels:], at+uint64(n)
		}
	}
	return b
}

func tone(n int, loud float64) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(loud * math.Sin(float64(i)*2*math.Pi*440/8000))
	}
	return s
}

func TestLossless(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]int16, 9000)
	edges := make([]int16, 4000)
	steps := make([]int16, 4000)
	for i := range noise {
		noise[i] = int16(r.Uint32())
	}
	for i := range edges {
		edges[i] = int16(i % 2 * math.MaxUint16 >> 1)
		if i%3 == 0 {
			edges[i] = math.MinInt16
		}
		steps[i] = int16(i / 700 * 1000)
	}
	for _, c := range []struct {
		name           string
		pcm            []int16
		rate, channels int
		from           uint64
		blocks         []int
		most           float64 // bits for a sample, at most
	}{
		{"tone", tone(16000, 8000), 8000, 1, 0, []int{320}, 10},
		{"blocks of many sizes", tone(16000, 20000), 8000, 1, 0, []int{16, 160, 1, 17, 1024, 4608}, 12},
		{"silence", make([]int16, 16000), 8000, 1, 0, []int{800}, 1.5},
		{"steps", steps, 16000, 1, 0, []int{1000}, 6},
		{"noise", noise, 8000, 1, 0, []int{1000}, 17},
		{"edges", edges, 44100, 1, 0, []int{500}, 18},
		{"two channels", tone(16000, 3000), 48000, 2, 0, []int{480}, 14},
		{"a rate without a code", tone(11025, 9000), 11025, 1, 0, []int{1102}, 12},
		{"the longest block", tone(MaxBlock+5, 9000), 8000, 1, 0, []int{MaxBlock}, 10},
		{"a late beginning", tone(8000, 8000), 8000, 1, 1<<21 + 12345, []int{320}, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stream(t, c.pcm, c.rate, c.channels, c.from, c.blocks...)
			got := decode(t, s, c.rate, c.channels)
			if len(got) != len(c.pcm) {
				t.Fatalf("%d samples of %d", len(got), len(c.pcm))
			}
			for i := range got {
				if got[i] != c.pcm[i] {
					t.Fatalf("sample %d is %d, was %d", i, got[i], c.pcm[i])
				}
			}
			if each := float64(len(s)*8) / float64(len(c.pcm)); each > c.most {
				t.Errorf("%.1f bits for a sample, more than %.1f", each, c.most)
			}
		})
	}
}

// Numbers are coded as UTF-8 codes those that it has.
func TestNumber(t *testing.T) {
	for _, v := range []uint64{0, 1, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff} {
		want := string(rune(v))
		if v == 0xffff || v < 0xd800 || v > 0xdfff {
			if got := appendNumber(nil, v); string(got) != want {
				t.Errorf("%#x: % x, want % x", v, got, want)
			}
		}
	}
	for v, want := range map[uint64][]byte{
		0x1fffff:    {0xf7, 0xbf, 0xbf, 0xbf},
		0x200000:    {0xf8, 0x88, 0x80, 0x80, 0x80},
		0x7fffffff:  {0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf},
		0x80000000:  {0xfe, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80},
		maxPosition: {0xfe, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf},
	} {
		if got := appendNumber(nil, v); !bytes.Equal(got, want) {
			t.Errorf("%#x: % x, want % x", v, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		samples, channels int
	}{{0, 1}, {100, 0}, {99, 2}, {100, 3}, {MaxBlock + 1, 1}} {
		if b, err := AppendFrame([]byte("x"), make([]int16, c.samples), 8000, c.channels, 0); err != ErrFormat || string(b) != "x" {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, c := range [][4]int{{0, 1, 16, 16}, {1 << 20, 1, 16, 16}, {8000, 3, 16, 16}, {8000, 1, 17, 16}, {8000, 1, 16, MaxBlock + 1}} {
		if _, err := AppendStreamInfo(nil, c[0], c[1], c[2], c[3]); err != ErrFormat {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// A second of telephone sound.
func BenchmarkAppendFrame(b *testing.B) {
	pcm := tone(320, 8000)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		for i := range 25 {
			var err error
			if dst, err = AppendFrame(dst[:0], pcm, 8000, 1, uint64(i*320)); err != nil {
				b.Fatal(err)
			}
		}
	}
}
