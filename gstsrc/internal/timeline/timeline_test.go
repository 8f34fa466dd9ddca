// SPDX-License-Identifier: LGPL-2.1-or-later

package timeline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/demux/flv"
)

const s = time.Second

func TestPlace(t *testing.T) {
	zero := time.Unix(1_700_000_000, 0)
	type step struct {
		seek *[3]time.Duration // target, stop, base; nil: none
		at   time.Duration     // FLV time
		wall time.Duration     // since zero
		rate float64
		want Segment
	}
	for name, steps := range map[string][]step{
		"from the start": {
			{at: 0, wall: 0, rate: 1, want: Segment{0, None, 0, 0, 1}},
		},
		"a key picture before the start": {
			{at: 0, wall: -2 * s, rate: 1, want: Segment{2 * s, None, 0, 0, 1}},
		},
		"recordings that begin later": {
			{at: 0, wall: 30 * s, rate: 1, want: Segment{0, None, 30 * s, 0, 1}},
		},
		"a gap": {
			{at: 0, wall: 0, rate: 1, want: Segment{0, None, 0, 0, 1}},
			{at: 10 * s, wall: 100 * s, rate: 1, want: Segment{10 * s, None, 100 * s, 10 * s, 1}},
			{at: 15 * s, wall: 200 * s, rate: 1, want: Segment{15 * s, None, 200 * s, 15 * s, 1}},
		},
		"a seek, with what is before it not shown": {
			{at: 0, wall: 0, rate: 1, want: Segment{0, None, 0, 0, 1}},
			{seek: &[3]time.Duration{60 * s, None, 0}, at: 5 * s, wall: 58 * s, rate: 1, want: Segment{7 * s, None, 60 * s, 0, 1}},
			{at: 15 * s, wall: 100 * s, rate: 1, want: Segment{15 * s, None, 100 * s, 8 * s, 1}},
		},
		"a seek into a gap": {
			{seek: &[3]time.Duration{60 * s, None, 0}, at: 5 * s, wall: 70 * s, rate: 1, want: Segment{5 * s, None, 70 * s, 0, 1}},
		},
		"a seek that keeps running time, to a stop": {
			{seek: &[3]time.Duration{60 * s, 80 * s, 9 * s}, at: 5 * s, wall: 60 * s, rate: 1, want: Segment{5 * s, 25 * s, 60 * s, 9 * s, 1}},
		},
		"the target is behind the first stretch": {
			{seek: &[3]time.Duration{60 * s, None, 0}, at: 5 * s, wall: 58 * s, rate: 1, want: Segment{7 * s, None, 60 * s, 0, 1}},
			{at: 6 * s, wall: 65 * s, rate: 1, want: Segment{6 * s, None, 65 * s, 0, 1}},
		},
		"double speed": {
			{at: 0, wall: 0, rate: 1, want: Segment{0, None, 0, 0, 1}},
			{at: 4 * s, wall: 4 * s, rate: 2, want: Segment{4 * s, None, 4 * s, 4 * s, 2}},
			{at: 5 * s, wall: 100 * s, rate: 2, want: Segment{5 * s, None, 100 * s, 5 * s, 2}},
		},
		"a seek at double speed": {
			{seek: &[3]time.Duration{60 * s, 70 * s, 0}, at: 5 * s, wall: 58 * s, rate: 2, want: Segment{6 * s, 11 * s, 60 * s, 0, 2}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := New(zero)
			for i, st := range steps {
				if k := st.seek; k != nil {
					l.Seek(k[0], k[1], k[2])
				}
				got := l.Place(st.at, flv.Position{Time: l.Wall(st.wall), Speed: st.rate})
				if d := cmp.Diff(st.want, got); d != "" {
					t.Errorf("step %d: %s", i, d)
				}
			}
		})
	}
}
