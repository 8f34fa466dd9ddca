// SPDX-License-Identifier: LGPL-2.1-or-later

package g711_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/xp2p/xp2p/demux/g711"
)

// ffmpeg converts raw sound between two of its formats (s16le, alaw, mulaw).
func ffmpeg(t *testing.T, from, to string, in []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(src, in, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ffmpeg", "-loglevel", "error", "-ar", "8000", "-ac", "1", "-f", from, "-i", src, "-f", to, dst)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg (apt-get install -y ffmpeg): %v\n%s", err, out)
	}
	b, err := os.ReadFile(dst)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var laws = []struct {
	name   string
	law    g711.Law
	encode func(int16) byte
}{
	{"alaw", g711.ALaw, g711.EncodeA},
	{"mulaw", g711.MuLaw, g711.EncodeU},
}

func every() (pcm []byte, coded []byte) {
	for s := -1 << 15; s < 1<<15; s++ {
		pcm = binary.LittleEndian.AppendUint16(pcm, uint16(int16(s)))
	}
	for b := range 256 {
		coded = append(coded, byte(b))
	}
	return pcm, coded
}

func TestDecodeAsFFmpeg(t *testing.T) {
	_, coded := every()
	for _, l := range laws {
		if got, want := l.law.Decode(nil, coded), ffmpeg(t, l.name, "s16le", coded); !bytes.Equal(got, want) {
			t.Errorf("%s: the table differs from ffmpeg's", l.name)
		}
	}
}

// ffmpeg takes the byte whose decoded value is nearest. The recommendation's decision
// values (its tables' columns of x_n) do the same within a segment, but not where a finer
// one ends: there, and only by one step, the two may differ.
func TestEncodeAsFFmpeg(t *testing.T) {
	pcm, _ := every()
	for _, l := range laws {
		ours, theirs := l.law.Encode(nil, pcm), ffmpeg(t, "s16le", l.name, pcm)
		if len(ours) != len(theirs) {
			t.Fatalf("%s: %d bytes, ffmpeg has %d", l.name, len(ours), len(theirs))
		}
		differ := 0
		for i := range ours {
			if ours[i] == theirs[i] {
				continue
			}
			differ++
			mask := byte(0) // makes the order of bytes that of magnitudes
			if l.law == g711.ALaw {
				mask = 0x55
			}
			if a, b := int(ours[i]^mask), int(theirs[i]^mask); a-b != 1 && b-a != 1 && ours[i]&0x7f != 0x7f {
				t.Errorf("%s: %d becomes %#02x, ffmpeg's is %#02x", l.name, i-1<<15, ours[i], theirs[i])
			}
		}
		if differ > len(ours)/50 {
			t.Errorf("%s: %d of %d bytes differ from ffmpeg's", l.name, differ, len(ours))
		}
	}
}

// The edges of the segments: 2^n of 12 bits for A-law (table 1), 2^n - 33 of 13 bits for
// mu-law (table 2), here left-aligned.
func TestSegmentEdges(t *testing.T) {
	for _, tt := range []struct {
		law    string
		encode func(int16) byte
		edges  []int16
		first  []byte // of each segment, from its edge on
	}{
		{"alaw", g711.EncodeA, []int16{0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000}, []byte{0x90, 0xa0, 0xb0, 0xc0, 0xd0, 0xe0, 0xf0}},
		{"mulaw", g711.EncodeU, []int16{31 * 4, 95 * 4, 223 * 4, 479 * 4, 991 * 4, 2015 * 4, 4063 * 4}, []byte{0xef, 0xdf, 0xcf, 0xbf, 0xaf, 0x9f, 0x8f}},
	} {
		for i, edge := range tt.edges {
			want, before := tt.first[i], tt.first[i]+1
			if tt.law == "alaw" {
				want, before = want^0x55, (want-1)^0x55
			}
			if got, below := tt.encode(edge), tt.encode(edge-1); got != want || below != before {
				t.Errorf("%s at %d: %#02x after %#02x, want %#02x after %#02x", tt.law, edge, got, below, want, before)
			}
		}
	}
}

func TestEncodeWhatWasDecoded(t *testing.T) {
	_, coded := every()
	for _, l := range laws {
		again := l.law.Encode(nil, l.law.Decode(nil, coded))
		if l.law == g711.MuLaw {
			coded = bytes.Clone(coded)
			coded[0x7f] = 0xff // the second zero
		}
		if !bytes.Equal(again, coded) {
			t.Errorf("%s: % x", l.name, again)
		}
	}
}

func TestKnownBytes(t *testing.T) {
	for _, tt := range []struct {
		sample int16
		a, u   byte
	}{
		{0, 0xd5, 0xff}, {-1, 0x55, 0x7f}, {32767, 0xaa, 0x80}, {-32768, 0x2a, 0x00}, {1000, 0xfa, 0xce}, {-1000, 0x7a, 0x4e},
	} {
		if a, u := g711.EncodeA(tt.sample), g711.EncodeU(tt.sample); a != tt.a || u != tt.u {
			t.Errorf("%d: A %#02x, mu %#02x; want %#02x, %#02x", tt.sample, a, u, tt.a, tt.u)
		}
	}
}

func TestOddByteIsLeftOut(t *testing.T) {
	for _, l := range laws {
		if got := l.law.Encode([]byte{1}, []byte{0, 0, 7}); len(got) != 2 || got[0] != 1 {
			t.Errorf("%s: % x", l.name, got)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	pcm, _ := every()
	for _, l := range laws {
		b.Run(l.name, func(b *testing.B) {
			b.SetBytes(int64(len(pcm)))
			var dst []byte
			for b.Loop() {
				dst = l.law.Encode(dst[:0], pcm)
			}
		})
	}
}
