// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/g711"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// ffmpegAAC is an encoder for tests, which are not to need GStreamer.
type ffmpegAAC struct{ program string }

func (f ffmpegAAC) EncodeAAC(ctx context.Context, rate, channels int, pcm io.Reader, adts io.Writer) (int, error) {
	cmd := exec.CommandContext(ctx, f.program, "-v", "error", "-f", "s16le", "-ar", fmt.Sprint(rate), "-ac", fmt.Sprint(channels), "-i", "-", "-c:a", "aac", "-b:a", "32k", "-f", "adts", "-")
	cmd.Stdin, cmd.Stdout = pcm, adts
	return 1024, cmd.Run()
}

// talking are pictures with G.711 whose samples tone gives, by the time since the
// beginning in samples; silent: no sound is sent there.
func talking(t *testing.T, codec demux.Codec, seconds int, tone func(n int) int16, silent func(d time.Duration) bool) (list []demux.Unit) {
	t.Helper()
	const length = 320 // 40 ms
	n := 0
	for _, u := range media(t, testmedia.H264, seconds, testmedia.Options{GOP: 25}) {
		list = append(list, u)
		if u.Kind != demux.Video || u.Config || u.EndOfSequence {
			continue
		}
		pcm := make([]byte, 0, 2*length)
		for i := range length {
			pcm = binary.LittleEndian.AppendUint16(pcm, uint16(tone(n+i)))
		}
		n += length
		law := g711.ALaw
		if codec == demux.MuLaw {
			law = g711.MuLaw
		}
		if !silent(u.DTS) {
			list = append(list, demux.Unit{Kind: demux.Audio, Codec: codec, Key: true, DTS: u.DTS, Rate: 8000, Channels: 1, Data: law.Encode(nil, pcm)})
		}
	}
	return list
}

// heard is what ffmpeg plays of a file's sound, from the film's first instant on.
func heard(t *testing.T, file string) []int16 {
	t.Helper()
	// aresample fills what is missing at the beginning, as a player does.
	out, err := exec.Command(tool(t, "ffmpeg"), "-v", "error", "-i", file, "-map", "0:a", "-af", "aresample=async=1:first_pts=0", "-f", "s16le", "-ac", "1", "-ar", "8000", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	list := make([]int16, len(out)/2)
	for i := range list {
		list[i] = int16(binary.LittleEndian.Uint16(out[2*i:]))
	}
	return list
}

// loudness is the root mean square, and crossings how often the sign changes per second.
func loudness(list []int16) (rms, crossings float64) {
	for i, v := range list {
		rms += float64(v) * float64(v)
		if i > 0 && (v >= 0) != (list[i-1] >= 0) {
			crossings++
		}
	}
	return math.Sqrt(rms / float64(len(list))), crossings * 8000 / float64(len(list))
}

// A tone of 500 Hz in every second second: where it begins and ends tells how far sound
// is from the pictures.
func beeps(n int) int16 {
	if n/8000%2 == 0 {
		return 0
	}
	return int16(8000 * math.Sin(2*math.Pi*500*float64(n)/8000))
}

// onsets are where a tone begins behind silence.
func onsets(list []int16) (at []int) {
	quiet := 4000
	for i, v := range list {
		if v > 1500 || v < -1500 {
			if quiet >= 4000 {
				at = append(at, i)
			}
			quiet = 0
		} else {
			quiet++
		}
	}
	return at
}

// G.711 becomes AAC that is as long, as loud and as high, and in step with the pictures:
// behind a hole in the sound, a gap of the recording, and where an exact export begins.
func TestExportAAC(t *testing.T) {
	for _, codec := range []demux.Codec{demux.ALaw, demux.MuLaw} {
		t.Run(codec.String(), func(t *testing.T) {
			clock := newSimulated()
			a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 3 * time.Second}}, Now: clock.now, settle: -1, AAC: ffmpegAAC{tool(t, "ffmpeg")}})
			c := camera(t, a, "cam")
			r := c.StartRun()
			play(t, r, clock, talking(t, codec, 12, beeps, func(d time.Duration) bool { return d >= 3200*time.Millisecond && d < 4400*time.Millisecond }))
			r.Close(CauseLink)
			clock.add(5 * time.Second)
			r = c.StartRun()
			play(t, r, clock, talking(t, codec, 6, beeps, func(time.Duration) bool { return false }))
			r.Close(CauseRestart)
			flush(t, a)
			begin := list(t, a, "cam")[0].Start
			for _, x := range []struct {
				name     string
				from, to time.Duration
				exact    bool
				onsets   []float64 // s
				length   float64
				whole    int // which tone is measured: one of a second
			}{
				{"everything", -time.Hour, time.Hour, false, []float64{1, 3, 5, 7, 9, 11, 13, 15, 17}, 18, 0},
				{"exact", 2400 * time.Millisecond, 9600 * time.Millisecond, true, []float64{0.6, 2.6, 4.6, 6.6}, 7.2, 1},
				{"over the gap", 10 * time.Second, 19500 * time.Millisecond, true, []float64{1, 3}, 4.5, 1},
			} {
				t.Run(x.name, func(t *testing.T) {
					dir := t.TempDir()
					file := filepath.Join(dir, "clip.mp4")
					got, err := a.Export(t.Context(), ExportRequest{Camera: "cam", From: begin.Add(x.from), To: begin.Add(x.to), Exact: x.exact, AAC: true, Path: file})
					if err != nil {
						t.Fatal(err)
					}
					decodes(t, file)
					if names := left(t, dir); len(names) != 1 || len(got) != 1 {
						t.Errorf("left %v, files %+v", names, got)
					}
					for _, p := range probe(t, file) {
						if p.Type == "audio" && p.Codec != "aac" {
							t.Errorf("%+v", p)
						}
					}
					sound := heard(t, file)
					if d := float64(len(sound)) / 8000; math.Abs(d-x.length) > 0.15 || math.Abs(got[0].Duration.Seconds()-x.length) > 0.15 {
						t.Errorf("sound of %.3f s, film of %v, want %.3f", d, got[0].Duration, x.length)
					}
					at := onsets(sound)
					if len(at) != len(x.onsets) {
						t.Fatalf("tones begin at %v, want %v s", at, x.onsets)
					}
					for i, want := range x.onsets {
						if is := float64(at[i]) / 8000; math.Abs(is-want) > 0.06 { // a picture is 40 ms
							t.Errorf("tone %d begins at %.3f s, want %.3f", i, is, want)
						}
					}
					first := at[x.whole]
					rms, crossings := loudness(sound[first+800 : first+4800])
					if math.Abs(rms/(8000/math.Sqrt2)-1) > 0.1 || math.Abs(crossings-1000) > 20 {
						t.Errorf("loudness %.0f, %.0f crossings, want %.0f and 1000", rms, crossings, 8000/math.Sqrt2)
					}
				})
			}
		})
	}
}

// What is broken off goes on and is the same in the end; the manifest holds and says that
// the sound was converted.
func TestExportAACGoesOn(t *testing.T) {
	clock := newSimulated()
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 3 * time.Second}}, Now: clock.now, settle: -1, AAC: ffmpegAAC{tool(t, "ffmpeg")}})
	r := camera(t, a, "cam").StartRun()
	play(t, r, clock, talking(t, demux.ALaw, 10, beeps, func(time.Duration) bool { return false }))
	r.Close(CauseRestart)
	flush(t, a)
	key, err := LoadSigningKey(filepath.Join(t.TempDir(), "key"))
	must(t, err)
	whole := everything(filepath.Join(t.TempDir(), "clip.mp4"))
	whole.AAC, whole.Sum = true, true
	want, err := a.Export(t.Context(), whole)
	must(t, err)
	dir := t.TempDir()
	again := everything(filepath.Join(dir, "clip.mp4"))
	again.AAC, again.Sign = true, key
	again.Path = filepath.Join(dir, "clip.mp4")
	brokenOff(t, a, again, 8)
	wrote := int64(-1)
	again.Progress = func(done, _ int64) {
		if wrote < 0 {
			wrote = done
		}
	}
	got, err := a.Export(t.Context(), again)
	must(t, err)
	head, err := os.ReadFile(whole.Path)
	must(t, err)
	if got[0].SHA256 != want[0].SHA256 || wrote <= int64(bytes.Index(head, []byte("mdat"))) {
		t.Errorf("%+v, want %+v; it began with %d bytes", got, want, wrote)
	}
	m, _, err := VerifyManifest(t.Context(), again.Path+ManifestSuffix, nil)
	if err != nil || !m.AAC {
		t.Errorf("%+v, %v", m, err)
	}
	if names := left(t, dir); !slices.Equal(names, []string{"clip.mp4", "clip.mp4.manifest.json"}) {
		t.Errorf("left %v", names)
	}
}

// encoderFunc is an encoder that is a function.
type encoderFunc func(pcm io.Reader, adts io.Writer) (int, error)

func (f encoderFunc) EncodeAAC(_ context.Context, _, _ int, pcm io.Reader, adts io.Writer) (int, error) {
	return f(pcm, adts)
}

// Encoders that fail, give nothing or garbage end the export, with what they said, and
// nothing of it is left.
func TestExportAACFails(t *testing.T) {
	errNone := errors.New("apt-get install an encoder")
	endless := func(_ io.Reader, w io.Writer) (int, error) {
		frame := []byte{0xff, 0xf1, 0x6c, 0x40, 0x01, 0x1f, 0xfc, 0}
		for {
			if _, err := w.Write(frame); err != nil {
				return 0, err
			}
		}
	}
	for name, c := range map[string]struct {
		enc  AACEncoder
		want error
	}{
		"none":          {nil, ErrNoAAC},
		"it fails":      {encoderFunc(func(io.Reader, io.Writer) (int, error) { return 0, errNone }), errNone},
		"no frames":     {encoderFunc(func(r io.Reader, _ io.Writer) (int, error) { _, err := io.Copy(io.Discard, r); return 0, err }), nil},
		"garbage":       {encoderFunc(func(_ io.Reader, w io.Writer) (int, error) { return w.Write([]byte("not AAC at all")) }), errADTS},
		"it never ends": {encoderFunc(endless), errADTS},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newSimulated()
			a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 3 * time.Second}}, Now: clock.now, settle: -1, AAC: c.enc})
			r := camera(t, a, "cam").StartRun()
			play(t, r, clock, media(t, testmedia.H264ALaw, 4, testmedia.Options{}))
			r.Close(CauseRestart)
			flush(t, a)
			dir := t.TempDir()
			x := everything(filepath.Join(dir, "clip.mp4"))
			x.AAC = true
			if _, err := a.Export(t.Context(), x); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if names := left(t, dir); len(names) > 0 {
				t.Errorf("left %v", names)
			}
			// Other sound needs no encoder.
			x.AAC = false
			if _, err := a.Export(t.Context(), x); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzADTS(f *testing.F) {
	f.Add([]byte{0xff, 0xf1, 0x6c, 0x40, 0x01, 0x1f, 0xfc, 0})
	f.Add([]byte{0xff, 0xf0, 0x6c, 0x40, 0x01, 0x5f, 0xfc, 0, 0, 0})
	f.Add([]byte("not AAC at all"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newADTSReader(bytes.NewReader(b))
		total := 0
		for {
			frame, err := r.next()
			if err != nil {
				if err != io.EOF && !errors.Is(err, errADTS) {
					t.Fatal(err)
				}
				return
			}
			if total += len(frame) + adtsHeader; len(frame) == 0 || total > len(b) {
				t.Fatalf("%d bytes of %d", total, len(b))
			}
		}
	})
}

// Sound that begins later than the pictures does so in the export, too; sound alone is
// cut anywhere.
func TestExportAACBegins(t *testing.T) {
	const seconds = 16
	all := talking(t, demux.ALaw, seconds, beeps, func(d time.Duration) bool { return d < 500*time.Millisecond })
	var alone []demux.Unit
	for _, u := range talking(t, demux.ALaw, seconds, beeps, func(time.Duration) bool { return false }) {
		if u.Kind == demux.Audio {
			alone = append(alone, u)
		}
	}
	for _, c := range []struct {
		name  string
		units []demux.Unit
		from  time.Duration
		exact bool
	}{
		{"late sound", all, 0, false},
		{"late sound, exact", all, 300 * time.Millisecond, true},
		{"sound alone", alone, 0, false},
		{"sound alone, exact", alone, 10700 * time.Millisecond, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := newSimulated()
			a := openArchive(t, Config{Storages: []StorageConfig{{Dir: t.TempDir()}}, Now: clock.now, settle: -1, AAC: ffmpegAAC{tool(t, "ffmpeg")}})
			r := camera(t, a, "cam").StartRun()
			zero := clock.now()
			play(t, r, clock, c.units)
			r.Close(CauseRestart)
			flush(t, a)
			// Sound alone is recorded once it has waited for pictures.
			begin := max(list(t, a, "cam")[0].Start.Sub(zero), c.from).Seconds()
			var want []float64
			for tone := 1.0; tone < seconds; tone += 2 {
				if tone > begin {
					want = append(want, tone-begin)
				}
			}
			file := filepath.Join(t.TempDir(), "clip.mp4")
			if _, err := a.Export(t.Context(), ExportRequest{Camera: "cam", From: zero.Add(c.from), To: clock.now().Add(time.Second), Exact: c.exact, AAC: true, Path: file}); err != nil {
				t.Fatal(err)
			}
			decodes(t, file)
			at := onsets(heard(t, file))
			if len(at) != len(want) {
				t.Fatalf("tones begin at %v, want %v s", at, want)
			}
			for i := range want {
				if is := float64(at[i]) / 8000; math.Abs(is-want[i]) > 0.06 {
					t.Errorf("tone %d begins at %.3f s, want %.3f", i, is, want[i])
				}
			}
		})
	}
}
