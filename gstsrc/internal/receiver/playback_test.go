// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/session"
)

var begin = time.Unix(1_700_000_000, 0)

const playParams = "action=playback&channel=2&start_time=1700000000&end_time=1700000060"

func playOptions() Options {
	return Options{Params: playParams, Mode: Playback, Start: begin, End: begin.Add(time.Minute), Reconnect: true, Retries: 3}
}

// stretch is what a camera sends of a playback from a wall-clock time on: n
// pictures, stamped from ms on.
func stretch(dst []byte, ms uint32, wall time.Duration, speed float64, n int) []byte {
	p := flv.Position{Time: begin.Add(wall), Speed: speed}
	dst = config(flv.AppendTag(dst, flv.TagScript, ms, flv.AppendPosition(nil, p)))
	for i := range n {
		dst = frame(dst, ms+uint32(i)*40)
	}
	return dst
}

// places reads until err and gives where the wall clock was told, as "FLV time =
// wall-clock time since begin, speed".
func places(t *testing.T, r *Receiver) (at []string, err error) {
	t.Helper()
	for {
		c, err := r.Next(t.Context())
		if err != nil {
			return at, err
		}
		if c.Position != nil {
			at = append(at, fmt.Sprintf("%v = %v x%g", c.Time, c.Position.Time.Sub(begin), c.Position.Speed))
		}
	}
}

func TestPlaybackPositions(t *testing.T) {
	b := stretch(header(), 0, 0, 1, 25)
	b = stretch(b, 1000, 20*time.Second, 1, 25)
	b = stretch(b, 2000, 21*time.Second, 2, 25)
	c := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){bytesThen(b, io.EOF)}}
	r := New(c, playOptions())
	defer r.Close()
	at, err := places(t, r)
	if err != io.EOF {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"0s = 0s x1", "1s = 20s x1", "2s = 21s x2"}, at); d != "" {
		t.Error(d)
	}
	if c.asked[0] != playParams {
		t.Errorf("asked for %s", c.asked[0])
	}
}

// A camera that does not say where its playback is plays what it was asked for.
func TestPlaybackWithoutPositions(t *testing.T) {
	c := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){
		bytesThen(sequence(500, 50), errors.New("broken")), bytesThen(sequence(900, 5), io.EOF)}}
	r := New(c, playOptions())
	defer r.Close()
	at, err := places(t, r)
	if err != io.EOF {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"0s = 0s x1", "2s = 0s x1"}, at); d != "" {
		t.Error(d)
	}
}

// A playback that broke goes on where it was, in whole seconds, and never asks for
// less than a camera plays.
func TestPlaybackGoesOn(t *testing.T) {
	c := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){
		bytesThen(stretch(header(), 0, 9600*time.Millisecond, 1, 1), errors.New("broken")),
		bytesThen(stretch(header(), 0, 58*time.Second, 1, 1), errors.New("broken")),
		bytesThen(stretch(header(), 0, 59*time.Second, 1, 1), io.EOF),
	}}
	r := New(c, playOptions())
	defer r.Close()
	if _, err := places(t, r); err != io.EOF {
		t.Fatal(err)
	}
	for i, start := range []string{"1700000000", "1700000009", "1700000055"} {
		if want := "action=playback&channel=2&start_time=" + start + "&end_time=1700000060"; c.asked[i] != want {
			t.Errorf("request %d is %s, want %s", i, c.asked[i], want)
		}
	}
}

func TestSeekTime(t *testing.T) {
	again := bytesThen(stretch(header(), 0, 0, 1, 5), io.EOF)
	c := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){again, again, again}}
	r := New(c, playOptions())
	defer r.Close()
	for i, at := range []time.Duration{0, 30 * time.Second, 10 * time.Second} {
		r.SeekTime(begin.Add(at), 1)
		if _, err := places(t, r); err != io.EOF {
			t.Fatal(err)
		}
		if want := fmt.Sprint("start_time=", begin.Add(at).Unix()); !strings.Contains(c.asked[i], want) {
			t.Errorf("request %d is %s, want %s", i, c.asked[i], want)
		}
	}
	r.SeekTime(begin.Add(time.Minute), 1)
	if _, err := r.Next(t.Context()); err != io.EOF || len(c.asked) != 3 {
		t.Errorf("behind the end: %v, %d requests", err, len(c.asked))
	}
}

// The camera pauses while nobody asks, and goes on when somebody does.
func TestPauseAndSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){bytesThen(stretch(header(), 0, 0, 1, 5), nil)}}
		o := playOptions()
		o.Timeout = time.Minute
		r := New(c, o)
		defer r.Close()
		r.Pause(false) // it is not paused
		r.SeekTime(begin, 2)
		for c := (Chunk{}); c.Position == nil; {
			var err error
			if c, err = r.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		told := func(what string, want ...string) {
			t.Helper()
			time.Sleep(2 * pauseAfter)
			synctest.Wait()
			if d := cmp.Diff(want, c.commands); d != "" {
				t.Errorf("%s: %s", what, d)
			}
			c.commands = nil
		}
		told("begun", "action=inner_define&cmd=playback_speed&channel=2&speed=2")
		r.Pause(true)
		r.Pause(true)
		told("paused", "action=inner_define&cmd=playback_pause&channel=2")
		time.Sleep(time.Hour) // which is no silence of the camera's
		r.Pause(false)
		told("resumed", "action=inner_define&cmd=playback_resume&channel=2")
		r.Pause(true)
		r.Pause(false)
		told("for a moment")

		r.Pause(true)
		told("paused again", "action=inner_define&cmd=playback_pause&channel=2")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := r.Next(ctx); done <- err }()
		told("asked while paused", "action=inner_define&cmd=playback_resume&channel=2")
		told("still asking")
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if len(c.asked) != 1 {
			t.Errorf("asked %d times", len(c.asked))
		}
	})
}

func TestDownload(t *testing.T) {
	file := make([]byte, 100_000)
	for i := range file {
		file[i] = byte(i * i >> 7)
	}
	c := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){
		bytesThen(slices.Clone(file[:40_000]), errors.New("broken")),
		bytesThen(slices.Clone(file[40_000:]), io.EOF),
		bytesThen(slices.Clone(file[70_000:]), io.EOF),
	}}
	r := New(c, Options{Params: "action=download&file_name=a", Mode: Download, Reconnect: true, Retries: 1})
	defer r.Close()
	read := func() (b []byte) {
		for {
			c, err := r.Next(t.Context())
			if err == io.EOF {
				return b
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range c.Parts {
				b = append(b, p...)
			}
		}
	}
	if !slices.Equal(read(), file) {
		t.Error("not the file's bytes")
	}
	r.SeekBytes(70_000)
	if !slices.Equal(read(), file[70_000:]) {
		t.Error("not the file's bytes behind a seek")
	}
	for i, offset := range []int{0, 40_000, 70_000} {
		if want := fmt.Sprint("action=download&file_name=a&offset=", offset); c.asked[i] != want {
			t.Errorf("request %d is %s, want %s", i, c.asked[i], want)
		}
	}
}

func TestParseParams(t *testing.T) {
	for query, want := range map[string]any{
		"":                                          Live,
		"action=live&channel=0":                     Live,
		"action=live-audio":                         Live,
		playParams:                                  Playback,
		"action=download&file_name=a":               Download,
		"action=download":                           "get_file_list",
		"action=playback":                           "start_time",
		"action=playback&start_time=1":              "end_time",
		"action=playback&start_time=x":              "Unix seconds",
		"action=playback&start_time=-1":             "Unix seconds",
		"action=playback&start_time=1e300":          "Unix seconds",
		"action=playback&start_time=10&end_time=14": "at least 5s",
		"action=playback&start_time=10&end_time=1":  "at least 5s",
	} {
		m, _, _, err := ParseParams(query)
		if text, bad := want.(string); bad {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v, want %s", query, err, text)
			}
		} else if err != nil || m != want {
			t.Errorf("%s: mode %v, %v", query, m, err)
		}
	}
}

// Commands go out in order, no more of them than have room, and end with Close.
func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){bytesThen(sequence(0, 5), nil)},
			answer: func(ctx context.Context) { <-ctx.Done() }}
		r := New(c, Options{})
		var replies []string
		ask := func(text string) {
			r.Command(text, func(res session.CommandResult) { replies = append(replies, text+" "+res.Type) })
		}
		ask("early")
		synctest.Wait()
		if d := cmp.Diff([]string{"early error"}, replies); d != "" {
			t.Fatal(d)
		}
		if _, err := r.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		ask("first")
		synctest.Wait() // it is under way
		for range maxCommands {
			ask("next")
		}
		ask("one more")
		if n := len(replies); n != 2 || replies[1] != "one more error" {
			t.Errorf("replies %v", replies)
		}
		r.Close()
		synctest.Wait()
		if n := len(replies); n != 3+maxCommands {
			t.Errorf("%d replies to %d commands", n, 3+maxCommands)
		}
		ask("late")
		if last := replies[len(replies)-1]; last != "late error" {
			t.Error(last)
		}
	})
}

// A reset connects anew at once, whatever is going on.
func TestReset(t *testing.T) {
	hour := Options{Reconnect: true, Retries: -1, RetryDelay: time.Hour}
	for name, c := range map[string]*fakeCamera{
		"a stream": {streams: []func(context.Context) (io.ReadCloser, error){bytesThen(nil, nil), bytesThen(sequence(0, 5), nil)}},
		"a wait":   {dials: []error{errors.New("no network"), nil}, streams: []func(context.Context) (io.ReadCloser, error){bytesThen(sequence(0, 5), nil)}},
		"an attempt": {streams: []func(context.Context) (io.ReadCloser, error){
			func(ctx context.Context) (io.ReadCloser, error) { <-ctx.Done(); return nil, ctx.Err() }, bytesThen(sequence(0, 5), nil)}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(c, hour)
				defer r.Close()
				done := make(chan error)
				go func() { _, err := r.Next(t.Context()); done <- err }()
				synctest.Wait()
				before := time.Now()
				r.Reset()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(before); waited != 0 || c.dialled != 2 {
					t.Errorf("waited %v, %d links", waited, c.dialled)
				}
			})
		})
	}
}

func TestMeter(t *testing.T) {
	var m meter
	now := time.Unix(0, 1)
	for range 100 {
		m.add(now, 12_500)
		now = now.Add(100 * time.Millisecond)
	}
	if b := m.bits(now); b < 990_000 || b > 1_010_000 {
		t.Errorf("%d bit/s, want 1,000,000", b)
	}
	if b := m.bits(now.Add(10 * time.Second)); b != 0 {
		t.Errorf("%d bit/s after silence", b)
	}
}
