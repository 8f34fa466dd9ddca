// SPDX-License-Identifier: LGPL-2.1-or-later

package simulate

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func show(r Result) string {
	return fmt.Sprintf("offload %.4f (bound %.4f), continuity %.5f, lag p50 %v p99 %v, duplicates %.4f, stall %v, moves %.2f, requests %.4f, of source %.4f",
		r.Offload, r.Bound, r.Continuity, r.Lag(0.5), r.Lag(0.99), r.Duplicates, r.LongestStall, r.Moves, r.Requests, r.SourceRequests)
}

func run(t *testing.T, cfg Config) Result {
	t.Helper()
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What swarms come to in simulated time follows from their seeds: these are the numbers
// that are promised, whatever the machine.
func TestSwarms(t *testing.T) {
	for _, tt := range []struct {
		name       string
		cfg        Config
		offload    float64
		ofBound    float64
		continuity float64
		p99        time.Duration
		stall      time.Duration
	}{
		{"ten", Config{Peers: 10, Upload: []float64{2}}, 0.80, 0.9, 0.9995, 1200 * time.Millisecond, 0},
		{"fifty that come and go", Config{Peers: 50, Upload: []float64{2.5}, Churn: 0.2}, 0.95, 0.9, 0.9995, 1200 * time.Millisecond, 0},
		{"barely enough upload", Config{Peers: 50}, 0.95, 0.9, 0.9995, 1200 * time.Millisecond, 0},
		{"mixed, with free riders, symmetric NATs, loss and crashes", Config{Peers: 200, Churn: 0.2, Upload: []float64{0.5, 1, 2, 4}, FreeRiders: 0.1,
			Symmetric: 0.2, Loss: 0.02, Crash: true}, 0.95, 0.9, 0.9995, 1200 * time.Millisecond, 500 * time.Millisecond},
		{"barely enough upload, and they come and go", Config{Peers: 200, Churn: 0.2, Seed: 3}, 0.93, 0.9, 0.9995, 1200 * time.Millisecond, 200 * time.Millisecond},
		{"half leave at once", Config{Peers: 100, Upload: []float64{2}, HalfLeaves: 50 * time.Second}, 0.88, 0, 0.999, 1200 * time.Millisecond, time.Second},
		{"half crash at once", Config{Peers: 300, Upload: []float64{2}, HalfLeaves: 50 * time.Second, Crash: true}, 0.93, 0, 0.998, 1200 * time.Millisecond, time.Second},
		{"half crash at once, another time", Config{Peers: 300, Upload: []float64{2}, HalfLeaves: 50 * time.Second, Crash: true, Seed: 1}, 0.93, 0, 0.998, 1200 * time.Millisecond, time.Second},
		{"half of those that barely suffice crash", Config{Peers: 200, HalfLeaves: 50 * time.Second, Crash: true}, 0.88, 0, 0.995, 1200 * time.Millisecond, time.Second},
		{"nobody uploads", Config{Peers: 10, FreeRiders: 1}, -0.01, 0, 0.9995, 1200 * time.Millisecond, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, tt.cfg)
			t.Log(show(r))
			if r.Offload < tt.offload || r.Offload < tt.ofBound*r.Bound {
				t.Errorf("offload %.4f, want %.4f and %.2f of %.4f", r.Offload, tt.offload, tt.ofBound, r.Bound)
			}
			if r.Continuity < tt.continuity {
				t.Errorf("continuity %.5f, want %.5f", r.Continuity, tt.continuity)
			}
			if r.Duplicates > 0.01 {
				t.Errorf("%.4f of the chunks came twice, want at most 0.01", r.Duplicates)
			}
			if r.Lag(0.99) > tt.p99 {
				t.Errorf("lag p99 %v, want %v", r.Lag(0.99), tt.p99)
			}
			if r.LongestStall > tt.stall {
				t.Errorf("a viewer stood still for %v, want at most %v", r.LongestStall, tt.stall)
			}
		})
	}
}

// A run is a function of its configuration.
func TestRepeats(t *testing.T) {
	cfg := Config{Peers: 20, Churn: 0.5, Loss: 0.05, Length: 45 * time.Second}
	if d := cmp.Diff(run(t, cfg), run(t, cfg)); d != "" {
		t.Errorf("two runs differ:\n%.500s", d)
	}
}

// A run ends when nobody waits for it any more.
func TestRunIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Config{Peers: 10}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
