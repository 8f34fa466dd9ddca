// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/launch"
	"github.com/xp2p/xp2p/recorder"
)

// decodeAAC is what ffmpeg hears in ADTS.
func decodeAAC(t *testing.T, adts []byte, rate, channels int) []int16 {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "aac", "-i", "-", "-f", "s16le", "-ar", fmt.Sprint(rate), "-ac", fmt.Sprint(channels), "-")
	cmd.Stdin = bytes.NewReader(adts)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg (apt-get install -y ffmpeg): %v", err)
	}
	list := make([]int16, len(out)/2)
	for i := range list {
		list[i] = int16(binary.LittleEndian.Uint16(out[2*i:]))
	}
	return list
}

// Each encoder makes AAC that is as much later as its row says, and ends with the last
// sample: a tone comes out where it went in, as long and as loud.
func TestAAC(t *testing.T) {
	program, err := launch.Find(launch.GStreamer)
	if err != nil {
		t.Fatal(err)
	}
	for i := range aacEncoders {
		e := &aacEncoders[i]
		for _, c := range []struct{ rate, channels int }{{8000, 1}, {16000, 1}, {8000, 2}} {
			t.Run(fmt.Sprintf("%s of %d Hz, %d channels", e.element, c.rate, c.channels), func(t *testing.T) {
				length, from, to := c.rate*33/10, c.rate, c.rate*33/10
				var pcm []byte
				for n := range length {
					v := 0.0
					if n >= from && n < to {
						v = 8000 * math.Sin(2*math.Pi*500*float64(n)/float64(c.rate))
					}
					for range c.channels {
						pcm = binary.LittleEndian.AppendUint16(pcm, uint16(int16(v)))
					}
				}
				var adts bytes.Buffer
				if err := e.run(t.Context(), program, c.rate, c.channels, bytes.NewReader(pcm), &adts); err != nil {
					t.Fatal(err)
				}
				heard := decodeAAC(t, adts.Bytes(), c.rate, c.channels)
				if len(heard) < (length+e.delay)*c.channels {
					t.Fatalf("%d samples of %d and a delay of %d", len(heard)/c.channels, length, e.delay)
				}
				first, last, sum := -1, 0, 0.0
				for n := range len(heard) / c.channels {
					v := float64(heard[n*c.channels])
					if math.Abs(v) > 2500 {
						if first < 0 {
							first = n
						}
						last = n
					}
					if n >= e.delay+from+c.rate/10 && n < e.delay+to-c.rate/10 {
						sum += v * v
					}
				}
				// The tone is that loud after a 20th of its period of 2 ms.
				slack := c.rate / 250
				if d := first - e.delay - from; d < -slack || d > slack {
					t.Errorf("the tone begins at %d, want %d and a delay of %d", first, from, e.delay)
				}
				if d := last - e.delay - to; d < -slack || d > slack {
					t.Errorf("the tone ends at %d, want %d and a delay of %d", last, to, e.delay)
				}
				if rms := math.Sqrt(sum / float64(to-from-c.rate/5)); math.Abs(rms/(8000/math.Sqrt2)-1) > 0.1 {
					t.Errorf("loudness %.0f, want %.0f", rms, 8000/math.Sqrt2)
				}
			})
		}
	}
}

// AAC gives what the first encoder there is makes, twice the same.
func TestAACIsTheSameTwice(t *testing.T) {
	pcm := make([]byte, 40_000)
	for i := range pcm {
		pcm[i] = byte(i * i >> 7)
	}
	var got [2]bytes.Buffer
	for i := range got {
		delay, err := AAC{}.EncodeAAC(t.Context(), 8000, 1, bytes.NewReader(pcm), &got[i])
		if err != nil || delay != aacEncoders[0].delay {
			t.Fatalf("delay %d, %v", delay, err)
		}
	}
	if got[0].Len() == 0 || !bytes.Equal(got[0].Bytes(), got[1].Bytes()) {
		t.Errorf("%d and %d bytes", got[0].Len(), got[1].Len())
	}
}

var errDisk = errors.New("the disk fails")

type failing struct{}

func (failing) Read([]byte) (int, error)  { return 0, errDisk }
func (failing) Write([]byte) (int, error) { return 0, errDisk }

func TestAACFails(t *testing.T) {
	endless, cancel := context.WithCancel(t.Context())
	for name, c := range map[string]struct {
		ctx  context.Context
		rate int
		pcm  io.Reader
		adts io.Writer
		want error // nil: any
	}{
		"reading fails":     {t.Context(), 8000, failing{}, io.Discard, errDisk},
		"writing fails":     {t.Context(), 8000, io.LimitReader(silence{}, 1<<20), failing{}, nil},
		"a rate it has not": {t.Context(), 7, bytes.NewReader(make([]byte, 4000)), io.Discard, nil},
		"it is given up":    {endless, 8000, silence{}, io.Discard, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			if c.ctx == endless {
				time.AfterFunc(300*time.Millisecond, cancel)
			}
			if _, err := (AAC{}).EncodeAAC(c.ctx, c.rate, 1, c.pcm, c.adts); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	cancel()
	t.Run("nothing is installed", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := (AAC{}).EncodeAAC(t.Context(), 8000, 1, bytes.NewReader(nil), io.Discard); !errors.Is(err, recorder.ErrNoAAC) || !bytes.Contains([]byte(err.Error()), []byte("apt-get install")) {
			t.Errorf("%v does not say what to install", err)
		}
	})
}
