// SPDX-License-Identifier: LGPL-2.1-or-later

// Package testmedia makes FLV files for the tests of other packages: real
// pictures and sound, coded by ffmpeg when a test first asks for them and kept
// for the next run.
package testmedia

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/demux/flv"
)

// Kind says which codecs a file has and how FLV dresses them.
type Kind string

const (
	H264AAC      Kind = "h264-aac"
	H264ALaw     Kind = "h264-alaw"
	H264MP3      Kind = "h264-mp3"
	H264         Kind = "h264"          // no sound
	H265Legacy   Kind = "h265-legacy"   // codec id 12, AAC
	H265Enhanced Kind = "h265-enhanced" // FourCC hvc1, AAC
	AAC          Kind = "aac"           // no picture
	ALaw         Kind = "alaw"          // no picture
)

// Kinds are all of them.
var Kinds = []Kind{H264AAC, H264ALaw, H264MP3, H264, H265Legacy, H265Enhanced, AAC, ALaw}

// FrameRate of every file in pictures per second, without jitter: picture n has
// the DTS n * 40 ms after that of picture 0.
const FrameRate = 25

// Frames is how many pictures a file of that many seconds has.
func Frames(seconds int) int { return seconds * FrameRate }

// Options of a file; the zero value is 320x180 at 300 kbit/s with 2-s GOPs.
type Options struct {
	Width, Height int // pixels; 0: 320x180
	Kbits         int // video bitrate, kbit/s; 0: 300
	GOP           int // pictures from key frame to key frame; 0: 50, two seconds
	BFrames       int // pictures that are decoded out of order, 0: none
}

func (o Options) withDefaults() Options {
	if o.Width == 0 || o.Height == 0 {
		o.Width, o.Height = 320, 180
	}
	if o.Kbits == 0 {
		o.Kbits = 300
	}
	if o.GOP == 0 {
		o.GOP = 2 * FrameRate
	}
	return o
}

// install is what a machine without ffmpeg lacks.
const install = "ffmpeg is not installed: apt-get install -y ffmpeg"

// FLV returns the path of an FLV file of the given kind and length, which the
// test must not change. The test fails when it cannot be made.
func FLV(t testing.TB, kind Kind, seconds int, o Options) string {
	t.Helper()
	path, err := file(kind, seconds, o.withDefaults())
	if err != nil {
		t.Fatalf("testmedia: make %s: %v", kind, err)
	}
	return path
}

// MP4 returns the path of an MP4 file with the codecs of kind, which must be
// one that MP4 can carry (not G.711). Of H.264 kinds it has the very pictures of
// the FLV file: x264's rate control does not make the same ones twice.
func MP4(t testing.TB, kind Kind, seconds int, o Options) string {
	t.Helper()
	o = o.withDefaults()
	path, err := cached(string(kind)+".mp4", seconds, o, func(path string) error {
		if kind == H265Legacy || kind == H265Enhanced {
			return encode(path, "mp4", kind, seconds, o)
		}
		source, err := file(kind, seconds, o)
		if err != nil {
			return err
		}
		return ffmpeg("-i", source, "-c", "copy", "-f", "mp4", path)
	})
	if err != nil {
		t.Fatalf("testmedia: make %s: %v", kind, err)
	}
	return path
}

func file(kind Kind, seconds int, o Options) (string, error) {
	return cached(string(kind)+".flv", seconds, o, func(path string) error {
		switch kind {
		case H265Legacy, H265Enhanced:
			mp4 := path + ".mp4"
			defer os.Remove(mp4)
			if err := encode(mp4, "mp4", kind, seconds, o); err != nil {
				return err
			}
			return remux(path, mp4, flv.WriteOptions{Enhanced: kind == H265Enhanced})
		}
		return encode(path, "flv", kind, seconds, o)
	})
}

// recipe changes when the files made by this package change.
const recipe = 2

// cached returns the file with that name and parameters, made by build if need
// be. Test binaries run side by side, so a file appears whole or not at all.
func cached(name string, seconds int, o Options, build func(path string) error) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	dir := filepath.Join(base, "xp2p-testmedia")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	id := sha256.Sum256(fmt.Appendf(nil, "%d %s %d %+v", recipe, name, seconds, o))
	path := filepath.Join(dir, hex.EncodeToString(id[:6])+"-"+name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	tmp, err := os.CreateTemp(dir, "new-*-"+name)
	if err != nil {
		return "", err
	}
	tmp.Close()
	defer os.Remove(tmp.Name())
	if err := build(tmp.Name()); err != nil {
		return "", err
	}
	return path, os.Rename(tmp.Name(), path)
}

// encode has ffmpeg draw its test card and write it to path.
func encode(path, format string, kind Kind, seconds int, o Options) error {
	var args, codec []string
	if picture := kind != AAC && kind != ALaw; picture {
		args = append(args, "-f", "lavfi", "-i",
			fmt.Sprintf("testsrc2=size=%dx%d:rate=%d:duration=%d", o.Width, o.Height, FrameRate, seconds))
		codec = videoArgs(kind, seconds, o)
	}
	if sound := audioArgs(kind); sound != nil {
		args = append(args, "-f", "lavfi", "-i",
			fmt.Sprintf("sine=frequency=440:sample_rate=44100:duration=%d", seconds))
		codec = append(codec, sound...)
	}
	args = append(args, codec...)
	return ffmpeg(append(args, "-fflags", "+bitexact", "-flags:v", "+bitexact", "-f", format, path)...)
}

func ffmpeg(args ...string) error {
	cmd := exec.Command("ffmpeg", append([]string{"-hide_banner", "-loglevel", "error", "-nostdin", "-y"}, args...)...)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New(install)
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

func videoArgs(kind Kind, seconds int, o Options) []string {
	rate := fmt.Sprintf("%dk", o.Kbits)
	args := []string{
		"-frames:v", fmt.Sprint(Frames(seconds)), "-pix_fmt", "yuv420p", "-preset", "ultrafast",
		"-g", fmt.Sprint(o.GOP), "-bf", fmt.Sprint(o.BFrames), "-b:v", rate, "-maxrate", rate, "-bufsize", rate,
	}
	if kind == H265Legacy || kind == H265Enhanced {
		return append(args, "-c:v", "libx265", "-tag:v", "hvc1", "-x265-params",
			fmt.Sprintf("log-level=error:keyint=%d:min-keyint=%d:scenecut=0:open-gop=0:bframes=%d", o.GOP, o.GOP, o.BFrames))
	}
	return append(args, "-c:v", "libx264", "-keyint_min", fmt.Sprint(o.GOP), "-sc_threshold", "0")
}

func audioArgs(kind Kind) []string {
	switch kind {
	case H264:
		return nil
	case H264ALaw, ALaw:
		return []string{"-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"}
	case H264MP3:
		return []string{"-c:a", "libmp3lame", "-ar", "44100", "-ac", "1", "-b:a", "64k"}
	}
	return []string{"-c:a", "aac", "-ar", "44100", "-ac", "1", "-b:a", "64k"}
}
