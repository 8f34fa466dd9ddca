package testmedia_test

import (
	"io"
	"os"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// Every kind of file has the promised pictures, key frames and configurations,
// and not one damaged byte.
func TestFLV(t *testing.T) {
	const seconds = 4
	for _, kind := range testmedia.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			f, err := os.Open(testmedia.FLV(t, kind, seconds, testmedia.Options{}))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r := flv.NewReader(f, flv.Options{Strict: true})
			var tag flv.Tag
			var u demux.Unit
			pictures, keys, sounds, configs := 0, 0, 0, 0
			for {
				err := r.Next(&tag, &u)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case u.EndOfSequence:
				case u.Config:
					configs++
				case u.Kind == demux.Video:
					pictures++
					if u.Key {
						keys++
					}
				case u.Kind == demux.Audio:
					sounds++
				}
			}
			wantPictures, wantKeys := testmedia.Frames(seconds), seconds/2
			if kind == testmedia.AAC || kind == testmedia.ALaw {
				wantPictures, wantKeys = 0, 0
			}
			if pictures != wantPictures || keys != wantKeys {
				t.Errorf("%d pictures, %d key frames; want %d, %d", pictures, keys, wantPictures, wantKeys)
			}
			if (sounds > 0) != (kind != testmedia.H264) {
				t.Errorf("%d sound units", sounds)
			}
			if configs == 0 && kind != testmedia.ALaw {
				t.Error("no configuration")
			}
		})
	}
}
