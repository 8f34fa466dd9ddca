package flv_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xp2p/xp2p/demux/flv"
)

func TestMetadataRoundTrip(t *testing.T) {
	for _, want := range []flv.Metadata{
		{},
		{Width: 1920, Height: 1080, FrameRate: 29.97, VideoCodec: 7, AudioCodec: 10},
		{
			Duration: 1500 * time.Millisecond, Width: 640, Height: 360, FrameRate: 25, VideoBitrate: 1000, AudioBitrate: 64,
			VideoCodec: 0x68766331, AudioCodec: 7, AudioRate: 8000, Stereo: true, Encoder: "xp2p",
		},
	} {
		got, err := flv.ParseMetadata(flv.AppendMetadata(nil, want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
	}
}

func TestMetadataOfFixtures(t *testing.T) {
	for name, data := range fixtures(t) {
		r := parseAll(data)
		if r.Tags[0].Type != flv.TagScript {
			t.Errorf("%s begins with a tag of type %v", name, r.Tags[0].Type)
			continue
		}
		m, err := flv.ParseMetadata(r.Tags[0].Payload)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if (m.Width != 128 || m.Height != 96 || m.FrameRate != 25 || m.VideoCodec != 7) && m.VideoCodec != 0 {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestMetadataForms(t *testing.T) {
	const (
		name  = "02 000a 6f6e4d65746144617461"
		width = "0005 7769647468 00 4084000000000000" // 640
	)
	nested := func(n int) []byte {
		b := unhex(name + "08 00000001")
		for range n {
			b = append(b, unhex("0001 61 03")...)
		}
		return b
	}
	many := unhex(name + "08 00000001 0001 61 0a ffffffff")
	many = append(many, bytes.Repeat([]byte{5}, 10000)...)

	for _, c := range []struct {
		name  string
		data  []byte
		width int
		ok    bool
	}{
		{"array", unhex(name + "08 00000001" + width + "000009"), 640, true},
		{"object", unhex(name + "03" + width + "000009"), 640, true},
		{"no end marker", unhex(name + "08 00000001" + width), 640, true},
		{"behind @setDataFrame", unhex("02 000d 40736574446174614672616d65" + name + "03" + width + "000009"), 640, true},
		{"wrong count", unhex(name + "08 ffffffff" + width + "000009"), 640, true},
		{"values of every type", unhex(name + "08 00000000" +
			"0001 61 01 01" + "0001 61 02 0001 62" + "0001 61 03 0001 62 05 000009" + "0001 61 06" + "0001 61 07 0000" +
			"0001 61 08 00000001 0001 62 05 000009" + "0001 61 0a 00000002 05 05" + "0001 61 0b 0000000000000000 0000" +
			"0001 61 0c 00000001 62" + width + "000009"), 640, true},
		{"impossible width", unhex(name + "03 0005 7769647468 00 7ff8000000000000"), 0, true},
		{"negative width", unhex(name + "03 0005 7769647468 00 c084000000000000"), 0, true},
		{"empty", nil, 0, false},
		{"another name", unhex("02 0001 61 03 000009"), 0, false},
		{"no properties", unhex(name + "05"), 0, false},
		{"cut", unhex(name + "03" + width)[:25], 0, false},
		{"unknown type", unhex(name + "03 0001 61 42"), 0, false},
		{"long string of 4 GB", unhex(name + "03 0001 61 0c ffffffff 62"), 0, false},
		{"nested too deep", nested(1000), 0, false},
		{"too many values", many, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := flv.ParseMetadata(c.data)
			if (err == nil) != c.ok || m.Width != c.width {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
	if _, err := flv.ParseMetadata(unhex("02 0001 61 03 000009")); !errors.Is(err, flv.ErrNotMetadata) {
		t.Errorf("other script data: %v", err)
	}
}
