// SPDX-License-Identifier: LGPL-2.1-or-later

package backoff

import (
	"testing"
	"time"
)

func TestPause(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, most time.Duration
		want        []time.Duration
	}{
		{"doubles up to the most", time.Second, 5 * time.Second, []time.Duration{1, 2, 4, 5, 5}},
		{"the first is over the most", 3 * time.Second, 2 * time.Second, []time.Duration{2, 2}},
		{"none", 0, 0, []time.Duration{0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := Backoff{First: c.first, Most: c.most}
			for range 2 { // the second time after a reset
				for i, want := range c.want {
					want *= time.Second
					if got := b.Pause(); got > want || got < want-want/5 {
						t.Errorf("pause %d is %v, want %v less at most a fifth", i, got, want)
					}
				}
				b.Reset()
			}
		})
	}
}

// Those who failed together come back at moments of their own.
func TestPauseDiffers(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		b := Backoff{First: time.Second, Most: time.Minute}
		seen[b.Pause()] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 first pauses have %d lengths", len(seen))
	}
}
