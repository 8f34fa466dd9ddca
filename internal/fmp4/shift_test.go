// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"bytes"
	"testing"
	"time"
)

// twoTracks is a part of a picture and two audio frames behind some bytes of a file.
func twoTracks() []byte {
	b := make([]byte, 100)
	b = AppendPart(b, &PartHeader{Sequence: 7, Wall: time.Unix(1764216000, 0), Runs: []Run{
		{Track: 1, Video: true, Base: 9000, Samples: []Sample{{Size: 5, Duration: 3600, Key: true}}, Bytes: 5},
		{Track: 2, Base: 800, Samples: []Sample{{Size: 2, Duration: 1024, Key: true}, {Size: 3, Duration: 1024, Key: true}}, Bytes: 5},
	}})
	return append(b, "videoaudio"...)
}

func TestReadShifted(t *testing.T) {
	file := twoTracks()
	part := func(b []byte) *ReadPart {
		p, err := ReadPartAt(bytes.NewReader(b), 100, int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := part(file)
	for _, c := range []struct {
		name  string
		ticks int64
		hide  bool // the sound
		base  []uint64
	}{
		{"later", 90000, false, []uint64{99000, 90800}},
		{"earlier", -500, false, []uint64{8500, 300}},
		{"not below 0", -1000, false, []uint64{8000, 0}},
		{"without sound", 1, true, []uint64{9001}},
	} {
		t.Run(c.name, func(t *testing.T) {
			header, err := p.ReadShifted(bytes.NewReader(file), []byte("kept"), func(track uint32) (int64, bool) { return c.ticks, c.hide && track == 2 })
			if err != nil || string(header[:4]) != "kept" || int64(len(header)) != 4+p.HeaderSize() {
				t.Fatalf("%d bytes of %d, %v", len(header)-4, p.HeaderSize(), err)
			}
			moved := bytes.Clone(file)
			copy(moved[100:], header[4:])
			q := part(moved)
			if q.Size != p.Size || len(q.Runs) != len(c.base) || !q.Wall.Equal(p.Wall) {
				t.Fatalf("%+v", q)
			}
			for i, want := range c.base {
				if r := q.Runs[i]; r.Base != want || r.Offset != p.Runs[i].Offset || r.Bytes != 5 {
					t.Errorf("track %d: %+v, want base %d", i, r, want)
				}
			}
		})
	}
}

// The lead track's time in prft moves with it; hidden, prft goes too.
func TestReadShiftedReferenceTime(t *testing.T) {
	file := twoTracks()
	p, err := ReadPartAt(bytes.NewReader(file), 100, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	header, err := p.ReadShifted(bytes.NewReader(file), nil, func(uint32) (int64, bool) { return 1, false })
	if err != nil || !bytes.Equal(header[24:32], []byte{0, 0, 0, 0, 0, 0, 0x23, 0x29}) {
		t.Errorf("% x, %v", header[:32], err)
	}
	header, err = p.ReadShifted(bytes.NewReader(file), nil, func(track uint32) (int64, bool) { return 0, track == 1 })
	if err != nil || string(header[4:8]) != "free" {
		t.Errorf("% x, %v", header[:32], err)
	}
}

// Whatever is in a header, shifting it ends, and changes no size.
func FuzzShift(f *testing.F) {
	file := twoTracks()
	f.Add(file[100:])
	f.Add(file[132:])
	f.Fuzz(func(t *testing.T, b []byte) {
		n := len(b)
		shiftHeader(b, func(track uint32) (int64, bool) { return int64(track) * 1000, track == 2 })
		if len(b) != n {
			t.Fatal("its size changed")
		}
	})
}
