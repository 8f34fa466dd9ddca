package flv

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	const (
		m24 = 1 << 24
		m32 = 1 << 32
	)
	for _, c := range []struct {
		name string
		wire []uint32
		want []int64 // ms
	}{
		{"plain", []uint32{0, 40, 80}, []int64{0, 40, 80}},
		{"first tag late", []uint32{5_000_000, 5_000_040}, []int64{5_000_000, 5_000_040}},
		{"tracks interleaved", []uint32{100, 80, 140, 120}, []int64{100, 80, 140, 120}},
		{"24-bit wrap", []uint32{m24 - 40, 0, 40}, []int64{m24 - 40, m24, m24 + 40}},
		{"24-bit wrap between tracks", []uint32{m24 - 40, 3, m24 - 17, 43, 26},
			[]int64{m24 - 40, m24 + 3, m24 - 17, m24 + 43, m24 + 26}},
		{"24-bit wrap twice", []uint32{m24 - 40, 0, 1 << 23, m24 - 1, 10},
			[]int64{m24 - 40, m24, m24 + 1<<23, 2*m24 - 1, 2*m24 + 10}},
		{"extended byte", []uint32{m24 - 40, m24, m24 + 40}, []int64{m24 - 40, m24, m24 + 40}},
		{"32-bit wrap", []uint32{m32 - 40, 0, 40}, []int64{m32 - 40, m32, m32 + 40}},
		{"32-bit wrap between tracks", []uint32{m32 - 40, 3, m32 - 17, 43},
			[]int64{m32 - 40, m32 + 3, m32 - 17, m32 + 43}},
		{"a large sender restarts at its 24-bit mark", []uint32{3 * m24, m24 - 10, 5}, []int64{3 * m24, m24 - 10, 5}},
		{"jump back to 0", []uint32{9_000_000, 0, 40}, []int64{9_000_000, 0, 40}},
		{"jump forward", []uint32{0, 9_000_000}, []int64{0, 9_000_000}},
		{"jump to just below the wrap", []uint32{0, m24 - 5}, []int64{0, m24 - 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k clock
			for i, ts := range c.wire {
				if got, want := k.at(ts), time.Duration(c.want[i])*time.Millisecond; got != want {
					t.Errorf("tag %d (%d): %v, want %v", i, ts, got, want)
				}
			}
		})
	}
}
