package flv_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// FuzzParser: no panic, a bounded buffer, every byte accounted for, the same
// tags however the bytes are cut, and every unit can be written again.
func FuzzParser(f *testing.F) {
	for _, c := range unitCases {
		f.Add(unhex(c.tag), uint16(3))
	}
	for _, c := range damageCases {
		f.Add(join(unhex(c.tag), unhex(unitCases[0].tag)), uint16(5))
	}
	for _, data := range fixtures(f) {
		f.Add(data, uint16(1500))
	}
	f.Fuzz(func(t *testing.T, data []byte, piece uint16) {
		const maxTag = 1 << 16
		p := flv.NewParser(flv.Options{MaxTag: maxTag})
		r := parse(p, data, int(piece)+1)
		if got := room(p) + p.Buffered(); got > 8*maxTag {
			t.Errorf("%d bytes of buffer for tags of at most %d", got, maxTag)
		}
		if used := r.Stats.Bytes + r.Stats.SkippedBytes + uint64(r.Rest); used != uint64(len(data)) {
			t.Errorf("%d of %d bytes accounted for", used, len(data))
		}
		whole := parse(flv.NewParser(flv.Options{MaxTag: maxTag}), data)
		if !reflect.DeepEqual(whole, r) {
			t.Errorf("in pieces of %d (-whole +pieces):\n%s", int(piece)+1, cmp.Diff(whole, r, cmpopts.EquateErrors()))
		}
		for i := range r.Units {
			rewrite(t, &r.Units[i])
		}
	})
}

// rewrite writes u and reads it back.
func rewrite(t *testing.T, u *demux.Unit) {
	b, err := flv.AppendUnit(nil, u, flv.WriteOptions{Enhanced: true})
	if u.Codec == demux.CodecUnknown && u.Kind != demux.Data {
		if err == nil {
			t.Errorf("a unit of an unknown codec was written: %+v", u)
		}
		return
	}
	if err != nil {
		return // what FLV says in one dressing only, as the configuration of MP3
	}
	r := parseAll(b)
	if len(r.Units) != 1 {
		t.Fatalf("%+v, written, is read as %+v", u, r)
	}
	got := r.Units[0]
	// Times wrap on the wire, and not all dressings state rate and channels.
	got.DTS, got.Rate, got.Channels = u.DTS, u.Rate, u.Channels
	if len(u.Data) == 0 {
		got.Data = u.Data
	}
	if !reflect.DeepEqual(*u, got) {
		t.Errorf("written and read (-want +got):\n%s", cmp.Diff(*u, got))
	}
}

// FuzzMetadata: no panic, and what is read is written and read the same.
func FuzzMetadata(f *testing.F) {
	for _, data := range fixtures(f) {
		f.Add(parseAll(data).Tags[0].Payload)
	}
	f.Add(flv.AppendMetadata(nil, flv.Metadata{Width: 640, Stereo: true, Encoder: "xp2p"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := flv.ParseMetadata(data)
		if err != nil {
			return
		}
		got, err := flv.ParseMetadata(flv.AppendMetadata(nil, m))
		if err != nil {
			t.Fatal(err)
		}
		if d := got.Duration - m.Duration; d >= -1000 && d <= 1000 {
			got.Duration = m.Duration // a float64 of seconds
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
	})
}
