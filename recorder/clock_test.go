// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// lazyFS does not sync: for tests of time, which write a lot.
type lazyFS struct{ osFS }

func (l lazyFS) Create(name string) (File, error) {
	f, err := l.osFS.Create(name)
	return lazyFile{f}, err
}

type lazyFile struct{ File }

func (lazyFile) Sync() error { return nil }

// observed is a picture whose capture is known.
type observed struct {
	media   time.Duration // on the camera's clock
	capture time.Time     // by the host's
}

// watchFor records a camera for a time, whose clock runs wrong by ppm and whose pictures
// come with the delays that delay says; between two of them it calls each. It gives
// what was seen.
func watchFor(t testing.TB, a *Archive, clock *simulated, d time.Duration, ppm float64, delay func(i int) time.Duration, each func(i int)) []observed {
	t.Helper()
	config, key := still(t, testmedia.Options{GOP: 25, Width: 64, Height: 64})
	r := camera(t, a, "cam").StartRun()
	var seen []observed
	if err := r.Write(config); err != nil {
		t.Fatal(err)
	}
	capture := clock.now()
	for i := range int(d / time.Second) {
		late := delay(i)
		clock.add(late)
		u := *key
		u.DTS = time.Duration(float64(i) * (1 + ppm*1e-6) * float64(time.Second)).Round(time.Millisecond)
		if err := r.Write(&u); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, observed{u.DTS, capture})
		clock.add(time.Second - late)
		each(i)
		capture = clock.now() // the host's clock may have been set
		if i%600 == 0 {
			flush(t, a) // the committer must not fall behind simulated time
		}
	}
	r.Close(CauseLink)
	flush(t, a)
	return seen
}

// A camera whose clock drifts is one run for a day, and what was seen at an instant is
// found within 100 ms.
func TestDriftForADay(t *testing.T) {
	day := 24 * time.Hour
	if testing.Short() {
		day = 2 * time.Hour
	}
	for _, ppm := range []float64{100, -100} {
		t.Run(fmt.Sprintf("%+.0f ppm", ppm), func(t *testing.T) {
			t.Parallel()
			clock := newSimulated()
			a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 10 * time.Minute, Part: 10 * time.Second}}, Now: clock.now, FS: lazyFS{}})
			rng := rand.New(rand.NewSource(1))
			wanted := clock.now()
			const least = 20 * time.Millisecond // of the network
			seen := watchFor(t, a, clock, day, ppm, func(int) time.Duration {
				return least + time.Duration(rng.ExpFloat64()*float64(15*time.Millisecond)).Truncate(time.Millisecond)%(500*time.Millisecond)
			}, func(int) {})
			segs := list(t, a, "cam")
			i := 0
			worst := time.Duration(0)
			for _, s := range segs {
				if s.Run != segs[0].Run {
					t.Fatalf("a new run at %v", s.Start)
				}
				for _, g := range s.GOPs() {
					if i == len(seen) {
						t.Fatal("more pictures than were sent")
					}
					worst = max(worst, g.Wall.Sub(seen[i].capture).Abs())
					i++
				}
			}
			if i != len(seen) {
				t.Errorf("%d pictures of %d", i, len(seen))
			}
			if worst > 100*time.Millisecond {
				t.Errorf("a picture is dated %v wrong", worst)
			}
			explained(t, a, "cam", wanted, clock.now())
			if g := gaps(t, a, "cam"); len(g) != 2 || g[0].To.Sub(g[0].From) > time.Second || !g[1].To.IsZero() { // before it and behind it
				t.Errorf("gaps %+v", g)
			}
			if len(segs) < int(day/(10*time.Minute)) {
				t.Errorf("%d segments", len(segs))
			}
		})
	}
}

// A step of the host's clock ends a run with cause clock, and times are right on both
// sides of it; one of less than a second is made up for by and by.
func TestHostClockIsSet(t *testing.T) {
	for _, c := range []struct {
		name string
		step time.Duration
		runs int
	}{
		{"an hour on", time.Hour, 2},
		{"an hour back", -time.Hour, 2},
		{"two seconds back", -2 * time.Second, 2},
		{"half a second on", 500 * time.Millisecond, 1},
		{"half a second back", -500 * time.Millisecond, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := newSimulated()
			a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}, Now: clock.now, elapsed: clock.elapsed, FS: lazyFS{}, settle: -1})
			began := clock.now()
			const minutes, at = 90, 600 // s
			seen := watchFor(t, a, clock, minutes*time.Minute, 0, func(int) time.Duration { return 0 }, func(i int) {
				if i == at {
					clock.set(c.step)
				}
			})
			byRun := map[int64][]time.Time{}
			var last int64
			for _, s := range list(t, a, "cam") {
				last = max(last, s.Run)
				for _, g := range s.GOPs() {
					byRun[s.Run] = append(byRun[s.Run], g.Wall)
				}
			}
			if len(byRun) != c.runs {
				t.Fatalf("%d runs, want %d", len(byRun), c.runs)
			}
			// The pictures, run by run, are those that were seen.
			var walls []time.Time
			for id := range last + 1 {
				walls = append(walls, byRun[id]...)
			}
			if len(walls) != len(seen) {
				t.Fatalf("%d pictures of %d", len(walls), len(seen))
			}
			for i := range walls {
				off := walls[i].Sub(seen[i].capture).Abs()
				// A small step is slewed away by half a millisecond a second.
				if slewed := c.runs == 1 && i > at && i < at+1200; off > 100*time.Millisecond && !slewed {
					t.Fatalf("picture %d is dated %v wrong", i, off)
				}
			}
			covers(t, a, "cam", began, clock.now())
			clocked := 0
			for _, g := range gaps(t, a, "cam") {
				if g.Cause == CauseClock {
					clocked++
					if d := g.To.Sub(g.From); (d - c.step).Abs() > 3*time.Second {
						t.Errorf("a gap of %v", d)
					}
				}
			}
			if want := c.step >= time.Hour; (clocked == 1) != want {
				t.Errorf("%d gaps of cause clock: %+v", clocked, gaps(t, a, "cam"))
			}
			var cause string
			if err := a.storages[0].index.r.QueryRow("SELECT cause FROM run ORDER BY id LIMIT 1").Scan(&cause); err != nil || (cause == string(CauseClock)) != (c.runs == 2) {
				t.Errorf("the first run ended for %q, %v", cause, err)
			}
		})
	}
}
