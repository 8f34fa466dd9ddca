package input

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// A file of 2 s, read for 3 turns, takes its time and has no seam: the picture
// times go on by 40 ms and the configuration comes with every turn.
func TestFileLoops(t *testing.T) {
	for _, kind := range []testmedia.Kind{testmedia.H264AAC, testmedia.H264ALaw, testmedia.H265Enhanced, testmedia.H264} {
		path := testmedia.FLV(t, kind, 2, testmedia.Options{})
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				r := flv.NewReader(open(t, "flv:"+path, Options{}), flv.Options{Strict: true})
				var tag flv.Tag
				var u demux.Unit
				const want = 3*2*testmedia.FrameRate - 5
				pictures, configs, last := 0, 0, time.Duration(-1)
				for pictures < want {
					if err := r.Next(&tag, &u); err != nil {
						t.Fatal(err)
					}
					if u.Kind != demux.Video {
						continue
					}
					if u.Config {
						configs++
						continue
					}
					pictures++
					step := u.DTS - last
					// The sound may be a little longer than the pictures.
					if last >= 0 && (step < 40*time.Millisecond || step > 120*time.Millisecond) {
						t.Errorf("picture %d comes %v after the one before", pictures, step)
					}
					last = u.DTS
				}
				if configs != 3 {
					t.Errorf("%d configurations in 3 turns", configs)
				}
				if took := time.Since(begin); took != last {
					t.Errorf("%v of video took %v", last, took)
				}
			})
		})
	}
}

// A reader that pauses catches up with one second at most.
func TestFilePause(t *testing.T) {
	path := testmedia.FLV(t, testmedia.H264, 4, testmedia.Options{})
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "flv:"+path, Options{})
		r := flv.NewReader(s, flv.Options{})
		var tag flv.Tag
		var u demux.Unit
		next := func() {
			if err := r.Next(&tag, &u); err != nil {
				t.Fatal(err)
			}
		}
		for u.DTS < time.Second {
			next()
		}
		time.Sleep(time.Hour)
		resumed := time.Now()
		for u.DTS < 3*time.Second {
			next()
		}
		if took := time.Since(resumed); took < time.Second {
			t.Errorf("2 s of video came within %v", took)
		}
	})
}

func TestFileClose(t *testing.T) {
	path := testmedia.FLV(t, testmedia.H264AAC, 2, testmedia.Options{})
	closeWakes(t, open(t, "flv:"+path, Options{}))
}

func TestFileErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	header := flv.AppendHeader(nil, true, true)
	for _, c := range []struct {
		path string
		err  error
		says string
	}{
		{filepath.Join(dir, "none.flv"), os.ErrNotExist, "none.flv"},
		{dir, nil, "directory"},
		{write("empty.flv", nil), nil, "empty"},
		{write("short.flv", []byte("FL")), ErrNotFLV, "FL"},
		{write("page.flv", []byte("<html>")), ErrNotFLV, "<ht"},
		{write("header.flv", header), nil, "neither picture nor sound"},
		{write("garbage.flv", append(header, strings.Repeat("garbage", 1000)...)), nil, "neither picture nor sound"},
		{write("script.flv", flv.AppendTag(header, flv.TagScript, 0, []byte{2, 0, 0})), nil, "neither picture nor sound"},
	} {
		err := refuse(t, "flv:"+c.path, Options{})
		if c.err != nil && !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v, %q", filepath.Base(c.path), err, c.err, c.says)
		}
	}
	if _, err := io.ReadFull(open(t, "flv:"+write("one.flv", oneSound(t)), Options{}), make([]byte, 100)); err != nil {
		t.Errorf("a file of one sound: %v", err)
	}
}

func oneSound(t *testing.T) []byte {
	b, err := flv.AppendUnit(flv.AppendHeader(nil, false, true),
		&demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Data: []byte{0xd5}}, flv.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
