package h26x_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/h26x"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// config is the decoder configuration that ffmpeg wrote for kind.
func config(t testing.TB, kind testmedia.Kind) demux.Unit {
	t.Helper()
	units, err := testmedia.Units(testmedia.MP4(t, kind, 1, testmedia.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(units, func(u demux.Unit) bool { return u.Kind == demux.Video && u.Config })
	return units[i]
}

var codecs = map[demux.Codec]testmedia.Kind{demux.H264: testmedia.H264AAC, demux.H265: testmedia.H265Legacy}

func TestInfo(t *testing.T) {
	for codec, kind := range codecs {
		u := config(t, kind)
		v, err := h26x.Info(codec, u.Data)
		if err != nil {
			t.Fatal(err)
		}
		if v.Width != 320 || v.Height != 180 || v.FPS != 25 || v.Profile == 0 || v.Level == 0 {
			t.Errorf("%v: %+v", codec, v)
		}
	}
	if _, err := h26x.Info(demux.AAC, nil); err == nil {
		t.Error("AAC has video info")
	}
}

// A record that is built of the parameter sets of another is read as the same.
func TestBuildAVCC(t *testing.T) {
	want, err := h26x.ParseAVCC(config(t, testmedia.H264AAC).Data)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h26x.BuildAVCC(want.SPS, want.PPS)
	if err != nil {
		t.Fatal(err)
	}
	got, err := h26x.ParseAVCC(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestBuildHVCC(t *testing.T) {
	theirs := config(t, testmedia.H265Legacy).Data
	want, err := h26x.ParseHVCC(theirs)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h26x.BuildHVCC(want.VPS, want.SPS, want.PPS)
	if err != nil {
		t.Fatal(err)
	}
	got, err := h26x.ParseHVCC(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if !bytes.Equal(b[:13], theirs[:13]) || !bytes.Equal(b[16:19], theirs[16:19]) || b[21] != theirs[21] {
		t.Errorf("head\n% x, ffmpeg's is\n% x", b[:23], theirs[:23])
	}
}

func TestRefusals(t *testing.T) {
	avc := config(t, testmedia.H264AAC).Data
	hevc := config(t, testmedia.H265Legacy).Data
	edit := func(b []byte, at int, v byte) []byte { b = bytes.Clone(b); b[at] = v; return b }
	for _, c := range []struct {
		name  string
		codec demux.Codec
		data  []byte
		err   error
	}{
		{"empty avcC", demux.H264, nil, h26x.ErrShort},
		{"avcC of version 2", demux.H264, edit(avc, 0, 2), h26x.ErrVersion},
		{"avcC without SPS", demux.H264, unhex("01 64001e ff e0 00"), h26x.ErrNoSPS},
		{"avcC with an empty SPS", demux.H264, unhex("01 64001e ff e1 0000 00"), h26x.ErrNoSPS},
		{"avcC with too many SPS", demux.H264, edit(avc, 5, 0xff), h26x.ErrShort},
		{"avcC with a PPS as SPS", demux.H264, unhex("01 64001e ff e1 0004 68ee3cb0 00"), h26x.ErrSPS},
		{"huge avcC", demux.H264, append(bytes.Clone(avc), make([]byte, 1<<20)...), h26x.ErrLimit},
		{"huge SPS", demux.H264, slices.Concat(unhex("01 64001e ff e1 4e20 67"), make([]byte, 20000)), h26x.ErrLimit},
		{"empty hvcC", demux.H265, nil, h26x.ErrShort},
		{"hvcC of version 2", demux.H265, edit(hevc, 0, 2), h26x.ErrVersion},
		{"hvcC without arrays", demux.H265, edit(hevc, 22, 0)[:23], h26x.ErrNoSPS},
		{"cut hvcC", demux.H265, hevc[:30], h26x.ErrShort},
		{"hvcC of 65535 empty SPS", demux.H265, slices.Concat(hevc[:22], unhex("01 21 ffff"), make([]byte, 60000)), h26x.ErrShort},
		{"hvcC of 300 SPS", demux.H265, slices.Concat(hevc[:22], unhex("01 21 012c"), bytes.Repeat(unhex("0001 42"), 300)), h26x.ErrLimit},
	} {
		if _, err := h26x.Info(c.codec, c.data); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
	if _, err := h26x.BuildAVCC(nil, nil); !errors.Is(err, h26x.ErrNoSPS) {
		t.Errorf("avcC of nothing: %v", err)
	}
	if _, err := h26x.BuildHVCC(nil, nil, nil); !errors.Is(err, h26x.ErrNoVPS) {
		t.Errorf("hvcC of nothing: %v", err)
	}
}

func TestDelimiters(t *testing.T) {
	for _, c := range []struct {
		name, stream, unit string
	}{
		{"one NAL unit", "00000001 6588", "00000002 6588"},
		{"three bytes of start code", "000001 09 000001 6588", "00000001 09 00000002 6588"},
		{"zeros around", "0000000001 0910 0000 000001 65 0000", "00000002 0910 00000001 65"},
		{"bytes before", "ff 000001 65", "00000001 65"},
		{"nothing between", "000001 000001 65", "00000001 65"},
	} {
		got, err := h26x.AppendLengths(nil, unhex(c.stream))
		if want := unhex(c.unit); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: % x, %v; want % x", c.name, got, err, want)
		}
		stream, err := h26x.AppendAnnexB(nil, got)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if again, err := h26x.AppendLengths(nil, stream); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%s: back and forth: % x, %v", c.name, again, err)
		}
	}
	for _, bad := range []string{"", "65", "0000", "000001"} {
		if got, err := h26x.AppendLengths(nil, unhex(bad)); err == nil {
			t.Errorf("stream %s: % x", bad, got)
		}
	}
	for _, bad := range []string{"", "65", "00000000", "00000002 65", "00000001 65 00"} {
		if got, err := h26x.AppendAnnexB(nil, unhex(bad)); err == nil || len(got) > 0 {
			t.Errorf("unit %s: % x", bad, got)
		}
	}
}

// The flags of real access units agree with their NAL units.
func TestIsKey(t *testing.T) {
	for codec, kind := range codecs {
		units, err := testmedia.Units(testmedia.MP4(t, kind, 1, testmedia.Options{GOP: 5}))
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range units {
			if u.Kind != demux.Video || u.Config {
				continue
			}
			key := false
			for n := range h26x.NALs(u.Data) {
				key = key || h26x.IsKey(codec, n)
			}
			if key != u.Key {
				t.Errorf("%v at %v: %v, want %v", codec, u.DTS, key, u.Key)
			}
		}
	}
}

func FuzzAVCC(f *testing.F) {
	f.Add(config(f, testmedia.H264AAC).Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := h26x.ParseAVCC(data)
		if err != nil {
			return
		}
		h26x.Info(demux.H264, data)
		b, err := h26x.BuildAVCC(c.SPS, c.PPS)
		if err != nil {
			return
		}
		again, err := h26x.ParseAVCC(b)
		if err != nil || !cmp.Equal(c.SPS, again.SPS) || !cmp.Equal(c.PPS, again.PPS) {
			t.Errorf("built and read: %+v, %v; want %+v", again, err, c)
		}
	})
}

func FuzzHVCC(f *testing.F) {
	f.Add(config(f, testmedia.H265Legacy).Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := h26x.ParseHVCC(data)
		if err != nil {
			return
		}
		h26x.Info(demux.H265, data)
		b, err := h26x.BuildHVCC(c.VPS, c.SPS, c.PPS)
		if err != nil {
			return
		}
		again, err := h26x.ParseHVCC(b)
		if err != nil || !cmp.Equal(c.SPS, again.SPS) || !cmp.Equal(c.VPS, again.VPS) || !cmp.Equal(c.PPS, again.PPS) {
			t.Errorf("built and read: %+v, %v; want %+v", again, err, c)
		}
	})
}

func FuzzAnnexB(f *testing.F) {
	f.Add(unhex("00000001 09 000001 6588 00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		unit, err := h26x.AppendLengths(nil, data)
		if err != nil {
			return
		}
		if len(unit) > 2*len(data) {
			t.Errorf("%d bytes became %d", len(data), len(unit))
		}
		stream, err := h26x.AppendAnnexB(nil, unit)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := h26x.AppendLengths(nil, stream); err != nil || !bytes.Equal(again, unit) {
			t.Errorf("back and forth: % x, %v; want % x", again, err, unit)
		}
	})
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		panic(err)
	}
	return b
}
