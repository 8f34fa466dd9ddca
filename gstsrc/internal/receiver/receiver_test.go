// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/session"
)

type log struct {
	mu sync.Mutex
	e  []session.Event
}

func (l *log) add(e session.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.e = append(l.e, e)
}

func (l *log) reconnects() (d []ReconnectDetail) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.e {
		if r, ok := e.Detail.(ReconnectDetail); ok && e.Subtype == Reconnecting {
			d = append(d, r)
		}
	}
	return d
}

// drain reads until an error and returns the joined stream and its restarts.
func drain(ctx context.Context, r *Receiver) (stream []byte, restarts []time.Duration, err error) {
	for {
		c, err := r.Next(ctx)
		if err != nil {
			return stream, restarts, err
		}
		if c.Restart {
			restarts = append(restarts, c.Time)
		}
		n := len(stream)
		for _, p := range c.Parts {
			stream = append(stream, p...)
		}
		if len(stream)-n != c.Size {
			return stream, restarts, fmt.Errorf("chunk says %d bytes and has %d", c.Size, len(stream)-n)
		}
	}
}

// times reads a joined stream back, which must be valid from end to end.
func times(t *testing.T, stream []byte) (ms []uint32) {
	t.Helper()
	p := flv.NewParser(flv.Options{})
	p.Filled(copy(p.Space(len(stream)), stream))
	var tag flv.Tag
	var u demux.Unit
	for {
		switch err := p.Next(&tag, &u); {
		case errors.Is(err, flv.ErrNeedMore):
			if p.Buffered() != 0 {
				t.Errorf("the stream ends inside a tag")
			}
			return ms
		case err != nil:
			t.Fatal(err)
		default:
			ms = append(ms, tag.Timestamp)
		}
	}
}

func TestOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := sequence(7000, 3)
		cam := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){bytesThen(in, io.EOF)}}
		r := New(cam, Options{Params: "action=live"})
		out, restarts, err := drain(t.Context(), r)
		if err != io.EOF {
			t.Fatalf("ended with %v, want EOF", err)
		}
		if _, err := r.Next(t.Context()); err != io.EOF {
			t.Errorf("after the end: %v, want EOF again", err)
		}
		if len(out) != len(in) {
			t.Errorf("%d bytes out of %d", len(out), len(in))
		}
		if got, want := times(t, out), []uint32{0, 0, 0, 40, 80}; !reflect.DeepEqual(got, want) {
			t.Errorf("times %v, want %v", got, want)
		}
		if want := []time.Duration{0}; !reflect.DeepEqual(restarts, want) {
			t.Errorf("restarts %v, want %v", restarts, want)
		}
		if out[4] != 0x01 {
			t.Errorf("header flags %#x, want those of the camera, 1", out[4])
		}
		if cam.asked[0] != "action=live" {
			t.Errorf("asked for %q", cam.asked[0])
		}
		r.Close()
		synctest.Wait()
		if cam.open() != 0 {
			t.Error("link left open")
		}
	})
}

func TestReconnectJoinsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := sequence(7000, 3)
		first = first[:len(first)-5] // broken inside the last frame
		broken := &session.Error{Op: "startP2PStream", Code: session.StreamFailed}
		cam := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){
			bytesThen(first, broken),
			refuse(broken),
			bytesThen(sequence(500_000, 2), io.EOF),
		}}
		var l log
		r := New(cam, Options{Reconnect: true, Retries: 2, RetryDelay: time.Second, Events: l.add})
		defer r.Close()
		begin := time.Now()
		out, restarts, err := drain(t.Context(), r)
		if err != io.EOF {
			t.Fatalf("ended with %v, want EOF", err)
		}
		// metadata, config, frames at 0 and 40; then again, a frame's time later.
		if got, want := times(t, out), []uint32{0, 0, 0, 40, 40, 40, 80, 120}; !reflect.DeepEqual(got, want) {
			t.Errorf("times %v, want %v", got, want)
		}
		if want := []time.Duration{0, 80 * time.Millisecond}; !reflect.DeepEqual(restarts, want) {
			t.Errorf("restarts %v, want %v", restarts, want)
		}
		want := []ReconnectDetail{
			{Attempt: 1, DelayMS: 1000, Reason: broken.Error(), Code: session.StreamFailed},
			{Attempt: 2, DelayMS: 2000, Reason: broken.Error(), Code: session.StreamFailed},
		}
		if got := l.reconnects(); !reflect.DeepEqual(got, want) {
			t.Errorf("reconnects %+v, want %+v", got, want)
		}
		if got := time.Since(begin); got != 3*time.Second {
			t.Errorf("waited %v, want 3s", got)
		}
		if s := r.Stats(); s.Connections != 2 || s.Retries != 2 || s.Bytes != uint64(len(out)) || s.Path != "direct" {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestGivesUp(t *testing.T) {
	gone := errors.New("network is unreachable")
	refused := &session.Error{Op: "startP2PService", Code: session.BadXP2PInfo}
	for _, c := range []struct {
		name     string
		opts     Options
		err      error
		attempts int
	}{
		{"no reconnect", Options{Retries: 5}, gone, 1},
		{"retries used up", Options{Reconnect: true, Retries: 3}, gone, 4},
		{"no retries", Options{Reconnect: true}, gone, 1},
		{"a code that does not change by waiting", Options{Reconnect: true, Retries: -1}, refused, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cam := &fakeCamera{dials: []error{c.err}}
				r := New(cam, c.opts)
				defer r.Close()
				for range 2 { // the second call gives the same without a new attempt
					_, err := r.Next(t.Context())
					var e *Error
					if !errors.As(err, &e) || e.Phase != Opening || e.Attempts != c.attempts || !errors.Is(err, c.err) {
						t.Fatalf("error %#v (%v)", err, err)
					}
				}
				if cam.dialled != c.attempts {
					t.Errorf("dialled %d times, want %d", cam.dialled, c.attempts)
				}
			})
		})
	}
}

// A retry count is of failures in a row: bytes in between start it anew.
func TestRetriesCountInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &fakeCamera{}
		for i := range 5 {
			cam.streams = append(cam.streams, bytesThen(sequence(uint32(i)*100, 1), errors.New("broken")))
		}
		cam.streams = append(cam.streams, bytesThen(sequence(9, 1), io.EOF))
		r := New(cam, Options{Reconnect: true, Retries: 1})
		defer r.Close()
		if _, restarts, err := drain(t.Context(), r); err != io.EOF || len(restarts) != 6 {
			t.Errorf("%d connections, ended with %v", len(restarts), err)
		}
	})
}

func TestCancelWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){
			bytesThen(sequence(0, 2), nil),
			bytesThen(sequence(60_000, 1), io.EOF),
		}}
		r := New(cam, Options{Reconnect: true})
		defer r.Close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		if _, _, err := drain(ctx, r); err != context.Canceled {
			t.Fatalf("ended with %v, want Canceled", err)
		}
		// Resumed: a new stream on the same link.
		_, restarts, err := drain(t.Context(), r)
		if err != io.EOF || !reflect.DeepEqual(restarts, []time.Duration{80 * time.Millisecond}) {
			t.Errorf("ended with %v, restarts %v", err, restarts)
		}
		if cam.dialled != 1 || len(cam.asked) != 2 {
			t.Errorf("%d links, %d streams; want 1 and 2", cam.dialled, len(cam.asked))
		}
	})
}

// The context may end between two calls of Next as well.
func TestCancelBetweenReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){
			bytesThen(sequence(0, 2), nil),
			bytesThen(sequence(60_000, 1), io.EOF),
		}}
		r := New(cam, Options{})
		defer r.Close()
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := r.Next(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		if _, _, err := drain(t.Context(), r); err != io.EOF || len(cam.asked) != 2 {
			t.Errorf("ended with %v after %d streams", err, len(cam.asked))
		}
	})
}

// A link that was kept over a pause and is dead by then is replaced at once.
func TestResumeOnDeadLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){
			bytesThen(sequence(0, 2), nil),
			refuse(errors.New("link is dead")),
			bytesThen(sequence(0, 1), io.EOF),
		}}
		r := New(cam, Options{}) // no Reconnect: this is none
		defer r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		drain(ctx, r)
		if _, _, err := drain(t.Context(), r); err != io.EOF || cam.dialled != 2 {
			t.Errorf("ended with %v after %d dials", err, cam.dialled)
		}
	})
}

func TestCancelWhileConnectHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){
			hang(time.Hour, bytesThen(nil, nil)),
		}}
		r := New(cam, Options{Reconnect: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := r.Next(ctx); err != context.DeadlineExceeded {
			t.Fatalf("ended with %v", err)
		}
		r.Close()
		if d := time.Since(begin); d > time.Second+closeGrace {
			t.Errorf("took %v", d)
		}
		time.Sleep(2 * time.Hour) // what hung is closed behind
		if cam.open() != 0 {
			t.Error("link left open")
		}
	})
}

func TestTimeouts(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream func(context.Context) (io.ReadCloser, error)
		phase  Phase
	}{
		{"connect", hang(time.Hour, bytesThen(nil, nil)), Opening},
		{"silence", bytesThen(sequence(0, 2), nil), Reading},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cam := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){c.stream}}
				r := New(cam, Options{Timeout: 3 * time.Second})
				begin := time.Now()
				_, _, err := drain(t.Context(), r)
				var e *Error
				var silent *TimeoutError
				if !errors.As(err, &e) || e.Phase != c.phase || !errors.As(err, &silent) || silent.After != 3*time.Second {
					t.Errorf("error %v", err)
				}
				if d := time.Since(begin); d != 3*time.Second {
					t.Errorf("took %v", d)
				}
				r.Close()
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// Time that the reader takes between two calls is not the camera's silence.
func TestSlowReaderIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){bytesThen(sequence(0, 2), io.EOF)}}
		r := New(cam, Options{Timeout: time.Second})
		defer r.Close()
		for {
			if _, err := r.Next(t.Context()); err == io.EOF {
				return
			} else if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
	})
}

func TestCloseShutsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &fakeCamera{streams: []func(context.Context) (io.ReadCloser, error){bytesThen(sequence(0, 2), nil)}, slow: time.Hour}
		var l log
		r := New(cam, Options{Events: l.add})
		if _, err := r.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		r.Close() // the camera's side takes an hour to close
		if d := time.Since(begin); d != closeGrace {
			t.Errorf("Close took %v", d)
		}
		n := len(l.e)
		cam.events(session.Event{Kind: session.Notify, Subtype: session.Closed})
		if len(l.e) != n {
			t.Error("an event after Close")
		}
		if _, err := r.Next(t.Context()); err == nil {
			t.Error("Next after Close")
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestDelay(t *testing.T) {
	o := Options{RetryDelay: time.Second}
	for failures, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 5: maxRetryDelay, 1000: maxRetryDelay} {
		if got := o.delay(failures); got != want {
			t.Errorf("delay(%d) = %v, want %v", failures, got, want)
		}
	}
	if got := (&Options{RetryDelay: time.Minute}).delay(3); got != time.Minute {
		t.Errorf("a longer delay is kept: %v", got)
	}
	if got := (&Options{}).delay(9); got != 0 {
		t.Errorf("no delay: %v", got)
	}
}
