// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// FuzzRun writes whatever order of configurations, pictures, sound, jumps and
// silences a camera may come up with. Two bytes are one step: what, and how much
// time passes. It must not crash, what it leaves must be whole parts, and every
// instant must be explained.
func FuzzRun(f *testing.F) {
	f.Add([]byte{0, 0, 1, 40, 3, 40, 4, 40, 3, 40, 4, 40})
	f.Add([]byte{0, 0, 3, 40, 3, 40, 7, 255, 1, 0, 4, 255, 4, 40, 3, 40})
	f.Add([]byte{2, 0, 5, 40, 3, 40, 0, 0, 3, 40, 6, 200, 8, 90, 3, 40})
	small := media(f, testmedia.H264AAC, 1, testmedia.Options{GOP: 25})
	large := media(f, testmedia.H264, 1, testmedia.Options{GOP: 25, Width: 640, Height: 360})
	alaw := media(f, testmedia.ALaw, 1, testmedia.Options{})
	first := func(list []demux.Unit, want func(*demux.Unit) bool) demux.Unit {
		for i := range list {
			if want(&list[i]) {
				return list[i]
			}
		}
		f.Fatal("the media has no such unit")
		return demux.Unit{}
	}
	is := func(k demux.Kind, config, key bool) func(*demux.Unit) bool {
		return func(u *demux.Unit) bool { return u.Kind == k && u.Config == config && u.Key == key }
	}
	steps := []demux.Unit{
		first(small, func(u *demux.Unit) bool { return u.Kind == demux.Video && u.Config }),
		first(small, func(u *demux.Unit) bool { return u.Kind == demux.Audio && u.Config }),
		first(large, func(u *demux.Unit) bool { return u.Kind == demux.Video && u.Config }),
		first(small, is(demux.Video, false, true)),
		first(small, func(u *demux.Unit) bool { return u.Kind == demux.Audio && !u.Config }),
		first(small, is(demux.Video, false, false)),
		first(alaw, func(u *demux.Unit) bool { return u.Kind == demux.Audio && !u.Config }),
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		const most = 400
		script = script[:min(len(script), most)]
		clock := newSimulated()
		dir := t.TempDir()
		a := openArchive(t, Config{Storages: []StorageConfig{{Dir: dir, Segment: 2 * time.Second, Part: 500 * time.Millisecond}}, Now: clock.now, settle: -1})
		cam := camera(t, a, "cam")
		wanted := clock.now()
		r := cam.StartRun()
		dts := time.Duration(0)
		for i := 0; i+1 < len(script); i += 2 {
			what, passed := int(script[i]), time.Duration(script[i+1])*time.Millisecond
			switch extra := what / len(steps) % 4; extra {
			case 1: // silence
				passed *= 40
				fallthrough
			case 0:
				clock.add(passed)
				dts += passed
			case 2: // the timestamps run backwards
				clock.add(passed)
				dts -= passed
			case 3: // or jump
				clock.add(passed)
				dts += passed * 1000
			}
			u := steps[what%len(steps)]
			u.DTS = dts
			if err := r.Write(&u); err != nil {
				if !errors.Is(err, errUnstable) {
					t.Fatal(err)
				}
				r.Close(CauseCamera)
				r = cam.StartRun()
			}
		}
		r.Close(CauseLink)
		flush(t, a)
		explained(t, a, "cam", wanted, clock.now())
		agree(t, dir, list(t, a, "cam"))
	})
}

// FuzzExport exports a segment that was damaged behind the index's back: four bytes
// are one change, where and what. It must end with an error or a file, and leave nothing
// when it fails.
func FuzzExport(f *testing.F) {
	clock := newSimulated()
	a, err := Open(Config{Storages: []StorageConfig{{Dir: f.TempDir()}}, Now: clock.now, settle: -1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { a.Close() })
	r := camera(f, a, "cam").StartRun()
	play(f, r, clock, media(f, testmedia.H264AAC, 3, testmedia.Options{GOP: 25, Width: 64, Height: 64}))
	r.Close(CauseRestart)
	flush(f, a)
	seg := list(f, a, "cam")[0]
	whole, err := os.ReadFile(seg.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	for _, box := range []string{"tfdt", "trun", "prft", "stsd", "mdhd", "tfhd", "mfhd"} {
		at := bytes.LastIndex(whole, []byte(box)) // of what is exported, where parts have it
		if at < 0 {
			f.Fatalf("there is no %s", box)
		}
		for k := range 12 {
			f.Add([]byte{byte((at + 4 + k) >> 16), byte((at + 4 + k) >> 8), byte(at + 4 + k), 0xff})
		}
	}
	f.Fuzz(func(t *testing.T, changes []byte) {
		b := bytes.Clone(whole)
		for ; len(changes) >= 4; changes = changes[4:] {
			b[(int(changes[0])<<16|int(changes[1])<<8|int(changes[2]))%len(b)] = changes[3]
		}
		if err := os.WriteFile(seg.Path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, exact := range []bool{false, true} {
			file := filepath.Join(t.TempDir(), "clip.mp4")
			_, err := a.Export(t.Context(), ExportRequest{Camera: "cam", From: seg.Start.Add(time.Second / 2), To: seg.End.Add(-time.Millisecond), Exact: exact, Path: file})
			if left, _ := filepath.Glob(file + "*"); (err == nil) != (len(left) == 1) {
				t.Fatalf("%v, and there are %v", err, left)
			}
		}
	})
}
