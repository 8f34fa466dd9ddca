// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/demux/h26x"
)

// picture is one coded picture.
type picture struct {
	hash     [32]byte
	key      bool
	dts, cts time.Duration
}

// movie is what a file has of pictures and sound.
type movie struct {
	pictures     []picture
	sounds       int
	video, audio demux.Codec
	enhanced     bool // FLV: the pictures are dressed with a FourCC
	annexB       []byte
}

// bytesOf says which bytes of a picture are compared.
type bytesOf func(demux.Codec, []byte) []byte

// whole are all of them.
func whole(_ demux.Codec, data []byte) []byte { return data }

// coded are those that RTP keeps: parameter sets and delimiters travel apart.
func coded(c demux.Codec, data []byte) []byte {
	var kept [][]byte
	for n := range h26x.NALs(data) {
		typ := n[0] & 0x1f // H.264: SPS, PPS, delimiter
		drop := typ >= 7 && typ <= 9
		if c == demux.H265 {
			typ = n[0] >> 1 & 0x3f // VPS, SPS, PPS, delimiter
			drop = typ >= 32 && typ <= 35
		}
		if !drop {
			kept = append(kept, n)
		}
	}
	return h26x.AppendUnit(nil, kept...)
}

// readFLV reads a file without a damaged byte.
func readFLV(t *testing.T, path string, of bytesOf) *movie {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := &movie{}
	r := flv.NewReader(bytes.NewReader(b), flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	configured := false
	for {
		err := r.Next(&tag, &u)
		if errors.Is(err, io.EOF) {
			return m
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		switch {
		case u.EndOfSequence, u.Kind == demux.Data:
		case u.Config && u.Kind == demux.Video:
			configured = true
			m.addConfig(t, &u)
		case u.Config:
		case u.Kind == demux.Video:
			if !configured {
				t.Fatalf("%s: a picture comes before the configuration", path)
			}
			m.video, m.enhanced = u.Codec, tag.Payload[0]&0x80 != 0
			m.pictures = append(m.pictures, picture{sha256.Sum256(of(u.Codec, u.Data)), u.Key, u.DTS, u.CTS})
			if m.annexB, err = h26x.AppendAnnexB(m.annexB, u.Data); err != nil {
				t.Fatalf("%s: picture %d: %v", path, len(m.pictures)-1, err)
			}
		case u.Kind == demux.Audio:
			m.audio = u.Codec
			m.sounds++
		}
	}
}

// addConfig puts the parameter sets into the byte stream for decoders.
func (m *movie) addConfig(t *testing.T, u *demux.Unit) {
	t.Helper()
	var sets [][]byte
	if u.Codec == demux.H265 {
		c, err := h26x.ParseHVCC(u.Data)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(append(append(sets, c.VPS...), c.SPS...), c.PPS...)
	} else {
		c, err := h26x.ParseAVCC(u.Data)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(append(sets, c.SPS...), c.PPS...)
	}
	var err error
	if m.annexB, err = h26x.AppendAnnexB(m.annexB, h26x.AppendUnit(nil, sets...)); err != nil {
		t.Fatal(err)
	}
}

// readMP4 reads a recording with a library that wrote none of it.
func readMP4(t *testing.T, path string, of bytesOf) *movie {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := mp4.DecodeFile(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if !f.IsFragmented() {
		t.Fatalf("%s is not fragmented", path)
	}
	m := &movie{}
	for i, trak := range f.Init.Moov.Traks {
		scale := time.Duration(trak.Mdia.Mdhd.Timescale)
		trex := f.Init.Moov.Mvex.Trexs[i]
		picture_ := trak.Mdia.Hdlr.HandlerType == "vide"
		if picture_ {
			m.video = map[string]demux.Codec{"avc1": demux.H264, "hvc1": demux.H265}[trak.Mdia.Minf.Stbl.Stsd.Children[0].Type()]
		} else {
			m.audio = map[string]demux.Codec{"mp4a": demux.AAC, "alaw": demux.ALaw}[trak.Mdia.Minf.Stbl.Stsd.Children[0].Type()]
		}
		var end uint64
		for _, s := range f.Segments {
			for _, fragment := range s.Fragments {
				samples, err := fragment.GetFullSamples(trex)
				if err != nil {
					t.Fatalf("%s: %v", path, err)
				}
				for _, s := range samples {
					if !picture_ {
						m.sounds++
						continue
					}
					if len(m.pictures) > 0 && s.DecodeTime != end {
						t.Errorf("%s: picture %d is decoded at %d, the one before it ends at %d", path, len(m.pictures), s.DecodeTime, end)
					}
					end = s.DecodeTime + uint64(s.Dur)
					m.pictures = append(m.pictures, picture{sha256.Sum256(of(m.video, s.Data)), s.IsSync(),
						time.Duration(s.DecodeTime) * time.Second / scale, time.Duration(s.CompositionTimeOffset) * time.Second / scale})
				}
			}
		}
	}
	return m
}

// mostSeam bounds the step from a file's last picture to its first when it is
// played again: sound may be a little longer than the pictures.
const mostSeam = 200 * time.Millisecond

// stretch says at which picture of want, played again and again, got begins; got
// must be an unbroken stretch of it.
func stretch(want, got []picture) (first int, err error) {
	if len(got) == 0 || len(want) == 0 {
		return 0, fmt.Errorf("%d pictures of %d", len(got), len(want))
	}
	best, at := -1, 0
	for first := range want {
		n := 0
		for n < len(got) && got[n].hash == want[(first+n)%len(want)].hash {
			n++
		}
		if n == len(got) {
			return first, nil
		}
		if n > best {
			best, at = n, first
		}
	}
	next := -1
	for i := range want {
		if want[i].hash == got[best].hash {
			next = i
		}
	}
	return 0, fmt.Errorf("picture %d of %d is not the source's %d (it is %d there, -1: nowhere)", best, len(got), (at+best)%len(want), next)
}

// sameRun fails the test when got is not an unbroken stretch of want with its key
// frames and times; it says with which picture of want it begins.
func sameRun(t *testing.T, want, got []picture) (first int, same bool) {
	t.Helper()
	first, err := stretch(want, got)
	if err != nil {
		t.Error(err)
		return 0, false
	}
	for i := range got {
		w := (first + i) % len(want)
		if got[i].key != want[w].key || got[i].cts != want[w].cts {
			t.Errorf("picture %d: key %v, composition time %v; the source's %d: %v, %v", i, got[i].key, got[i].cts, w, want[w].key, want[w].cts)
			return first, false
		}
		if i == 0 {
			continue
		}
		step, wantStep := got[i].dts-got[i-1].dts, time.Duration(0)
		if w > 0 {
			wantStep = want[w].dts - want[w-1].dts
		}
		if w > 0 && step != wantStep || w == 0 && (step <= 0 || step > mostSeam) {
			t.Errorf("picture %d comes %v after the one before it, the source's %d after %v", i, step, w, wantStep)
			return first, false
		}
	}
	return first, true
}
