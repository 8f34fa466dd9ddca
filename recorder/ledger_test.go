// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"math/rand"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// seedsVariable asks TestEveryInstantIsExplained for that many stories.
const seedsVariable = "XP2P_TEST_SEEDS"

// Whatever happens, segments and gaps together cover the time a camera was wanted.
func TestEveryInstantIsExplained(t *testing.T) {
	list0 := media(t, testmedia.H264AAC, 2, testmedia.Options{GOP: 12})
	for seed := range int64(testCount(t, seedsVariable, 12)) {
		rng := rand.New(rand.NewSource(seed))
		ffs := &faultFS{}
		clock := newSimulated()
		dir := t.TempDir()
		set := false // the host's clock was, so wall-clock time may be there twice
		cfg := Config{Storages: []StorageConfig{{Dir: dir, Segment: 3 * time.Second}}, Now: clock.now, elapsed: clock.elapsed, FS: ffs, settle: time.Duration(rng.Intn(2)*400-1) * time.Millisecond}
		if cfg.settle < 0 {
			cfg.settle = -1
		}
		a := openArchive(t, cfg)
		cam := camera(t, a, "cam")
		wanted := clock.now()
		r := cam.StartRun()
		at := time.Duration(0)
		for range 40 {
			switch rng.Intn(11) {
			case 0:
				r.Close([]Cause{CauseLink, CauseCamera}[rng.Intn(2)])
				clock.add(time.Duration(rng.Intn(5000)) * time.Millisecond)
				cam.Mark([]Cause{CauseLink, CauseCamera, CauseOverload}[rng.Intn(3)])
				clock.add(time.Duration(rng.Intn(5000)) * time.Millisecond)
				r, at = cam.StartRun(), 0
			case 1: // the camera's clock jumps, in either direction
				at += time.Duration(rng.Intn(200)-100) * time.Second
			case 2: // silence
				d := time.Duration(rng.Intn(8000)) * time.Millisecond
				clock.add(d)
				at += d
			case 3: // the camera's clock is not ours
				clock.add(time.Duration(rng.Intn(20)) * time.Millisecond)
			case 4:
				ffs.set(nil, always(syscall.ENOSPC), nil)
			case 5:
				ffs.set(nil, nil, always(syscall.EIO))
			case 6: // nothing of the sort
				clock.add(retryMost)
				at += retryMost
				ffs.set(nil, nil, nil)
			case 7: // stopped in good order and started again
				if err := a.Close(); err != nil && ffs.write == nil && ffs.sync == nil {
					t.Fatal(err)
				}
				clock.add(time.Duration(rng.Intn(5000)) * time.Millisecond)
				a = openArchive(t, cfg)
				cam = camera(t, a, "cam")
				r, at = cam.StartRun(), 0
			case 8: // killed and started again
				ffs.set(nil, nil, nil)
				flush(t, a) // the index is copied between two commits
				left := filepath.Join(t.TempDir(), "left")
				newCrashFS(seed).leave(t, dir, left, false)
				a.Close()
				clock.add(time.Duration(rng.Intn(5000)) * time.Millisecond)
				dir, cfg.Storages[0].Dir = left, left
				a = openArchive(t, cfg)
				cam = camera(t, a, "cam")
				r, at = cam.StartRun(), 0
			case 9: // the host's clock is set
				clock.set(time.Duration(rng.Intn(20000)-10000) * time.Millisecond)
				set = true
			}
			play(t, r, clock, shifted(list0, at))
			at += 2 * time.Second
			flush(t, a)
		}
		ffs.set(nil, nil, nil)
		clock.add(2 * retryMost)
		r.Close(CauseLink)
		flush(t, a)
		covers(t, a, "cam", wanted, clock.now())
		if !set {
			apart(t, a, "cam")
		}
		segs := list(t, a, "cam")
		agree(t, dir, segs)
		for i := 0; i < len(segs); i += 1 + len(segs)/2 {
			decodesIrregular(t, segs[i].Path)
		}
		a.Close()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
