// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"bytes"
	"encoding/hex"
	"math/rand"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/demux"
)

// avcRecord is the decoder record of a 64x64 baseline picture.
var avcRecord, _ = hex.DecodeString("0142c00affe10008" + "6742c00a95a0843f" + "01" + "0004" + "68ce3c80")

func opusHead() []byte {
	return []byte{'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, 2, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0}
}

var initCases = []struct {
	name  string
	track Track
	entry string // "" when it must be refused
}{
	{"h264", Track{Codec: demux.H264, Config: avcRecord, Width: 64, Height: 64}, "avc1"},
	{"h265", Track{Codec: demux.H265, Config: make([]byte, 40), Width: 3840, Height: 2160}, "hvc1"},
	{"h265 short record", Track{Codec: demux.H265, Config: make([]byte, 20), Width: 64, Height: 64}, ""},
	{"no picture size", Track{Codec: demux.H264, Config: avcRecord}, ""},
	{"giant picture", Track{Codec: demux.H264, Config: avcRecord, Width: 1 << 20, Height: 64}, ""},
	{"giant record", Track{Codec: demux.H264, Config: make([]byte, maxConfig+1), Width: 64, Height: 64}, ""},
	{"aac", Track{Codec: demux.AAC, Config: []byte{0x12, 0x10}, Rate: 44100, Channels: 2}, "mp4a"},
	{"aac without config", Track{Codec: demux.AAC, Rate: 44100, Channels: 2}, ""},
	{"mp3", Track{Codec: demux.MP3, Rate: 44100, Channels: 2}, "mp4a"},
	{"a-law", Track{Codec: demux.ALaw, Rate: 8000, Channels: 1}, "alaw"},
	{"mu-law", Track{Codec: demux.MuLaw, Rate: 8000, Channels: 1}, "ulaw"},
	{"pcm", Track{Codec: demux.PCM, Rate: 16000, Channels: 1}, "sowt"},
	{"opus", Track{Codec: demux.Opus, Config: opusHead(), Rate: 48000, Channels: 2}, "Opus"},
	{"opus, not a head", Track{Codec: demux.Opus, Config: []byte("OpusTags"), Rate: 48000, Channels: 2}, ""},
	{"flac", Track{Codec: demux.FLAC, Config: make([]byte, streamInfoSize), Rate: 8000, Channels: 1}, "fLaC"},
	{"flac, not a STREAMINFO", Track{Codec: demux.FLAC, Config: make([]byte, 18), Rate: 8000, Channels: 1}, ""},
	{"no rate", Track{Codec: demux.ALaw, Channels: 1}, ""},
	{"unknown codec", Track{Rate: 8000, Channels: 1}, ""},
}

func TestInit(t *testing.T) {
	for _, c := range initCases {
		t.Run(c.name, func(t *testing.T) {
			c.track.ID = 1
			b, err := AppendInit(nil, []Track{c.track})
			if (err == nil) != (c.entry != "") {
				t.Fatalf("error %v", err)
			}
			if err != nil {
				return
			}
			f, err := Scan(bytes.NewReader(b), int64(len(b)))
			want := []ScannedTrack{{ID: 1, Timescale: c.track.Timescale(), Entry: c.entry, Video: c.track.Video()}}
			if err != nil || !cmp.Equal(f.Tracks, want) || f.Size != 0 {
				t.Fatalf("scanned %+v, %v", f, err)
			}
		})
	}
}

// testFile has two parts of a video and an audio track.
func testFile(t testing.TB) []byte {
	b, err := AppendInit(nil, []Track{
		{ID: 1, Codec: demux.H264, Config: avcRecord, Width: 64, Height: 64},
		{ID: 2, Codec: demux.ALaw, Rate: 8000, Channels: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint32(2) {
		h := PartHeader{Sequence: i + 1, Wall: time.UnixMilli(1795533903123).Add(time.Duration(i) * 80 * time.Millisecond), Runs: []Run{
			{Track: 1, Video: true, Base: uint64(i) * 7200, Bytes: 30, Samples: []Sample{
				{Size: 10, Duration: 3600, CTS: -3600, Key: true}, {Size: 20, Duration: 3600, CTS: 7200},
			}},
			{Track: 2, Base: uint64(i) * 640, Bytes: 64, Samples: []Sample{{Size: 64, Duration: 640}}},
		}}
		b = append(AppendPart(b, &h), bytes.Repeat([]byte{byte(i + 1)}, 94)...)
	}
	return b
}

// What AppendPart writes must mean the same to an independent reader.
func TestPartAgreesWithMP4FF(t *testing.T) {
	f, err := mp4.DecodeFile(bytes.NewReader(testFile(t)), mp4.WithDecodeMode(mp4.DecModeNormal))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.Segments); n == 0 {
		t.Fatal("no segments")
	}
	var frags []*mp4.Fragment
	for _, s := range f.Segments {
		frags = append(frags, s.Fragments...)
	}
	if len(frags) != 2 {
		t.Fatalf("%d fragments", len(frags))
	}
	trafs := frags[1].Moof.Trafs
	if got := trafs[0].Tfdt.BaseMediaDecodeTime(); got != 7200 {
		t.Errorf("video base %d", got)
	}
	want := []mp4.Sample{{Flags: flagsKey, Dur: 3600, Size: 10, CompositionTimeOffset: -3600}, {Flags: flagsDelta, Dur: 3600, Size: 20, CompositionTimeOffset: 7200}}
	if d := cmp.Diff(want, trafs[0].Trun.Samples); d != "" {
		t.Error(d)
	}
	moof := frags[1].Moof
	if got, want := trafs[1].Trun.DataOffset, int32(moof.Size())+8+30; got != want {
		t.Errorf("audio at %d, want %d", got, want)
	}
	if got := *trafs[1].Tfhd; got.DefaultSampleFlags != flagsKey {
		t.Errorf("audio flags %x", got.DefaultSampleFlags)
	}
}

// A file cut at any byte scans as its whole parts.
func TestScanEveryCut(t *testing.T) {
	b := testFile(t)
	whole, err := Scan(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(whole.Parts) != 2 || whole.Size != int64(len(b)) {
		t.Fatalf("%+v %v", whole, err)
	}
	p := whole.Parts[1]
	if p.Media != 7200 || p.Duration != 7200 || p.Wall.UnixMilli() != 1795533903203 || len(p.Keys) != 1 {
		t.Fatalf("%+v", p)
	}
	if b[p.Keys[0].Offset] != 2 || b[p.Keys[0].Offset-1] == 2 {
		t.Errorf("key at %d", p.Keys[0].Offset)
	}
	for cut := range b {
		f, err := Scan(bytes.NewReader(b[:cut]), int64(cut))
		want := 0
		for _, p := range whole.Parts {
			if p.Offset+p.Size <= int64(cut) {
				want++
			}
		}
		if (err != nil && err != ErrNoInit) || len(f.Parts) != want {
			t.Fatalf("cut at %d: %d parts, want %d (%v)", cut, len(f.Parts), want, err)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add(testFile(f))
	for range 20 {
		b := testFile(f)
		b[rand.Intn(len(b))] ^= 0xff
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, _ := Scan(bytes.NewReader(b), int64(len(b)))
		if file.Size > int64(len(b)) {
			t.Fatalf("size %d of %d bytes", file.Size, len(b))
		}
	})
}

func TestAudioTrack(t *testing.T) {
	mp3 := []byte{0xff, 0xfb, 0x90, 0xc4, 0, 0, 0, 0}
	cases := []struct {
		name    string
		unit    demux.Unit
		rate    int
		samples uint32 // of a frame of the given bytes
		frame   []byte
	}{
		{"aac", demux.Unit{Codec: demux.AAC, Config: true, Data: []byte{0x12, 0x10}}, 44100, 1024, []byte{1}},
		{"aac of 960", demux.Unit{Codec: demux.AAC, Config: true, Data: []byte{0x12, 0x14}}, 44100, 960, []byte{1}},
		{"aac garbage", demux.Unit{Codec: demux.AAC, Config: true, Data: []byte{0xff}}, 0, 0, nil},
		{"a-law", demux.Unit{Codec: demux.ALaw}, 8000, 320, make([]byte, 320)},
		{"pcm stereo", demux.Unit{Codec: demux.PCM, Rate: 16000, Channels: 2}, 16000, 80, make([]byte, 320)},
		{"mp3", demux.Unit{Codec: demux.MP3, Data: mp3}, 44100, 1152, mp3},
		{"mp3 garbage", demux.Unit{Codec: demux.MP3, Data: []byte("no")}, 0, 0, nil},
		{"opus", demux.Unit{Codec: demux.Opus, Config: true, Data: opusHead()}, 48000, 960, []byte{31 << 3}},
		{"unknown", demux.Unit{Rate: 8000}, 0, 0, nil},
		{"absurd rate", demux.Unit{Codec: demux.PCM, Rate: 1 << 30}, 0, 0, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			track, err := AudioTrack(&c.unit)
			if (err == nil) != (c.rate > 0) {
				t.Fatalf("error %v", err)
			}
			if err != nil {
				return
			}
			if track.Rate != c.rate || track.FrameSamples(c.frame) != c.samples {
				t.Errorf("rate %d, %d samples", track.Rate, track.FrameSamples(c.frame))
			}
		})
	}
}

func TestNTPTime(t *testing.T) {
	at := time.Date(2026, 11, 24, 17, 5, 3, 123456000, time.UTC)
	if got := unixTime(ntpTime(at)); !got.Equal(at) {
		t.Errorf("%v", got)
	}
	if ntpTime(time.Unix(0, 0)) != 2208988800<<32 {
		t.Error("epoch")
	}
}

func BenchmarkAppendPart(b *testing.B) {
	h := PartHeader{Wall: time.Now(), Runs: []Run{{Track: 1, Video: true, Samples: make([]Sample, 25)}, {Track: 2, Samples: make([]Sample, 43)}}}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendPart(dst[:0], &h)
	}
}
