// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/xp2p/xp2p/demux"
)

// What a movie's tables say must mean the same to an independent reader.
func TestMovieAgreesWithMP4FF(t *testing.T) {
	tracks := []Track{
		{ID: 1, Codec: demux.H264, Config: avcRecord, Width: 64, Height: 64},
		{ID: 2, Codec: demux.ALaw, Rate: 8000, Channels: 1},
	}
	type sample struct {
		at   int64
		cts  int32
		key  bool
		data []byte
	}
	rng := rand.New(rand.NewSource(1))
	m := NewMovie(tracks)
	var payload []byte
	var want [2][]sample
	next := [2]int64{9000, 400} // sound begins 50 ms before the pictures
	for part := range 40 {
		for track := range tracks {
			n := 1 + rng.Intn(5)
			base := next[track]
			if part%7 == 3 {
				base += int64(rng.Intn(5000)) // a hole
			}
			at := base
			offset := int64(len(payload))
			var list []Sample
			for i := range n {
				s := Sample{Size: uint32(1 + rng.Intn(50)), Duration: uint32(100 + 50*rng.Intn(3)), Key: track == 1 || i == 0}
				if track == 0 {
					s.CTS = int32(rng.Intn(3)-1) * 3600
				}
				data := make([]byte, s.Size)
				rng.Read(data)
				payload = append(payload, data...)
				list = append(list, s)
				want[track] = append(want[track], sample{at, s.CTS, s.Key, data})
				at += int64(s.Duration)
			}
			m.Add(track, base, list, offset)
			next[track] = at
		}
	}
	head, err := m.AppendHeader([]byte("before"), &MovieHeader{From: 120 * time.Millisecond, To: 500 * time.Millisecond, Created: time.Unix(1795533903, 0), Bytes: int64(len(payload))})
	if err != nil {
		t.Fatal(err)
	}
	f, err := mp4.DecodeFile(bytes.NewReader(append(head[len("before"):], payload...)))
	if err != nil {
		t.Fatal(err)
	}
	if d := f.Moov.Mvhd.Duration; d != 380 || f.Moov.Mvhd.CreationTime != uint64(1795533903+mp4.EpochDiffS) {
		t.Errorf("mvhd: %+v", f.Moov.Mvhd)
	}
	// The film begins at 120 ms: 20 ms into the pictures and 70 ms into the sound.
	for track, media := range []int64{120*90 - 9000, 120*8 - 400} {
		e := f.Moov.Traks[track].Edts.Elst[0].Entries
		if len(e) != 1 || e[0].MediaTime != media || e[0].SegmentDuration != 380 {
			t.Errorf("track %d: %+v, want %d", track, e, media)
		}
	}
	file := append(head[len("before"):], payload...)
	for track, list := range want {
		stbl := f.Moov.Traks[track].Mdia.Minf.Stbl
		if n := int(stbl.Stsz.SampleNumber); n != len(list) {
			t.Fatalf("track %d: %d samples, want %d", track, n, len(list))
		}
		chunks, err := stbl.Stsc.GetContainingChunks(1, uint32(len(list)))
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for c, chunk := range chunks {
			at, err := stbl.Stco.GetOffset(c + 1)
			if err != nil {
				t.Fatal(err)
			}
			for range chunk.NrSamples {
				w := &list[i]
				n := stbl.Stsz.GetSampleSize(i + 1)
				if got := file[at : at+uint64(n)]; !bytes.Equal(got, w.data) {
					t.Fatalf("track %d sample %d has other bytes", track, i)
				}
				at += uint64(n)
				dts, _ := stbl.Stts.GetDecodeTime(uint32(i + 1))
				if got := int64(dts) + list[0].at; got != w.at {
					t.Fatalf("track %d sample %d is decoded at %d, want %d", track, i, got, w.at)
				}
				if track == 0 && (stbl.Ctts.GetCompositionTimeOffset(uint32(i+1)) != w.cts || stbl.Stss.IsSyncSample(uint32(i+1)) != w.key) {
					t.Fatalf("sample %d: offset %d, want %+v", i, stbl.Ctts.GetCompositionTimeOffset(uint32(i+1)), w)
				}
				i++
			}
		}
	}
	if f.Moov.Traks[1].Mdia.Minf.Stbl.Stss != nil || f.Moov.Traks[1].Mdia.Minf.Stbl.Ctts != nil {
		t.Error("sound has tables that it needs not")
	}
}

// A track that begins later than the film waits for it.
func TestMovieEmptyEdit(t *testing.T) {
	m := NewMovie([]Track{{ID: 1, Codec: demux.H264, Config: avcRecord, Width: 64, Height: 64}, {ID: 2, Codec: demux.ALaw, Rate: 8000, Channels: 1}})
	m.Add(0, 0, []Sample{{Size: 1, Duration: 90000, Key: true}}, 0)
	m.Add(1, 2000, []Sample{{Size: 1, Duration: 6000}}, 1)
	b, err := m.AppendHeader(nil, &MovieHeader{To: time.Second, Bytes: 2})
	if err != nil {
		t.Fatal(err)
	}
	f, err := mp4.DecodeFile(bytes.NewReader(append(b, 1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	e := f.Moov.Traks[1].Edts.Elst[0].Entries
	if len(e) != 2 || e[0].MediaTime != -1 || e[0].SegmentDuration != 250 || e[1].MediaTime != 0 || e[1].SegmentDuration != 750 {
		t.Errorf("%+v", e)
	}
}

// Beyond 4 GiB, places and sizes have 64 bits, and times beyond 13 h of pictures too.
func TestMovieIsLarge(t *testing.T) {
	m := NewMovie([]Track{{ID: 1, Codec: demux.H264, Config: avcRecord, Width: 64, Height: 64}})
	const hours = 24
	for i := range int64(hours) {
		m.Add(0, i*3600*VideoTimescale, []Sample{{Size: 1 << 28, Duration: 3600 * VideoTimescale, Key: true}}, i<<28)
	}
	const bytesOfAll = hours << 28
	b, err := m.AppendHeader(nil, &MovieHeader{To: hours * time.Hour, Bytes: bytesOfAll})
	if err != nil {
		t.Fatal(err)
	}
	if tail := b[len(b)-16:]; string(tail[:8]) != "\x00\x00\x00\x01mdat" || binary.BigEndian.Uint64(tail[8:]) != 16+bytesOfAll {
		t.Errorf("mdat begins with %x", tail)
	}
	ftyp := int(binary.BigEndian.Uint32(b))
	box, err := mp4.DecodeBox(uint64(ftyp), bytes.NewReader(b[ftyp:len(b)-16]))
	if err != nil {
		t.Fatal(err)
	}
	trak := box.(*mp4.MoovBox).Trak
	if trak.Mdia.Mdhd.Duration != hours*3600*VideoTimescale || trak.Mdia.Mdhd.Duration <= math.MaxUint32 {
		t.Errorf("mdhd: %+v", trak.Mdia.Mdhd)
	}
	places := trak.Mdia.Minf.Stbl.Co64
	if places == nil || len(places.ChunkOffset) != hours || places.ChunkOffset[hours-1] != uint64(len(b))+(hours-1)<<28 {
		t.Errorf("places %+v behind %d bytes", places, len(b))
	}
}
