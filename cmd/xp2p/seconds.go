// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// seconds is a flag of time, as in 90, 1.5, 90s or 2m: a number without a unit is one
// of seconds.
type seconds time.Duration

// mostSeconds is the longest time a flag has: a century, as nobody waits.
const mostSeconds = 100 * 365 * 24 * 3600

// Set implements pflag.Value.
func (s *seconds) Set(text string) error {
	d, err := time.ParseDuration(text)
	if n, bare := strconv.ParseFloat(text, 64); bare == nil {
		if math.IsNaN(n) || math.Abs(n) > mostSeconds {
			n = -1
		}
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil || d < 0 || d > mostSeconds*time.Second {
		return fmt.Errorf("%q is no time: want seconds, or a time with a unit, as 90s or 2m", text)
	}
	*s = seconds(d)
	return nil
}

func (s *seconds) String() string {
	return strconv.FormatFloat(time.Duration(*s).Seconds(), 'g', -1, 64)
}

// Type implements pflag.Value.
func (s *seconds) Type() string { return "SECONDS" }
