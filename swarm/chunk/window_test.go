// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import "testing"

func numbered(seq uint64, flags Flags, size int) *Chunk {
	return &Chunk{Header: Header{Sequence: seq, Flags: flags}, raw: make([]byte, size)}
}

func TestWindow(t *testing.T) {
	w := NewWindow(6, 1000) // eight
	if w.LastKey() != nil || w.Get(0) != nil {
		t.Error("an empty window has chunks")
	}
	for _, tt := range []struct {
		seq       uint64
		flags     Flags
		size      int
		kept      bool
		low, high uint64
	}{
		{102, Key | Start, 100, true, 102, 103},
		{102, 0, 100, false, 102, 103}, // again
		{100, 0, 100, true, 100, 103},  // the first ones out of order
		{105, 0, 100, true, 100, 106},
		{107, 0, 100, true, 100, 108},
		{108, 0, 100, true, 101, 109}, // 100 goes
		{100, 0, 100, false, 101, 109},
		{110, 0, 700, true, 103, 111},  // 102 goes
		{103, 0, 100, false, 104, 111}, // too many bytes: the oldest goes, which is this one
		{109, 0, 150, true, 108, 111},  // 105 and 107 go
		{5000, Key | Start, 10, true, 5000, 5001},
		{111, 0, 10, false, 5000, 5001},
	} {
		kept := w.Put(numbered(tt.seq, tt.flags, tt.size))
		low, high := w.Bounds()
		if kept != tt.kept || low != tt.low || high != tt.high {
			t.Fatalf("put %d: kept %v, bounds %d to %d; want %v, %d to %d", tt.seq, kept, low, high, tt.kept, tt.low, tt.high)
		}
		if w.Bytes() > 1000 {
			t.Fatalf("put %d: %d bytes", tt.seq, w.Bytes())
		}
	}
	if k := w.LastKey(); k == nil || k.Sequence != 5000 {
		t.Errorf("last key %v", k)
	}
}
