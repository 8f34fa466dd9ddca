package flv_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// stream is a header and n A-law tags of 100 bytes and 20 ms; their first bytes
// of sound count up. size is what each tag says as its PreviousTagSize.
func stream(n int, size uint32) []byte {
	b := flv.AppendHeader(nil, false, true)
	for i := range n {
		b = append(b, alaw(i, size)...)
	}
	return b
}

func alaw(i int, size uint32) []byte {
	b := flv.AppendTag(nil, flv.TagAudio, uint32(20*i), append([]byte{0x72, byte(i)}, make([]byte, 98)...))
	end := len(b) - 4
	b[end], b[end+1], b[end+2], b[end+3] = byte(size>>24), byte(size>>16), byte(size>>8), byte(size)
	return b
}

const (
	streamHead = 13
	alawTag    = 100 + 15
)

// numbers are the counts that the tags of stream carry.
func numbers(units []demux.Unit) (n []int) {
	for _, u := range units {
		n = append(n, int(u.Data[0]))
	}
	return n
}

func TestResync(t *testing.T) {
	garbage := bytes.Repeat([]byte("\x08garbage\x09\x12\x00\x00"), 50)
	huge := unhex("09 ffffff 000000 00 000000")
	for _, size := range []uint32{111, 0, 100} {
		whole := stream(8, size)
		cut := func(from, to int) []byte { return join(whole[:from], whole[to:]) }
		tag := func(i int) int { return streamHead + i*alawTag }
		all := []int{0, 1, 2, 3, 4, 5, 6, 7}
		for _, c := range []struct {
			name    string
			data    []byte
			want    []int
			skipped uint64
		}{
			{"whole", whole, all, 0},
			{"no header", whole[streamHead:], all, 0},
			{"joined inside a tag", whole[tag(2)+30:], all[3:], alawTag - 30},
			{"garbage first", join(garbage, whole[streamHead:]), all, uint64(len(garbage))},
			{"garbage between tags", join(whole[:tag(3)], garbage, whole[tag(3):]), all, uint64(len(garbage))},
			{"garbage inside a tag", join(whole[:tag(3)+20], garbage, whole[tag(3)+20:]),
				[]int{0, 1, 2, 4, 5, 6, 7}, uint64(len(garbage)) + alawTag},
			{"bytes lost inside a tag", cut(tag(3)+20, tag(3)+40), []int{0, 1, 2, 4, 5, 6, 7}, alawTag - 20},
			{"bytes lost across tags", cut(tag(2)+20, tag(4)+40), []int{0, 1, 5, 6, 7}, 20 + alawTag - 40},
			{"a size of 16 MB", join(whole[:tag(3)], huge, whole[tag(3):]), all, uint64(len(huge))},
			{"a second header", join(whole[:tag(3)], whole[:streamHead], whole[tag(3):]), all, 0},
		} {
			t.Run(fmt.Sprintf("%s, PreviousTagSize %d", c.name, size), func(t *testing.T) {
				r := parseAll(c.data)
				if size != 111 && len(r.Damage) > 0 {
					// Where no PreviousTagSize is as specified, a broken tag can
					// end in bytes that pass for one, and swallow the next.
					// All that follow are whole.
					got, want := numbers(r.Units), c.want
					if len(got) < len(want)-1 || got[len(got)-1] != 7 {
						t.Fatalf("tags %v, want %v", got, want)
					}
					return
				}
				if diff := cmp.Diff(c.want, numbers(r.Units)); diff != "" {
					t.Errorf("tags (-want +got):\n%s", diff)
				}
				if r.Stats.SkippedBytes != c.skipped {
					t.Errorf("skipped %d bytes, want %d", r.Stats.SkippedBytes, c.skipped)
				}
				wantDamage := 0
				if c.skipped > 0 {
					wantDamage = 1
				}
				if len(r.Damage) != wantDamage || r.Stats.Resyncs != uint64(wantDamage) {
					t.Errorf("damage %v, %d resyncs", r.Damage, r.Stats.Resyncs)
				}
				if used := r.Stats.Bytes + r.Stats.SkippedBytes + uint64(r.Rest); used != uint64(len(c.data)) {
					t.Errorf("%d of %d bytes accounted for", used, len(c.data))
				}
			})
		}
	}
}

// Random damage to real files: the parser accounts for every byte, finds most
// tags again, and finds the same ones however the bytes arrive.
func TestRandomDamage(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, clean := range fixtures(t) {
		whole := parseAll(clean)
		for range 40 {
			data := bytes.Clone(clean)
			for range 1 + rnd.IntN(3) {
				at := rnd.IntN(len(data) - 100)
				switch rnd.IntN(3) {
				case 0:
					data[at] ^= byte(1 + rnd.IntN(255))
				case 1:
					data = append(data[:at], data[at+1+rnd.IntN(99):]...)
				case 2:
					noise := make([]byte, 1+rnd.IntN(500))
					for i := range noise {
						noise[i] = byte(rnd.Uint32())
					}
					data = join(data[:at], noise, data[at:])
				}
			}
			r := parseAll(data)
			if used := r.Stats.Bytes + r.Stats.SkippedBytes + uint64(r.Rest); used != uint64(len(data)) {
				t.Errorf("%s: %d of %d bytes accounted for", name, used, len(data))
			}
			if len(r.Units) < len(whole.Units)/4 && r.Rest == 0 {
				t.Errorf("%s: %d of %d units left", name, len(r.Units), len(whole.Units))
			}
			pieces := parseAll(data, 1+rnd.IntN(7), 1+rnd.IntN(3000), 1)
			if !reflect.DeepEqual(r, pieces) {
				t.Fatalf("%s: in pieces (-whole +pieces):\n%s", name, cmp.Diff(r, pieces, cmpopts.EquateErrors()))
			}
		}
	}
}

func TestReaderEnds(t *testing.T) {
	whole := stream(3, 111)
	broken := errors.New("connection reset")
	for _, c := range []struct {
		name  string
		r     io.Reader
		units int
		err   error
	}{
		{"between tags", bytes.NewReader(whole), 3, nil},
		{"nothing at all", bytes.NewReader(nil), 0, nil},
		{"byte by byte", iotest.OneByteReader(bytes.NewReader(whole)), 3, nil},
		{"data with the error", iotest.DataErrReader(bytes.NewReader(whole)), 3, nil},
		{"inside a tag", bytes.NewReader(whole[:len(whole)-1]), 2, io.ErrUnexpectedEOF},
		{"inside garbage", bytes.NewReader(append(bytes.Clone(whole), "garbage"...)), 3, io.ErrUnexpectedEOF},
		{"inside the header", bytes.NewReader(whole[:5]), 0, io.ErrUnexpectedEOF},
		{"source fails", io.MultiReader(bytes.NewReader(whole), iotest.ErrReader(broken)), 3, broken},
		{"source gives nothing", stuck{}, 0, io.ErrNoProgress},
	} {
		t.Run(c.name, func(t *testing.T) {
			units, _, err := readAll(c.r, flv.Options{})
			if len(units) != c.units || !errors.Is(err, c.err) {
				t.Errorf("%d units, %v; want %d, %v", len(units), err, c.units, c.err)
			}
		})
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestReaderStrict(t *testing.T) {
	data := join(stream(1, 111), []byte("garbage"), alaw(1, 111))
	_, _, err := readAll(bytes.NewReader(data), flv.Options{Strict: true})
	var damage *flv.DamageError
	if !errors.As(err, &damage) || damage.Skipped != 7 || damage.Offset != streamHead+alawTag {
		t.Errorf("strict: %v", err)
	}
	units, stats, err := readAll(bytes.NewReader(data), flv.Options{})
	if err != nil || len(units) != 2 || stats.Resyncs != 1 {
		t.Errorf("lenient: %d units, %+v, %v", len(units), stats, err)
	}
}
