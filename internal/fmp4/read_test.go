// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadInit(t *testing.T) {
	for _, c := range initCases {
		if c.entry == "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			want := c.track
			want.ID = 1
			if want.Video() {
				want.Config = append([]byte(nil), want.Config...)
				want.Config[map[string]int{"avc1": 4, "hvc1": 21}[c.entry]] |= 3
			}
			b, err := AppendInit(nil, []Track{want})
			if err != nil {
				t.Fatal(err)
			}
			got, err := ReadInit(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(&Init{Tracks: []Track{want}, Size: int64(len(b))}, got); d != "" {
				t.Error(d)
			}
			for cut := range b {
				if _, err := ReadInit(bytes.NewReader(b[:cut]), int64(cut)); !errors.Is(err, ErrNoInit) {
					t.Fatalf("cut at %d: %v", cut, err)
				}
			}
		})
	}
}

// What is read of the parts is what was written, sample by sample.
func TestReadParts(t *testing.T) {
	b := testFile(t)
	size := int64(len(b))
	i, err := ReadInit(bytes.NewReader(b), size)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Scan(bytes.NewReader(b), size)
	if err != nil {
		t.Fatal(err)
	}
	at := i.Size
	for k, want := range f.Parts {
		p, err := ReadPartAt(bytes.NewReader(b), at, size)
		if err != nil {
			t.Fatal(err)
		}
		if p.Offset != want.Offset || p.Size != want.Size || !p.Wall.Equal(want.Wall) {
			t.Errorf("part %d: %+v, want %+v", k, p, want)
		}
		runs := []Run{
			{Track: 1, Video: true, Base: uint64(k) * 7200, Bytes: 30, Samples: []Sample{
				{Size: 10, Duration: 3600, CTS: -3600, Key: true}, {Size: 20, Duration: 3600, CTS: 7200},
			}},
			{Track: 2, Base: uint64(k) * 640, Bytes: 64, Samples: []Sample{{Size: 64, Duration: 640, Key: true}}},
		}
		if d := cmp.Diff(runs, []Run{p.Runs[0].Run, p.Runs[1].Run}); d != "" {
			t.Error(d)
		}
		if o := want.Keys[0].Offset; p.Runs[0].Offset != o || p.Runs[1].Offset != o+30 {
			t.Errorf("samples at %d and %d, want %d", p.Runs[0].Offset, p.Runs[1].Offset, o)
		}
		at += p.Size
	}
	if _, err := ReadPartAt(bytes.NewReader(b), at, size); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for cut := at - 1; cut > f.Parts[1].Offset; cut-- {
		if _, err := ReadPartAt(bytes.NewReader(b), f.Parts[1].Offset, cut); !errors.Is(err, ErrPart) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
}

// A damaged file must not make a reader panic, allocate without bound, or give
// samples outside of the file.
func FuzzRead(f *testing.F) {
	b := testFile(f)
	f.Add(b)
	f.Add(b[:len(b)-50])
	for _, c := range initCases {
		if c.track.ID = 1; c.entry != "" {
			b, err := AppendInit(nil, []Track{c.track})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		size := int64(len(b))
		i, err := ReadInit(bytes.NewReader(b), size)
		if err != nil {
			return
		}
		for at := i.Size; ; {
			p, err := ReadPartAt(bytes.NewReader(b), at, size)
			if err != nil {
				return
			}
			for _, r := range p.Runs {
				if r.Offset < at || r.Offset+int64(r.Bytes) > size {
					t.Fatalf("run at %d of %d bytes, file has %d", r.Offset, r.Bytes, size)
				}
			}
			if p.Size <= 0 {
				t.Fatal("a part of no size")
			}
			at += p.Size
		}
	})
}

// A window gives what its reader gives, wherever and however much is read.
func TestWindow(t *testing.T) {
	b := make([]byte, 10000)
	rng := rand.New(rand.NewSource(1))
	rng.Read(b)
	direct := bytes.NewReader(b)
	w := &window{r: direct}
	for range 5000 {
		at := rng.Int63n(int64(len(b)) + 100)
		got, want := make([]byte, rng.Intn(6000)), make([]byte, 6000)
		want = want[:len(got)]
		n, err := w.ReadAt(got, at)
		m, wantErr := direct.ReadAt(want, at)
		if n != m || !bytes.Equal(got[:n], want[:m]) || (err == nil) != (n == len(got)) && len(got) > 0 || n < len(got) && err != wantErr {
			t.Fatalf("%d bytes at %d: %d, %v; want %d, %v", len(got), at, n, err, m, wantErr)
		}
	}
}
