package flv_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

func TestDecode(t *testing.T) {
	for _, c := range unitCases {
		t.Run(c.name, func(t *testing.T) {
			raw := unhex(c.tag)
			r := parseAll(raw)
			if len(r.Damage) > 0 || len(r.Units) != 1 || r.Rest != 0 {
				t.Fatalf("damage %v, %d units, %d bytes left", r.Damage, len(r.Units), r.Rest)
			}
			if diff := cmp.Diff(c.unit, r.Units[0], cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("unit (-want +got):\n%s", diff)
			}
			tag := r.Tags[0]
			if !bytes.Equal(tag.Raw, raw) || !bytes.Equal(tag.Payload, raw[11:len(raw)-4]) {
				t.Errorf("tag % x, payload % x", tag.Raw, tag.Payload)
			}
			unknown := uint64(0)
			if c.unit.Codec == demux.CodecUnknown && c.unit.Kind != demux.Data {
				unknown = 1
			}
			want := flv.Stats{Tags: 1, Bytes: uint64(len(raw)), UnknownCodecs: unknown}
			if r.Stats != want {
				t.Errorf("stats %+v, want %+v", r.Stats, want)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	for _, c := range unitCases {
		if c.foreign {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			got, err := flv.AppendUnit([]byte("before"), &c.unit, c.write)
			if err != nil {
				t.Fatal(err)
			}
			if want := append([]byte("before"), unhex(c.tag)...); !bytes.Equal(got, want) {
				t.Errorf("got  % x\nwant % x", got, want)
			}
		})
	}
}

// A unit that does not validate costs its own tag only.
func TestDamagedUnit(t *testing.T) {
	before, after := unhex(unitCases[1].tag), unhex(unitCases[2].tag)
	for _, c := range damageCases {
		t.Run(c.name, func(t *testing.T) {
			bad := unhex(c.tag)
			r := parseAll(join(before, bad, after))
			if len(r.Units) != 2 || len(r.Damage) != 1 {
				t.Fatalf("%d units, damage %v", len(r.Units), r.Damage)
			}
			d := r.Damage[0]
			if !errors.Is(&d, c.err) || d.Offset != uint64(len(before)) || d.Skipped != uint64(len(bad)) {
				t.Errorf("damage %+v, want %v", d, c.err)
			}
			if r.Stats.Resyncs != 1 || r.Stats.SkippedBytes != uint64(len(bad)) {
				t.Errorf("stats %+v", r.Stats)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	h264 := demux.Unit{Kind: demux.Video, Codec: demux.H264, Data: unhex("00000001 65")}
	with := func(u demux.Unit, f func(*demux.Unit)) demux.Unit { f(&u); return u }
	for _, c := range []struct {
		name string
		unit demux.Unit
		err  error
	}{
		{"no kind", demux.Unit{Codec: demux.H264}, flv.ErrCodec},
		{"unknown video", demux.Unit{Kind: demux.Video, Data: []byte{1}}, flv.ErrNALSize},
		{"audio codec as video", with(h264, func(u *demux.Unit) { u.Codec = demux.AAC }), flv.ErrCodec},
		{"video codec as audio", with(h264, func(u *demux.Unit) { u.Kind = demux.Audio }), flv.ErrCodec},
		{"negative time", with(h264, func(u *demux.Unit) { u.DTS = -ms }), flv.ErrTime},
		{"far composition time", with(h264, func(u *demux.Unit) { u.CTS = (1 << 23) * ms }), flv.ErrTime},
		{"annex B", with(h264, func(u *demux.Unit) { u.Data = unhex("00000001 6588") }), flv.ErrNALSize},
		{"nothing", with(h264, func(u *demux.Unit) { u.Data = nil }), flv.ErrShortBody},
		{"end with data", with(h264, func(u *demux.Unit) { u.EndOfSequence = true }), flv.ErrCodec},
		{"too large", demux.Unit{Kind: demux.Data, Data: make([]byte, 1<<24)}, flv.ErrTooLarge},
		{"a-law at 16 kHz", demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Rate: 16000, Data: []byte{1}}, flv.ErrRate},
		{"pcm at 48 kHz", demux.Unit{Kind: demux.Audio, Codec: demux.PCM, Rate: 48000, Data: []byte{1, 2}}, flv.ErrRate},
		{"a-law config", demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Config: true, Data: []byte{1}}, flv.ErrCodec},
		{"empty aac", demux.Unit{Kind: demux.Audio, Codec: demux.AAC}, flv.ErrShortBody},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := flv.AppendUnit([]byte("x"), &c.unit, flv.WriteOptions{})
			if !errors.Is(err, c.err) || string(got) != "x" {
				t.Errorf("appended %d bytes, %v; want %v", len(got)-1, err, c.err)
			}
		})
	}
}

// The units of every fixture, written again, are read as the same units.
func TestRoundTrip(t *testing.T) {
	for name, data := range fixtures(t) {
		for _, o := range []flv.WriteOptions{{}, {Enhanced: true}} {
			t.Run(name, func(t *testing.T) {
				want, stats, err := readAll(bytes.NewReader(data), flv.Options{Strict: true})
				if err != nil {
					t.Fatal(err)
				}
				if stats.Bytes != uint64(len(data)) {
					t.Errorf("%d of %d bytes used", stats.Bytes, len(data))
				}
				var b bytes.Buffer
				w := flv.NewWriter(&b, o)
				if err := w.WriteHeader(true, true); err != nil {
					t.Fatal(err)
				}
				for i := range want {
					if err := w.WriteUnit(&want[i]); err != nil {
						t.Fatal(err)
					}
				}
				got, _, err := readAll(&b, flv.Options{Strict: true})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("units (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// NAL lengths of 1, 2 and 3 bytes, which a configuration may announce, become 4.
func TestShortNALLengths(t *testing.T) {
	for size := 1; size <= 3; size++ {
		config := unhex("01 64001e fc e10001 67 00")
		config[4] |= byte(size - 1)
		nal := func(b ...byte) []byte { return append(append(make([]byte, size-1), byte(len(b))), b...) }
		data := join(
			flv.AppendTag(nil, flv.TagVideo, 0, join(unhex("17 00 000000"), config)),
			flv.AppendTag(nil, flv.TagVideo, 40, join(unhex("17 01 000000"), nal(9), nal(0x65, 0x88))),
			flv.AppendTag(nil, flv.TagVideo, 80, join(unhex("17 01 000000"), nal(9), nal())),
		)
		r := parseAll(data)
		if len(r.Units) != 2 || len(r.Damage) != 1 {
			t.Fatalf("%d bytes: %d units, damage %v", size, len(r.Units), r.Damage)
		}
		if got := r.Units[0].Data[4]; got != 0xff {
			t.Errorf("%d bytes: the configuration says %x", size, got)
		}
		if got, want := r.Units[1].Data, unhex("00000001 09 00000002 6588"); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: unit % x, want % x", size, got, want)
		}
	}
}
