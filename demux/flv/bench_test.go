package flv_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	codec "github.com/yapingcat/gomedia/go-codec"
	goflv "github.com/yapingcat/gomedia/go-flv"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// camera is what a camera of 2 Mbit/s sends in 2 s: 25 pictures a second, the
// first of them 80 kB, and AAC. Its bytes are ours, so that they may be given to
// a reader that trusts them.
func camera(b *testing.B) (data []byte, tags int) {
	data = flv.AppendHeader(nil, true, true)
	add := func(u demux.Unit) {
		var err error
		if data, err = flv.AppendUnit(data, &u, flv.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
		tags++
	}
	first := parseAll(fixture(b, "h264_aac.flv")).Units
	for _, u := range first {
		if u.Config {
			add(u)
		}
	}
	nal := func(head byte, n int) []byte {
		unit := append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, make([]byte, n)...)
		for i := range unit[4:] {
			unit[4+i] = byte(i)*7 | 1
		}
		unit[4] = head
		return unit
	}
	key, inter, sound := nal(0x65, 80_000), nal(0x41, 8_500), nal(0x21, 180)[4:]
	for i := range 50 {
		u := demux.Unit{Kind: demux.Video, Codec: demux.H264, DTS: time.Duration(40*i) * ms, Data: inter}
		if i == 0 {
			u.Key, u.Data = true, key
		}
		add(u)
		for range 1 + i%2 {
			add(demux.Unit{Kind: demux.Audio, Codec: demux.AAC, Key: true, DTS: u.DTS, Data: sound})
		}
	}
	return data, tags
}

// piece is how much one read from the network brings.
const piece = 16 << 10

// BenchmarkParser takes the stream of a camera from pieces as a socket gives
// them to validated units; the bytes are warm in the cache. gomedia's reader
// trusts its input, and does more than ours: it gives copies in Annex B form,
// and it cannot go on behind the end, so each turn makes a new one.
func BenchmarkParser(b *testing.B) {
	data, tags := camera(b)
	perTag := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*tags), "ns/tag")
	}
	b.Run("xp2p", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		p := flv.NewParser(flv.Options{})
		var t flv.Tag
		var u demux.Unit
		for b.Loop() {
			for at := 0; at < len(data); {
				n := copy(p.Space(piece)[:piece], data[at:])
				p.Filled(n)
				at += n
				for p.Next(&t, &u) == nil {
				}
			}
		}
		if s := p.Stats(); s.Resyncs > 0 || s.Tags != uint64(b.N*tags) {
			b.Fatalf("%+v", s)
		}
		perTag(b)
	})
	b.Run("gomedia", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		frames := 0
		for b.Loop() {
			r := goflv.CreateFlvReader()
			r.OnFrame = func(codec.CodecID, []byte, uint32, uint32) { frames++ }
			for at := 0; at < len(data); at += piece {
				if err := r.Input(data[at:min(at+piece, len(data))]); err != nil {
					b.Fatal(err)
				}
			}
		}
		if frames == 0 {
			b.Fatal("no frames")
		}
		perTag(b)
	})
}

// BenchmarkHunt is the cost of bytes that hold no tag, the worst of them.
func BenchmarkHunt(b *testing.B) {
	for name, garbage := range map[string][]byte{
		"noise":  noise(1 << 20),
		"zeros":  make([]byte, 1<<20),
		"claims": repeat("00000000 09 3fffff 000000 00 000000 0000000c", 1<<20),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(garbage)))
			p := flv.NewParser(flv.Options{})
			var t flv.Tag
			var u demux.Unit
			for b.Loop() {
				for at := 0; at < len(garbage); {
					n := copy(p.Space(piece)[:piece], garbage[at:])
					p.Filled(n)
					at += n
					for p.Next(&t, &u) != flv.ErrNeedMore {
					}
				}
			}
		})
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func repeat(hex string, n int) []byte {
	b := unhex(hex)
	return bytes.Repeat(b, n/len(b))
}

func BenchmarkAppendUnit(b *testing.B) {
	u := parseAll(fixture(b, "h264_aac.flv")).Units[3]
	b.ReportAllocs()
	var dst []byte
	var err error
	for b.Loop() {
		if dst, err = flv.AppendUnit(dst[:0], &u, flv.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
