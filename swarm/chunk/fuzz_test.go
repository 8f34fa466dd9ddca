// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import (
	"bytes"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

func FuzzParse(f *testing.F) {
	var m made
	pack(f, newTestPackager(&m), readFile(f, testmedia.H264AAC, 1, testmedia.Options{}), noon)
	for _, c := range m.chunks[:4] {
		f.Add(c.Bytes())
	}
	v := testVerifier()
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err != nil {
			return
		}
		if !bytes.Equal(c.Bytes(), b) || c.Length != len(c.Payload()) || len(b) > MaxSize {
			t.Fatalf("a chunk of %d bytes is read as %+v", len(b), c.Header)
		}
		if h := c.Header.appendSigned(nil); !bytes.Equal(h, b[:signedSize]) {
			t.Fatalf("its header is written as\n% x and not\n% x", h, b[:signedSize])
		}
		v.Verify(c)
	})
}

func FuzzEpoch(f *testing.F) {
	var m made
	pack(f, newTestPackager(&m), readFile(f, testmedia.H264AAC, 1, testmedia.Options{}), noon)
	f.Add(m.epochs[0].Bytes())
	v := testVerifier()
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := v.Epoch(b)
		if err == nil && !bytes.Equal(e.Bytes(), b) {
			t.Fatal("an epoch is not what it was read from")
		}
	})
}

// The content of chunks is a source's, but a source may have faults.
func FuzzAssembler(f *testing.F) {
	var m made
	pack(f, newTestPackager(&m), readFile(f, testmedia.H264AAC, 1, testmedia.Options{}), noon)
	f.Add(m.chunks[0].Payload(), m.chunks[1].Payload(), byte(7), byte(3))
	f.Add([]byte{9, 0, 0}, []byte{1}, byte(5), byte(2))
	f.Fuzz(func(t *testing.T, one, two []byte, f1, f2 byte) {
		a := NewAssembler(ID{}, noKeys)
		e := &Epoch{Init: m.epochs[0].Init}
		var out []byte
		for i, p := range [][]byte{one, two, one} {
			c := &Chunk{Header: Header{Sequence: uint64(i), Flags: Flags(f1)}, raw: append(make([]byte, HeaderSize), p...)}
			f1, f2 = f2, f1
			out, _ = a.Append(out, c, e)
		}
		if len(out) == 0 {
			return
		}
		if _, err := walkTags(out[9+4:], nil); err != nil {
			t.Fatalf("the stream is not whole tags: %v", err)
		}
	})
}
