// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkListFirst is finding where playback of one of ten cameras begins, in an
// index of 200 000 segments.
func BenchmarkListFirst(b *testing.B) {
	a := openArchive(b, Config{Storages: []StorageConfig{{Dir: b.TempDir()}}})
	x := a.storages[0].index
	began := time.UnixMilli(1764216000_000)
	const cameras, segments = 10, 20_000
	gops := make([]GOP, 30)
	if _, err := x.w.Exec("BEGIN"); err != nil {
		b.Fatal(err)
	}
	for c := range cameras {
		id, _, err := x.camera(fmt.Sprintf("cam%d", c))
		if err != nil {
			b.Fatal(err)
		}
		run, err := x.insertRun(id, began)
		if err != nil {
			b.Fatal(err)
		}
		for i := range segments {
			start := began.Add(time.Duration(i) * time.Minute)
			for k := range gops {
				gops[k] = GOP{Part: int64(k) * 500_000, Key: int64(k)*500_000 + 600, Media: time.Duration(k) * 2 * time.Second, Wall: start.Add(time.Duration(k) * 2 * time.Second)}
			}
			_, err := x.insertSegment(&segmentRow{camera: id, run: run, path: fmt.Sprintf("cam%d/%d.mp4", c, i), start: start,
				end: start.Add(time.Minute), duration: time.Minute, bytes: 15e6, state: stateDone, tracks: "h264 1920x1080", gops: gops})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	if _, err := x.w.Exec("COMMIT"); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		at := began.Add(time.Duration(i*7919%segments)*time.Minute + 30*time.Second)
		l, err := a.ListFirst(b.Context(), "cam5", at, time.Time{}, 4)
		if err != nil || len(l) == 0 || l[0].Start.After(at) {
			b.Fatalf("at %v: %d segments, %v", at, len(l), err)
		}
	}
}
