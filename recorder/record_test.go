// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/fmp4"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// Every codec: recorded in segments of 2 s, each of which opens and decodes, with
// every frame at its time and in sound no hole.
func TestEveryCodec(t *testing.T) {
	for _, kind := range testmedia.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			const seconds = 5
			list0 := media(t, kind, seconds, testmedia.Options{GOP: 25, BFrames: 2})
			clock := newSimulated()
			a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 2 * time.Second}}, Now: clock.now})
			c := camera(t, a, "cam")
			wanted := clock.now()
			r := c.StartRun()
			play(t, r, clock, list0)
			r.Close(CauseCamera)
			flush(t, a)

			want := map[string]int{}
			for _, u := range list0 {
				if !u.Config && u.Kind != demux.Data && len(u.Data) > 0 {
					want[u.Kind.String()]++
				}
			}
			segs := list(t, a, "cam")
			if len(segs) < 2 {
				t.Fatalf("%d segments", len(segs))
			}
			got := map[string]int{}
			for _, s := range segs {
				decodes(t, s.Path)
				for i, p := range probe(t, s.Path) {
					got[p.Type] += p.packets()
					dts, duration := packets(t, s.Path, p.Type[:1])
					for k := 1; k < len(dts); k++ {
						if duration[k-1] == 0 {
							continue // ffprobe does not say that of the first AAC packet
						}
						if hole := math.Abs(dts[k] - dts[k-1] - duration[k-1]); hole > 1e-3 {
							t.Errorf("%s stream %d packet %d: hole of %f s", s.Path, i, k, hole)
						}
					}
				}
				if s.Open || s.Bytes != size(t, s.Path) {
					t.Errorf("%+v, file has %d bytes", s, size(t, s.Path))
				}
				if kind != testmedia.AAC && kind != testmedia.ALaw {
					checkGOPs(t, s)
				}
			}
			if want["video"] != got["video"] {
				t.Errorf("%d pictures recorded of %d", got["video"], want["video"])
			}
			if lost := want["audio"] - got["audio"]; lost < 0 || lost > 5 || lost > 0 && want["video"] == 0 {
				t.Errorf("%d sound frames recorded of %d", got["audio"], want["audio"])
			}
			explained(t, a, "cam", wanted, clock.now())
		})
	}
}

func size(t testing.TB, file string) int64 {
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// checkGOPs compares the index' table with what the file says.
func checkGOPs(t testing.TB, s Segment) {
	t.Helper()
	f, err := os.Open(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	file, err := fmp4.Scan(f, s.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	var keys []fmp4.Key
	for _, p := range file.Parts {
		if fromTicks(int64(p.Duration)) > time.Second {
			t.Errorf("part of %v", fromTicks(int64(p.Duration)))
		}
		keys = append(keys, p.Keys...)
	}
	if len(keys) != len(s.GOPs()) || len(keys) == 0 {
		t.Fatalf("%d keys in the file, %d in the index", len(keys), len(s.GOPs()))
	}
	first := keys[0].Media
	for i, g := range s.GOPs() {
		if g.Key != keys[i].Offset || ticks(g.Media) != int64(keys[i].Media-first) {
			t.Errorf("%s key %d: index %+v, file %+v", s.Path, i, g, keys[i])
		}
		if d := g.Wall.Sub(s.Start) - g.Media; d > time.Millisecond || d < -time.Millisecond {
			t.Errorf("key %d: wall %v, media %v", i, g.Wall.Sub(s.Start), g.Media)
		}
	}
}

// A file cut after any whole part opens and decodes.
func TestCutAfterAnyPart(t *testing.T) {
	clock := newSimulated()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}, Now: clock.now})
	r := camera(t, a, "cam").StartRun()
	play(t, r, clock, media(t, testmedia.H264AAC, 4, testmedia.Options{}))
	r.Close(CauseCamera)
	flush(t, a)
	for _, s := range list(t, a, "cam") {
		b, err := os.ReadFile(s.Path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(s.Path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := fmp4.Scan(f, s.Bytes)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range file.Parts {
			cut := filepath.Join(t.TempDir(), "cut.mp4")
			if err := os.WriteFile(cut, b[:p.Offset+p.Size], 0o600); err != nil {
				t.Fatal(err)
			}
			decodes(t, cut)
		}
	}
}

// Sound that comes for the first time after the pictures have stopped finds a
// segment whose tracks are fixed without it.
func TestSoundBehindTheLastPicture(t *testing.T) {
	clock := newSimulated()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}, Now: clock.now, settle: -1})
	r := camera(t, a, "cam").StartRun()
	wanted := clock.now()
	all := media(t, testmedia.H264AAC, 6, testmedia.Options{GOP: 25})
	var picture, sound []demux.Unit
	for _, u := range all {
		switch {
		case u.Kind == demux.Video && u.DTS < 400*time.Millisecond:
			picture = append(picture, u)
		case u.Kind == demux.Audio && (u.Config || u.DTS > 2500*time.Millisecond):
			sound = append(sound, u)
		}
	}
	play(t, r, clock, picture)
	play(t, r, clock, sound)
	play(t, r, clock, shifted(all, 6*time.Second)) // both again: a new segment with both
	r.Close(CauseLink)
	flush(t, a)
	segs := list(t, a, "cam")
	if len(segs) < 2 || strings.Contains(segs[0].Tracks, "aac") || !strings.Contains(segs[len(segs)-1].Tracks, "aac") {
		t.Errorf("%+v", segs)
	}
	for _, s := range segs {
		decodes(t, s.Path)
	}
	explained(t, a, "cam", wanted, clock.now())
}
