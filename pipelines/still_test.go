// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/fmp4"
	"github.com/xp2p/xp2p/internal/testmedia"
)

func still(t testing.TB) *Still {
	t.Helper()
	s, err := NewStill()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mp4Of is a fragmented MP4 of the first picture of a kind of media.
func mp4Of(t testing.TB, kind testmedia.Kind) []byte {
	t.Helper()
	f, err := os.Open(testmedia.FLV(t, kind, 2, testmedia.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	track := fmp4.Track{ID: 1, Width: 320, Height: 180}
	r := flv.NewReader(f, flv.Options{})
	for {
		var tag flv.Tag
		var u demux.Unit
		if err := r.Next(&tag, &u); err != nil {
			t.Fatal(err)
		}
		switch {
		case u.Kind == demux.Video && u.Config:
			track.Codec, track.Config = u.Codec, bytes.Clone(u.Data)
		case u.Kind == demux.Video && u.Key:
			b, err := fmp4.AppendInit(nil, []fmp4.Track{track})
			if err != nil {
				t.Fatal(err)
			}
			b = fmp4.AppendPart(b, &fmp4.PartHeader{Sequence: 1, Runs: []fmp4.Run{{Track: 1, Video: true, Bytes: len(u.Data),
				Samples: []fmp4.Sample{{Size: uint32(len(u.Data)), Duration: 3600, Key: true}}}}})
			return append(b, u.Data...)
		}
	}
}

// patient bounds a child that does not end.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestStill(t *testing.T) {
	for _, kind := range []testmedia.Kind{testmedia.H264, testmedia.H265Enhanced} {
		b, err := still(t).JPEG(patient(t), mp4Of(t, kind), 160)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		c, err := jpeg.DecodeConfig(bytes.NewReader(b))
		if err != nil || c.Width != 160 || c.Height != 90 {
			t.Errorf("%s: %+v, %v", kind, c, err)
		}
	}
}

func TestStillOfGarbage(t *testing.T) {
	for name, b := range map[string][]byte{"nothing": nil, "noise": bytes.Repeat([]byte("xp2p"), 10_000), "half": mp4Of(t, testmedia.H264)[:800]} {
		if jpeg, err := still(t).JPEG(patient(t), b, 160); err == nil || !strings.Contains(err.Error(), "GStreamer") {
			t.Errorf("%s: %d bytes, %v", name, len(jpeg), err)
		}
	}
}

// A picture that takes too long is given up, and its process is gone.
func TestStillEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := still(t).JPEG(ctx, mp4Of(t, testmedia.H264), 160); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func BenchmarkStill(b *testing.B) {
	s, mp4, ctx := still(b), mp4Of(b, testmedia.H264), patient(b)
	for b.Loop() {
		if _, err := s.JPEG(ctx, mp4, 240); err != nil {
			b.Fatal(err)
		}
	}
}
