// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// putter puts whole FLV tags into a Fanout.
type putter struct {
	t *testing.T
	f *Fanout
}

func (p putter) put(b []byte) {
	p.t.Helper()
	r := flv.NewReader(bytes.NewReader(b), flv.Options{})
	for {
		var t flv.Tag
		var u demux.Unit
		if err := r.Next(&t, &u); err == io.EOF {
			return
		} else if err != nil {
			p.t.Fatal(err)
		}
		p.f.Put(&t, &u)
	}
}

// frames puts pictures from to to-1, each tenth of which is a key frame.
func (p putter) frames(from, to int) {
	p.t.Helper()
	b := flv.AppendHeader(nil, true, false)
	for i := from; i < to; i++ {
		b = append(b, frame(i, 1000, i%10 == 0)...)
	}
	p.put(b)
}

// pictures are the times in ms of the pictures of an FLV stream, whether each is a
// key frame, and whether the first tag is the decoder's configuration.
func pictures(t *testing.T, r io.Reader) (at []int64, key []bool, headed bool) {
	t.Helper()
	fr := flv.NewReader(r, flv.Options{})
	for n := 0; ; n++ {
		var tag flv.Tag
		var u demux.Unit
		if err := fr.Next(&tag, &u); err == io.EOF {
			return at, key, headed
		} else if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			headed = u.Config
		}
		if !u.Config {
			at, key = append(at, u.DTS.Milliseconds()), append(key, u.Key)
		}
	}
}

func join(t *testing.T, f *Fanout) io.ReadCloser {
	t.Helper()
	r, err := f.Join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// The first reader begins at the next key frame, since nothing is kept for nobody;
// one that comes beside it begins at the last.
func TestFanoutBeginsAtAKeyFrame(t *testing.T) {
	f := NewFanout(Watermarks{})
	p := putter{t, f}
	p.put(header())
	p.frames(0, 15)
	if f.gop.bytes != 0 || f.arena.free != nil {
		t.Errorf("%d bytes are kept for nobody", f.gop.bytes)
	}
	first := join(t, f)
	p.frames(15, 35)
	second := join(t, f)
	p.frames(35, 40)
	f.End()
	for name, want := range map[string]struct {
		r     io.Reader
		count int
	}{"first": {first, 20}, "second": {second, 10}} {
		at, key, headed := pictures(t, want.r)
		if len(at) != want.count || !headed || !key[0] || at[0] != 0 || at[len(at)-1] != int64(want.count-1)*40 {
			t.Errorf("%s: %d pictures, headed %v, at %v, want %d", name, len(at), headed, at, want.count)
		}
	}
}

// A reader that does not read loses whole groups of pictures, and the one beside it
// nothing.
func TestFanoutSlowReader(t *testing.T) {
	f := NewFanout(Watermarks{Low: 10_000, Warn: 20_000, High: 30_000})
	p := putter{t, f}
	p.put(header())
	slow, quick := join(t, f), join(t, f)
	var got bytes.Buffer
	drain := func() { // what waits for the quick reader
		b := make([]byte, 64<<10)
		n, err := quick.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got.Write(b[:n])
	}
	drain() // the header alone
	for i := range 20 {
		p.frames(10*i, 10*i+10)
		drain()
	}
	f.End()
	at, _, _ := pictures(t, &got)
	if len(at) != 200 {
		t.Errorf("the quick reader has %d of 200 pictures", len(at))
	}
	at, _, _ = pictures(t, slow)
	if len(at) == 0 || len(at) > 30 {
		t.Errorf("the slow reader has %d pictures in a queue of 30 kB", len(at))
	}
	for i, ms := range at {
		if ms != int64(i)*40 {
			t.Fatalf("a hole within a group: %v", at)
		}
	}
}

// Nobody keeps what the last reader left, and a stream's end is every reader's.
func TestFanoutLeaves(t *testing.T) {
	f := NewFanout(Watermarks{})
	p := putter{t, f}
	p.put(header())
	r := join(t, f)
	p.frames(0, 5)
	if f.Readers() != 1 || f.gop.bytes == 0 {
		t.Errorf("%d readers, %d bytes", f.Readers(), f.gop.bytes)
	}
	r.Close()
	r.Close()
	if f.Readers() != 0 || f.gop.bytes != 0 || f.gop.video == nil {
		t.Errorf("%d readers, %d bytes, header %v", f.Readers(), f.gop.bytes, f.gop.video)
	}
	r = join(t, f)
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, r)
		done <- err
	}()
	f.End()
	if err := <-done; err != nil {
		t.Errorf("the end of the stream is %v", err)
	}
}

func TestFanoutJoinWaits(t *testing.T) {
	f := NewFanout(Watermarks{})
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, io.ErrNoProgress)
	defer cancel()
	if _, err := f.Join(ctx); err != io.ErrNoProgress {
		t.Errorf("without a stream: %v", err)
	}
	type joined struct {
		r   io.ReadCloser
		err error
	}
	c := make(chan joined)
	wait := func() {
		r, err := f.Join(context.Background())
		c <- joined{r, err}
	}
	go wait()
	putter{t, f}.put(header())
	if j := <-c; j.err != nil {
		t.Error(j.err)
	} else {
		j.r.Close()
	}
	f.End()
	go wait()
	f.Close()
	f.Close()
	if j := <-c; !errors.Is(j.err, io.ErrClosedPipe) {
		t.Errorf("after Close: %v", j.err)
	}
	putter{t, f}.put(header())
	f.End()
	if f.live {
		t.Error("a closed one lives again")
	}
}

// What a recorder pays for each picture of 8 kB: while nobody reads, and for one that
// reads beside it.
func BenchmarkFanout(b *testing.B) {
	for _, readers := range []int{0, 1} {
		b.Run(map[int]string{0: "nobody", 1: "reader"}[readers], func(b *testing.B) {
			f := NewFanout(Watermarks{Low: 1 << 20, Warn: 3 << 20, High: 4 << 20})
			defer f.Close()
			var tags []flv.Tag
			var units []demux.Unit
			raw := header()
			for i := range 50 {
				raw = append(raw, frame(i, 8000, i == 0)...)
			}
			r := flv.NewReader(bytes.NewReader(raw), flv.Options{})
			for {
				var t flv.Tag
				var u demux.Unit
				if r.Next(&t, &u) != nil {
					break
				}
				t.Raw = bytes.Clone(t.Raw)
				tags, units = append(tags, t), append(units, u)
			}
			f.Put(&tags[0], &units[0])
			for range readers {
				s, err := f.Join(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				go io.Copy(io.Discard, s)
			}
			b.SetBytes(int64(len(tags[1].Raw)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f.Put(&tags[1+i%50], &units[1+i%50])
			}
		})
	}
}
