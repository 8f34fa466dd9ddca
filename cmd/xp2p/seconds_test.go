// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"testing"
	"time"
)

func TestSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "90": 90 * time.Second, "1.5": 1500 * time.Millisecond, "5s": 5 * time.Second, "2m": 2 * time.Minute, "1h30m": 90 * time.Minute,
		"-1": -1, "-1s": -1, "": -1, "x": -1, "5x": -1, "NaN": -1, "Inf": -1, "1e300": -1, "9999999h": -1,
	} {
		s := seconds(7)
		err := s.Set(text)
		if (err != nil) != (want < 0) || err == nil && time.Duration(s) != want || err != nil && s != 7 {
			t.Errorf("%q: %v, %v, want %v", text, time.Duration(s), err, want)
		}
	}
	if s := seconds(1500 * time.Millisecond); s.String() != "1.5" {
		t.Error(s.String())
	}
}
