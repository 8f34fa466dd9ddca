// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"fmt"
	"testing"
	"time"
)

// benchIndex is an index of segments of a minute with 30 key pictures each.
func benchIndex(b *testing.B, cameras, days int) (a *Archive, began time.Time) {
	a = openArchive(b, Config{Storages: []StorageConfig{{Dir: b.TempDir()}}})
	x := a.storages[0].index
	began = time.UnixMilli(1764216000_000)
	gops := make([]GOP, 30)
	for c := range cameras {
		err := x.tx(func(q querier) error {
			id := int64(c + 1)
			a.storages[0].tally.named(id, fmt.Sprintf("cam%d", c))
			if _, err := q.Exec("INSERT INTO camera(id,name) VALUES(?,?)", id, fmt.Sprintf("cam%d", c)); err != nil {
				return err
			}
			_, err := q.Exec("INSERT INTO run(id,camera,start) VALUES(?,?,?)", id, id, began.UnixMilli())
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	// Rows lie as recording makes them: minute by minute, those of all cameras beside
	// each other, so that a camera's day is on as many pages as it has segments.
	for day := range days {
		err := x.tx(func(q querier) error {
			for i := day * 24 * 60; i < (day+1)*24*60; i++ {
				start := began.Add(time.Duration(i) * time.Minute)
				for k := range gops {
					gops[k] = GOP{Part: int64(k) * 500_000, Key: int64(k)*500_000 + 600, Media: time.Duration(k) * 2 * time.Second, Wall: start.Add(time.Duration(k) * 2 * time.Second)}
				}
				for c := range cameras {
					id := int64(c + 1)
					row := segmentRow{camera: id, run: id, path: segmentName(fmt.Sprintf("cam%d", c), start, ""), start: start,
						end: start.Add(time.Minute), duration: time.Minute, bytes: 15e6, state: stateDone, tracks: "h264 1920x1080", gops: gops}
					if i%480 == 0 { // three breaks a day
						row.end = row.end.Add(-10 * time.Second)
						if err := saveGap(q, id, &Gap{From: row.end, To: start.Add(time.Minute), Cause: CauseLink}); err != nil {
							return err
						}
					}
					if _, err := insertSegment(q, &row); err != nil {
						return err
					}
					a.storages[0].tally.add(id, row.start, row.end, row.bytes)
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return a, began
}

// BenchmarkIndex asks an index of 30 days of 50 cameras, 2.16 million segments, what a
// page of recordings asks. Making it takes minutes: run it with -benchtime 100x.
func BenchmarkIndex(b *testing.B) {
	const cameras, days = 50, 30
	a, began := benchIndex(b, cameras, days)
	end := began.AddDate(0, 0, days)
	at := func(i int) time.Time {
		return began.Add(time.Duration(i*7919%(days*24*60))*time.Minute + 30*time.Second)
	}
	for _, q := range []struct {
		name string
		ask  func(i int) (n int, err error)
	}{
		{"where playback begins", func(i int) (int, error) {
			l, err := a.ListFirst(b.Context(), "cam5", at(i), time.Time{}, 4)
			return len(l), err
		}},
		{"a day of one camera", func(i int) (int, error) {
			from := began.AddDate(0, 0, i%days)
			l, err := a.List(b.Context(), "cam5", from, from.AddDate(0, 0, 1))
			return len(l), err
		}},
		{"a minute of all", func(i int) (int, error) {
			l, err := a.List(b.Context(), "", at(i), at(i).Add(time.Minute))
			return len(l), err
		}},
		{"gaps of a month of all", func(int) (int, error) {
			l, err := a.Gaps(b.Context(), "", began, end)
			return len(l), err
		}},
		{"spans of a month of all", func(int) (int, error) { return len(a.Spans("", began, end, 0)), nil }},
		{"totals of a month of all", func(int) (int, error) { return len(a.Totals("", began, end)), nil }},
		{"days of a month of all", func(int) (int, error) { return len(a.Days("", began, end, time.UTC)), nil }},
		{"calendar", func(int) (int, error) {
			return len(a.Calendar("cam5", began.Year(), began.Month(), time.UTC)), nil
		}},
		{"oldest to remove", func(int) (int, error) {
			l, err := a.storages[0].index.victims(evictable{before: 1 << 62}, 64, func(removal) bool { return false })
			return len(l), err
		}},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			rows := 0
			for i := 0; b.Loop(); i++ {
				n, err := q.ask(i)
				if err != nil || n == 0 {
					b.Fatalf("%d rows, %v", n, err)
				}
				rows = n
			}
			b.ReportMetric(float64(rows), "rows")
		})
	}
}
