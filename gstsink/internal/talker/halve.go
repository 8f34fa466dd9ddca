// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"encoding/binary"
	"math"
)

// halver turns 16-bit samples of one channel at 16 kHz into half as many at 8 kHz. What
// the lower rate cannot hold is filtered out first, by a half-band low pass: linear
// phase, windowed (Kaiser, 60 dB), flat to 3.4 kHz, the telephone's band, and stopped
// from 4.6 kHz on. Every other coefficient of such a filter is 0.
type halver struct {
	in  []int32 // samples of which output is still to come; the filter's memory
	out []byte
}

const (
	halfTaps = 51 // 4k+3
	halfMid  = halfTaps / 2
	halfUnit = 15 // bits behind the point
)

var halfBand = func() (h [halfTaps]int32) {
	const beta = 5.65 // 60 dB (Kaiser 1974)
	sum := 0.0
	var f [halfTaps]float64
	for i := range f {
		n := float64(i - halfMid)
		sinc := 0.5
		if n != 0 {
			sinc = math.Sin(math.Pi*n/2) / (math.Pi * n)
		}
		r := n / float64(halfMid+1)
		f[i] = sinc * bessel0(beta*math.Sqrt(1-r*r)) / bessel0(beta)
		sum += f[i]
	}
	for i := range f {
		h[i] = int32(math.Round(f[i] / sum * (1 << halfUnit)))
	}
	return h
}()

// bessel0 is the modified Bessel function of the first kind, order 0.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-12*sum; k++ {
		term *= x / 2 / k * x / 2 / k
		sum += term
	}
	return sum
}

func newHalver() *halver { return &halver{in: make([]int32, halfMid, 4096)} }

// convert gives the samples of b, little-endian, at half the rate, valid until the next
// call. They lag by half the filter, 1.6 ms; rest gives the last of them.
func (h *halver) convert(b []byte) []byte {
	h.out = h.out[:0]
	for ; len(b) >= 2; b = b[2:] {
		h.in = append(h.in, int32(int16(binary.LittleEndian.Uint16(b))))
	}
	n := 0
	for ; n+halfTaps <= len(h.in); n += 2 {
		w := h.in[n : n+halfTaps]
		sum := int64(w[halfMid]) * int64(halfBand[halfMid])
		for i := 0; i < halfMid; i += 2 {
			sum += int64(w[i]+w[halfTaps-1-i]) * int64(halfBand[i])
		}
		v := min(max((sum+1<<(halfUnit-1))>>halfUnit, math.MinInt16), math.MaxInt16)
		h.out = binary.LittleEndian.AppendUint16(h.out, uint16(int16(v)))
	}
	h.in = append(h.in[:0], h.in[n:]...)
	return h.out
}

// rest ends the sound: it gives what the filter still holds.
func (h *halver) rest() []byte {
	out := h.convert(make([]byte, 2*halfMid))
	h.in = append(h.in[:0], make([]int32, halfMid)...)
	return out
}
