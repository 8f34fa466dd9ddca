// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// Any and ListFirst must say the same as List does, also of a segment that is still open.
func TestAnyAndFirst(t *testing.T) {
	clock := newSimulated()
	began := clock.now()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 2 * time.Second}}, Now: clock.now, settle: -1})
	c := camera(t, a, "cam")
	r := c.StartRun()
	list0 := media(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25})
	play(t, r, clock, list0)
	r.Close(CauseLink)
	clock.add(20 * time.Second)
	r = c.StartRun()
	play(t, r, clock, list0)
	flush(t, a)
	open := false
	for _, s := range list(t, a, "cam") {
		open = open || s.Open
	}
	if !open {
		t.Error("no segment is open: the test shows less than it should")
	}
	for at := -2 * time.Second; at < 35*time.Second; at += 500 * time.Millisecond {
		from := began.Add(at)
		to := from.Add(time.Second)
		l, err := a.List(t.Context(), "cam", from, to)
		if err != nil {
			t.Fatal(err)
		}
		if any, err := a.Any(t.Context(), "cam", from, to); err != nil || any != (len(l) > 0) {
			t.Errorf("at %v: %v, %v; List has %d", at, any, err, len(l))
		}
	}
	all := list(t, a, "cam")
	for n := range len(all) + 2 {
		page, err := a.ListFirst(t.Context(), "cam", time.Time{}, time.Time{}, n)
		if err != nil || len(page) != min(n, len(all)) {
			t.Fatalf("the first %d of %d: %d, %v", n, len(all), len(page), err)
		}
		for i := range page {
			if page[i].Path != all[i].Path {
				t.Errorf("the first %d: %s at %d, want %s", n, page[i].Path, i, all[i].Path)
			}
		}
	}
	if any, err := a.Any(t.Context(), "other", began, time.Time{}); err != nil || any {
		t.Errorf("another camera: %v, %v", any, err)
	}
	r.Close(CauseLink)
}
