// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import (
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// BenchmarkPackager is the source's work for a second of a 2 Mbit/s stream, and the
// part of its bytes that headers and seals are.
func BenchmarkPackager(b *testing.B) {
	file := readFile(b, testmedia.H264AAC, 10, testmedia.Options{Width: 1280, Height: 720, Kbits: 2000})
	var m made
	for b.Loop() {
		m = made{}
		p := newTestPackager(&m)
		if err := p.SetKey(StreamKey{ID: 1}); err != nil {
			b.Fatal(err)
		}
		pack(b, p, file, noon)
	}
	bytes := 0
	for _, c := range m.chunks {
		bytes += len(c.Bytes())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10, "ns/stream-s")
	b.ReportMetric(float64(len(m.chunks))/10, "chunks/s")
	b.ReportMetric(100*float64(bytes-len(file))/float64(bytes), "overhead-%")
}

// BenchmarkVerify is what each chunk costs every peer.
func BenchmarkVerify(b *testing.B) {
	var m made
	pack(b, newTestPackager(&m), readFile(b, testmedia.H264AAC, 2, testmedia.Options{Width: 1280, Height: 720, Kbits: 2000}), noon)
	v := testVerifier()
	i := 0
	for b.Loop() {
		c, err := Parse(m.chunks[i%len(m.chunks)].Bytes())
		if err != nil {
			b.Fatal(err)
		}
		if err := v.Verify(c); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
