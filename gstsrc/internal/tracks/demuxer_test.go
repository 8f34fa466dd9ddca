// SPDX-License-Identifier: LGPL-2.1-or-later

package tracks

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// recorded is an Output that writes down what it is told.
type recorded struct {
	calls    []string // all but Push
	pushed   [slots][]Packet
	segments []Segment
	full     int // packets after which Push fails; 0: never
}

func (r *recorded) note(format string, args ...any) {
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
}

func (r *recorded) Add(s Slot, f *Format) {
	r.note("add %d %v %dx%d %g %d/%d", s, f.Codec, f.Width, f.Height, f.FPS, f.Rate, f.Channels)
}
func (r *recorded) Expose() { r.note("expose") }
func (r *recorded) Change(s Slot, f *Format) {
	r.note("change %d %v %dx%d", s, f.Codec, f.Width, f.Height)
}
func (r *recorded) Segment(s Segment)                    { r.note("segment"); r.segments = append(r.segments, s) }
func (r *recorded) Gap(s Slot, at, length time.Duration) { r.note("gap %d", s) }
func (r *recorded) Complete()                            { r.note("complete") }
func (r *recorded) Metadata(flv.Metadata)                {}
func (r *recorded) Warn(err error)                       { r.note("warn %v", err) }
func (r *recorded) Push(s Slot, p Packet) Flow {
	p.Data = bytes.Clone(p.Data)
	r.pushed[s] = append(r.pushed[s], p)
	if r.full > 0 && len(r.pushed[Video])+len(r.pushed[Audio]) >= r.full {
		return -2
	}
	return Good
}

// units are a file's, as another reader of it finds them.
func units(t *testing.T, b []byte) (list []demux.Unit) {
	t.Helper()
	r := flv.NewReader(bytes.NewReader(b), flv.Options{})
	var tag flv.Tag
	var u demux.Unit
	for r.Next(&tag, &u) == nil {
		u.Data = bytes.Clone(u.Data)
		list = append(list, u)
	}
	return list
}

func file(t *testing.T, kind testmedia.Kind, o testmedia.Options) []byte {
	t.Helper()
	b, err := os.ReadFile(testmedia.FLV(t, kind, 3, o))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// build makes FLV of units.
func build(t *testing.T, list ...demux.Unit) []byte {
	t.Helper()
	b := flv.AppendHeader(nil, true, true)
	for i := range list {
		if list[i].Kind == demux.Data {
			continue
		}
		var err error
		if b, err = flv.AppendUnit(b, &list[i], flv.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func shifted(list []demux.Unit, d time.Duration) []demux.Unit {
	list = slices.Clone(list)
	for i := range list {
		list[i].DTS += d
	}
	return list
}

func only(list []demux.Unit, k demux.Kind) []demux.Unit {
	return slices.DeleteFunc(slices.Clone(list), func(u demux.Unit) bool { return u.Kind != k })
}

// Every codec, in buffers of every size: each unit comes out as it is, in its time.
func TestEveryCodec(t *testing.T) {
	for kind, adds := range map[testmedia.Kind][]string{
		testmedia.H264AAC:      {"add 0 h264 320x180 25 0/0", "add 1 aac 0x0 0 44100/1"},
		testmedia.H264ALaw:     {"add 0 h264 320x180 25 0/0", "add 1 alaw 0x0 0 8000/1"},
		testmedia.H264MP3:      {"add 0 h264 320x180 25 0/0", "add 1 mp3 0x0 0 44100/1"},
		testmedia.H264:         {"add 0 h264 320x180 25 0/0"},
		testmedia.H265Legacy:   {"add 0 h265 320x180 25 0/0", "add 1 aac 0x0 0 44100/1"},
		testmedia.H265Enhanced: {"add 0 h265 320x180 25 0/0", "add 1 aac 0x0 0 44100/1"},
		testmedia.AAC:          {"add 1 aac 0x0 0 44100/1"},
		testmedia.ALaw:         {"add 1 alaw 0x0 0 8000/1"},
	} {
		b := file(t, kind, testmedia.Options{BFrames: 2})
		want := units(t, b)
		for _, size := range []int{1, 777, 4096, 1 << 20} {
			t.Run(fmt.Sprint(kind, size), func(t *testing.T) {
				r := &recorded{}
				d := New(r)
				for c := range slices.Chunk(b, size) {
					if f := d.Data(c, false); f != Good {
						t.Fatal(f)
					}
				}
				if !d.End() {
					t.Error("no track")
				}
				got := slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(r.calls), func(s string) bool { return !strings.HasPrefix(s, "add") })))
				if diff := cmp.Diff(slices.Sorted(slices.Values(adds)), got); diff != "" {
					t.Error(diff)
				}
				// The tracks are exposed together; those of H.265 come from files without metadata, where
				// the sound's header is behind the first picture.
				exposed := 1
				if kind == testmedia.H265Legacy || kind == testmedia.H265Enhanced {
					exposed = 2
				}
				calls := slices.DeleteFunc(slices.Clone(r.calls), func(s string) bool { return s == "expose" })
				if len(r.calls)-len(calls) != exposed || len(calls) != len(adds)+2 || !slices.Contains(calls, "complete") {
					t.Errorf("%v", r.calls)
				}
				if diff := cmp.Diff([]Segment{{}}, r.segments); diff != "" {
					t.Error(diff)
				}
				for s, k := range []demux.Kind{demux.Video, demux.Audio} {
					compare(t, slices.DeleteFunc(only(want, k), func(u demux.Unit) bool { return u.Config || u.EndOfSequence }), r.pushed[s])
				}
			})
		}
	}
}

func compare(t *testing.T, want []demux.Unit, got []Packet) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d units, want %d", len(got), len(want))
	}
	for i := range want {
		w, g := &want[i], &got[i]
		if sha256.Sum256(w.Data) != sha256.Sum256(g.Data) || w.DTS != g.DTS || w.PTS() != g.PTS || w.Key != g.Key || g.Discont != (i == 0) {
			t.Fatalf("unit %d: %v %v key %v discont %v, want %v %v key %v", i, g.DTS, g.PTS, g.Key, g.Discont, w.DTS, w.PTS(), w.Key)
		}
	}
}

// What streams do in their middle, and what becomes of it.
func TestChanges(t *testing.T) {
	small := units(t, file(t, testmedia.H264AAC, testmedia.Options{GOP: 25}))
	large := units(t, file(t, testmedia.H264AAC, testmedia.Options{GOP: 25, Width: 640, Height: 360}))
	h265 := units(t, file(t, testmedia.H265Legacy, testmedia.Options{GOP: 25}))
	const s = 3 * time.Second
	cases := []struct {
		name     string
		stream   []byte
		calls    []string
		segments []Segment
	}{
		{"late sound", build(t, append(only(small, demux.Video), shifted(small, s)...)...),
			[]string{"add 0 h264 320x180 25 0/0", "expose", "segment", "complete", "add 1 aac 0x0 0 44100/1", "expose"}, []Segment{{}}},
		{"resolution", build(t, append(slices.Clone(small), shifted(large, s)...)...),
			[]string{"add 0 h264 320x180 25 0/0", "add 1 aac 0x0 0 44100/1", "expose", "segment", "complete", "change 0 h264 640x360"}, []Segment{{}}},
		{"codec", build(t, append(slices.Clone(small), shifted(h265, s)...)...),
			[]string{"add 0 h264 320x180 25 0/0", "add 1 aac 0x0 0 44100/1", "expose", "segment", "complete", "change 0 h265 320x180"}, []Segment{{}}},
		{"sound pauses", build(t, append(slices.Clone(small), shifted(only(small, demux.Video), s)...)...),
			[]string{"add 0 h264 320x180 25 0/0", "add 1 aac 0x0 0 44100/1", "expose", "segment", "complete", "gap 1"}, []Segment{{}}},
		{"joined late", build(t, shifted(small, time.Hour)...),
			[]string{"add 0 h264 320x180 25 0/0", "add 1 aac 0x0 0 44100/1", "expose", "segment", "complete"}, []Segment{{Start: time.Hour}}},
		{"clock jumps ahead", build(t, append(slices.Clone(small), shifted(small, time.Hour)...)...),
			[]string{"add 0 h264 320x180 25 0/0", "add 1 aac 0x0 0 44100/1", "expose", "segment", "complete", "segment"},
			[]Segment{{}, {Start: time.Hour, Base: end(small) + nominal}}},
		{"clock jumps back", build(t, append(shifted(small, time.Hour), small...)...),
			[]string{"add 0 h264 320x180 25 0/0", "add 1 aac 0x0 0 44100/1", "expose", "segment", "complete", "segment"},
			[]Segment{{Start: time.Hour}, {Base: end(small) + nominal}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &recorded{}
			d := New(r)
			if f := d.Data(c.stream, false); f != Good || !d.End() {
				t.Error(f)
			}
			if diff := cmp.Diff(c.calls, slices.Compact(r.calls)); diff != "" { // a long gap is said piece by piece
				t.Error(diff)
			}
			if diff := cmp.Diff(c.segments, r.segments); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// end is the DTS of the last unit.
func end(list []demux.Unit) (last time.Duration) {
	for _, u := range list {
		last = max(last, u.DTS)
	}
	return last
}

// Upstream's segments stand when they are in time.
func TestTimed(t *testing.T) {
	r := &recorded{}
	d := New(r)
	d.Timed(true)
	d.Data(file(t, testmedia.H264AAC, testmedia.Options{}), true)
	if len(r.segments) > 0 || len(r.pushed[Video]) == 0 {
		t.Errorf("%v", r.calls)
	}
}

// After a flush pictures begin at a key picture, marked as discontinuous.
func TestFlush(t *testing.T) {
	b := file(t, testmedia.H264AAC, testmedia.Options{GOP: 25})
	r := &recorded{}
	d := New(r)
	d.Data(b[:len(b)/2], false)
	before := len(r.pushed[Video])
	d.Data(b[len(b)*2/3:], true)
	after := r.pushed[Video][before:]
	if len(after) == 0 || !after[0].Key || !after[0].Discont {
		t.Errorf("%d pictures, the first %+v", len(after), after[:min(1, len(after))])
	}
}

// Damage costs what is damaged; what follows says that something is missing.
func TestDamage(t *testing.T) {
	b := file(t, testmedia.H264AAC, testmedia.Options{GOP: 25})
	all := &recorded{}
	New(all).Data(b, false)
	broken := slices.Insert(slices.Clone(b), len(b)/2, bytes.Repeat([]byte("noise"), 200)...)
	r := &recorded{}
	d := New(r)
	if f := d.Data(broken, false); f != Good || !d.End() {
		t.Error(f)
	}
	if lost := len(all.pushed[Video]) + len(all.pushed[Audio]) - len(r.pushed[Video]) - len(r.pushed[Audio]); lost > 3 {
		t.Errorf("%d units lost", lost)
	}
	marked := 0
	for _, p := range r.pushed[Video] {
		if p.Discont {
			marked++
		}
	}
	if marked != 2 {
		t.Errorf("%d pictures are marked", marked)
	}
}

func TestNothingUsable(t *testing.T) {
	for _, b := range [][]byte{nil, []byte("no FLV"), flv.AppendHeader(nil, true, true), make([]byte, 1<<16)} {
		r := &recorded{}
		d := New(r)
		if f := d.Data(b, false); f != Good || d.End() {
			t.Errorf("%.10q: a track", b)
		}
	}
}

func TestFlowEndsTheStream(t *testing.T) {
	r := &recorded{full: 5}
	if f := New(r).Data(file(t, testmedia.H264AAC, testmedia.Options{}), false); f != -2 || len(r.pushed[Video])+len(r.pushed[Audio]) != 5 {
		t.Errorf("%d, %d units", f, len(r.pushed[Video])+len(r.pushed[Audio]))
	}
}

func FuzzData(f *testing.F) {
	f.Add([]byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"), 3)
	b, err := os.ReadFile(testmedia.FLV(f, testmedia.H264AAC, 1, testmedia.Options{}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:20000], 1000)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		r := &recorded{}
		d := New(r)
		for c := range slices.Chunk(b, 1+max(size, 0)%len(append(b, 0))) {
			d.Data(c, false)
		}
		d.End()
		for _, p := range slices.Concat(r.pushed[Video], r.pushed[Audio]) {
			if len(p.Data) == 0 {
				t.Fatal("an empty unit")
			}
		}
	})
}

// Metadata may speak of sound that never comes: the pictures wait for it only so long.
func TestSoundThatNeverComes(t *testing.T) {
	b := file(t, testmedia.H264ALaw, testmedia.Options{GOP: 25})
	mute := flv.AppendHeader(nil, true, true)
	r := flv.NewReader(bytes.NewReader(b), flv.Options{})
	var tag flv.Tag
	var u demux.Unit
	for r.Next(&tag, &u) == nil {
		if u.Kind != demux.Audio {
			mute = append(mute, tag.Raw...)
		}
	}
	for name, n := range map[string]int{"to its end": len(mute), "cut in the first second": len(mute) / 4} {
		out := &recorded{}
		d := New(out)
		if f := d.Data(mute[:n], false); f != Good || !d.End() {
			t.Errorf("%s: %v", name, f)
		}
		want := slices.DeleteFunc(only(units(t, mute[:n]), demux.Video), func(u demux.Unit) bool { return u.Config || u.EndOfSequence })
		compare(t, want, out.pushed[Video])
	}
}
