// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux/flv"
)

// join feeds the streams of connections, cut into pieces of n bytes, and gives
// the joined stream.
func join(s *splicer, n int, connections ...[]byte) (out []byte, restarts []time.Duration) {
	for _, in := range connections {
		s.connect()
		for piece := range slices.Chunk(in, n) {
			room := s.space()
			s.filled(room[:copy(room, piece)])
			for {
				c, ok := s.next()
				if !ok {
					break
				}
				if c.Restart {
					restarts = append(restarts, c.Time)
				}
				for _, p := range c.Parts {
					out = append(out, p...)
				}
			}
		}
	}
	return out, restarts
}

func TestSplice(t *testing.T) {
	for _, c := range []struct {
		name        string
		connections [][]byte
		ms          []uint32
		restarts    []time.Duration
	}{
		{"a camera's clock starts anywhere", [][]byte{sequence(4_000_000_000, 2)},
			[]uint32{0, 0, 0, 40}, []time.Duration{0}},
		{"two connections", [][]byte{sequence(1000, 2), sequence(0, 1)},
			[]uint32{0, 0, 0, 40, 40, 40, 80}, []time.Duration{0, 80 * time.Millisecond}},
		{"a gap in the media stays", [][]byte{frame(frame(header(), 0), 9000)},
			[]uint32{0, 9000}, []time.Duration{0}},
		{"a changed clock is no gap", [][]byte{frame(frame(frame(header(), 0), 3_600_000), 3_600_040)},
			[]uint32{0, 40, 80}, []time.Duration{0, 40 * time.Millisecond}},
		{"a small step back stays", [][]byte{frame(frame(frame(header(), 100), 160), 120)},
			[]uint32{0, 60, 20}, []time.Duration{0}},
		{"nothing before the start", [][]byte{frame(frame(header(), 100), 60)},
			[]uint32{0, 0}, []time.Duration{0}},
		{"end of sequence is not passed on", [][]byte{frame(endOfSequence(frame(header(), 0), 40), 80)},
			[]uint32{0, 80}, []time.Duration{0}},
		{"damage is skipped", [][]byte{frame(frame(frame(append(frame(header(), 0), "not a tag of any kind"...), 40), 80), 120)},
			[]uint32{0, 40, 80, 120}, []time.Duration{0}},
		{"late configuration", [][]byte{frame(config(frame(header(), 700)), 740)},
			[]uint32{0, 0, 40}, []time.Duration{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{1, 7, 1 << 20} {
				out, restarts := join(newSplicer(), n, cloned(c.connections)...)
				if got := times(t, out); !reflect.DeepEqual(got, c.ms) {
					t.Errorf("pieces of %d: times %v, want %v", n, got, c.ms)
				}
				if !reflect.DeepEqual(restarts, c.restarts) {
					t.Errorf("pieces of %d: restarts %v, want %v", n, restarts, c.restarts)
				}
			}
		})
	}
}

func TestSpliceWithoutHeader(t *testing.T) {
	out, _ := join(newSplicer(), 1<<20, frame(frame(nil, 0), 40))
	if len(out) < 5 || out[4] != bothTracks {
		t.Errorf("header %x, want one that announces both tracks", out[:min(13, len(out))])
	}
	times(t, out)
}

// Chunks that leave with their memory stay as they are, whatever comes after them, and
// are the same stream; what is damaged between tags is not in them.
func TestSharedChunks(t *testing.T) {
	in := header()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		body := make([]byte, 10+random.IntN(20000))
		for j := range body {
			body[j] = byte(random.Uint32())
		}
		copy(body, []byte{0x27, 1, 0, 0, 0})
		binary.BigEndian.PutUint32(body[5:], uint32(len(body)-9))
		in = flv.AppendTag(in, flv.TagVideo, uint32(i*40), body)
		if i%97 == 0 {
			in = append(in, "not a tag of any kind"...)
		}
	}
	want, _ := join(newSplicer(), 1500, in)
	for _, piece := range []int{40_000, 64 << 10, 1 << 20} {
		s := newSplicer()
		s.connect()
		var out []byte
		var kept []Chunk // their parts are not copied until they are released
		let := func(n int) {
			for _, c := range kept[:n] {
				for _, p := range c.Parts {
					out = append(out, p...)
				}
				if c.Block != nil {
					c.Block.Release()
				}
			}
			kept = append(kept[:0], kept[n:]...)
		}
		shared := 0
		for rest := in; len(rest) > 0; {
			room := s.space()
			n := copy(room[:min(len(room), piece)], rest)
			s.filled(room[:n])
			rest = rest[n:]
			for {
				c, ok := s.next()
				if !ok {
					break
				}
				if c.Block != nil {
					shared++
				} else { // valid until the next call only
					c.Parts = cloned(c.Parts)
				}
				c.Parts = slices.Clone(c.Parts)
				kept = append(kept, c)
			}
			let(random.IntN(len(kept) + 1))
		}
		let(len(kept))
		if !bytes.Equal(out, want) {
			t.Errorf("pieces of %d: %d bytes, want %d, or others", piece, len(out), len(want))
		}
		if shared == 0 {
			t.Errorf("pieces of %d: no chunk has its memory", piece)
		}
	}
}

func cloned(in [][]byte) (out [][]byte) {
	for _, b := range in {
		out = append(out, slices.Clone(b))
	}
	return out
}

// FuzzSplice: whatever arrives over two connections, what comes out is one valid
// FLV stream whose times stay in their bounds.
func FuzzSplice(f *testing.F) {
	f.Add(sequence(0, 3), sequence(90_000, 2), 7)
	f.Add(frame(nil, 5), endOfSequence(frame(header(), 5), 6), 1)
	f.Add([]byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00garbage"), []byte{9, 0, 0}, 100)
	f.Fuzz(func(t *testing.T, a, b []byte, n int) {
		if n < 1 {
			n = 1
		}
		out, _ := join(newSplicer(), n, a, b)
		if len(out) > 0 && string(out[:4]) != "FLV\x01" {
			t.Fatalf("no header: %x", out[:4])
		}
		times(t, out)
	})
}

func BenchmarkSplice(b *testing.B) {
	in := header()
	big := make([]byte, 8000)
	copy(big, []byte{0x27, 1, 0, 0, 0, 0, 0, 0x1f, 0x37})
	for i := range 100 {
		in = flv.AppendTag(in, flv.TagVideo, uint32(i*40), big)
	}
	s := newSplicer()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		s.connect()
		for rest := in; len(rest) > 0; {
			room := s.space()
			n := copy(room, rest)
			s.filled(room[:n])
			rest = rest[n:]
			for {
				if _, ok := s.next(); !ok {
					break
				}
			}
		}
	}
}
