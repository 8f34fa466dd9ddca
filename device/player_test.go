// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// screen is what a viewer gets, and when.
type screen struct {
	t     *testing.T
	began time.Time

	mu     sync.Mutex
	b      bytes.Buffer
	paused time.Duration // how long the playback was paused
}

func (s *screen) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Len()
}

func (s *screen) wasPaused(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused += d
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Write(p)
	// Never more than two seconds ahead of the time that has passed.
	units := s.parse()
	if n := len(units); n > 0 {
		if ahead := units[n-1].DTS - (time.Since(s.began) - s.paused); ahead > 2*time.Second {
			s.t.Errorf("sent %v ahead of its time", ahead)
		}
	}
	return len(p), nil
}

// shown is a unit that a viewer got, with what the positions before it say.
type shown struct {
	demux.Unit
	wall  time.Time // by the positions
	speed float64
	first bool // behind a position
}

func (s *screen) units() []shown {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parse()
}

// parse reads everything so far and checks what holds for every playback: whole
// tags, times that do not run backwards, each at the wall-clock time that was
// recorded, pictures that can be decoded, sound at speed 1 alone.
func (s *screen) parse() (list []shown) {
	s.t.Helper()
	r := flv.NewReader(bytes.NewReader(s.b.Bytes()), flv.Options{Strict: true})
	var at flv.Position
	var since, last time.Duration
	var previous time.Time // the last picture
	first := false
	for {
		var tag flv.Tag
		var u demux.Unit
		err := r.Next(&tag, &u)
		if err == io.EOF {
			return list
		}
		if err != nil {
			s.t.Fatalf("after %d units: %v", len(list), err)
		}
		if u.DTS < last {
			s.t.Errorf("time runs backwards: %v behind %v", u.DTS, last)
		}
		last = u.DTS
		switch {
		case u.Kind == demux.Data:
			if at, err = flv.ParsePosition(u.Data); err != nil {
				s.t.Fatal(err)
			}
			since, first = u.DTS, true
			continue
		case u.Config:
			continue
		case at.Time.IsZero():
			s.t.Fatal("media before the first position")
		}
		x := shown{Unit: u, speed: at.Speed, first: first}
		first = false
		x.wall = at.Time.Add(time.Duration(float64(u.DTS-since) * at.Speed))
		tolerance := time.Duration(float64(time.Millisecond) * max(1, at.Speed))
		if d := x.wall.Sub(recorded(&u)); d > tolerance || d < -tolerance {
			s.t.Fatalf("unit %d says %v by its position, recorded was %v", len(list), x.wall, recorded(&u))
		}
		if u.Kind == demux.Video {
			if step := recorded(&u).Sub(previous); !u.Key && step != 40*time.Millisecond {
				s.t.Fatalf("picture of %v cannot be decoded behind that of %v", recorded(&u), previous)
			}
			previous = recorded(&u)
		} else if at.Speed != 1 {
			s.t.Errorf("sound at speed %v", at.Speed)
		}
		list = append(list, x)
	}
}

// show plays a from recordedAt, with what do does meanwhile, to its end.
func show(t *testing.T, a *memArchive, what selection, do func(*playback, *screen)) (list []shown, took time.Duration) {
	t.Helper()
	s := &screen{t: t, began: time.Now()}
	p := newPlayback(a, recordedAt, recordedAt.Add(time.Hour))
	cursor, err := a.Play(t.Context(), recordedAt)
	if err != nil {
		t.Fatal(err)
	}
	pl := &player{playback: p, what: what, cursor: cursor, w: s, flush: func() error { return nil }}
	defer pl.close()
	if begin, err := pl.first(t.Context()); err != nil || !begin.Equal(recordedAt) {
		t.Fatalf("begins at %v, %v", begin, err)
	}
	done := make(chan error, 1)
	go func() { done <- pl.run(t.Context()) }()
	if do != nil {
		do(p, s)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	return s.units(), time.Since(s.began)
}

func count(list []shown, kind demux.Kind) (n int) {
	for _, u := range list {
		if u.Kind == kind {
			n++
		}
	}
	return n
}

func TestPlayerPlaysAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(memArchive).add(0, 250, true)
		list, took := show(t, a, everything, nil)
		if v, s := count(list, demux.Video), count(list, demux.Audio); v != 250 || s != 500 {
			t.Errorf("%d pictures and %d sounds", v, s)
		}
		if took < 8*time.Second || took > 10*time.Second {
			t.Errorf("10 s were sent in %v", took)
		}
	})
}

func TestPlayerSoundAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list, took := show(t, new(memArchive).add(0, 100, true), soundAlone, nil)
		if v, s := count(list, demux.Video), count(list, demux.Audio); v != 0 || s != 200 {
			t.Errorf("%d pictures and %d sounds", v, s)
		}
		if took < 2*time.Second {
			t.Errorf("4 s were sent in %v", took)
		}
	})
	a := new(memArchive).add(0, 500, false)
	c, err := a.Play(t.Context(), recordedAt)
	if err != nil {
		t.Fatal(err)
	}
	pl := &player{playback: newPlayback(a, recordedAt, recordedAt.Add(time.Hour)), what: soundAlone, cursor: c}
	if _, err := pl.first(t.Context()); !errors.Is(err, errNoSound) {
		t.Errorf("without sound: %v", err)
	}
}

// A gap of an hour takes no time, and is told.
func TestPlayerSkipsGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(memArchive).add(0, 50, true).add(30*time.Minute, 50, true)
		list, took := show(t, a, everything, nil)
		if v := count(list, demux.Video); v != 100 || took > 4*time.Second {
			t.Errorf("%d pictures in %v", v, took)
		}
		stretches := 0
		for _, u := range list {
			if u.first {
				stretches++
				if !u.Key || u.Kind != demux.Video {
					t.Errorf("a stretch begins with %v, key %v", u.Kind, u.Key)
				}
			}
		}
		if stretches != 2 {
			t.Errorf("%d stretches", stretches)
		}
	})
}

func TestPlayerPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(memArchive).add(0, 250, true)
		list, took := show(t, a, everything, func(p *playback, s *screen) {
			time.Sleep(3 * time.Second)
			p.pause(true)
			synctest.Wait()
			sent := s.size()
			time.Sleep(time.Minute)
			if s.size() != sent {
				t.Error("it went on while it was paused")
			}
			s.wasPaused(time.Minute)
			p.pause(false)
		})
		if v := count(list, demux.Video); v != 250 || took < 68*time.Second {
			t.Errorf("%d pictures in %v", v, took)
		}
	})
}

func TestPlayerSeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seeks = 12
		a := new(memArchive).add(0, 1500, true)
		list, _ := show(t, a, everything, func(p *playback, s *screen) {
			for i := range seeks {
				at := []time.Duration{30*time.Second + 500*time.Millisecond, 10 * time.Second, 55 * time.Second}[i%3]
				time.Sleep(time.Second + time.Duration(i)*13*time.Millisecond) // at any place between two batches
				if err := p.seek(t.Context(), recordedAt.Add(at)); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				// At once, and not when the second that is ahead has passed.
				units := s.units()
				for i := len(units) - 1; ; i-- {
					if units[i].first {
						if got := recorded(&units[i].Unit); !got.Equal(recordedAt.Add(at.Truncate(time.Second))) || !units[i].Key {
							t.Errorf("seek to %v begins with %v, key %v", at, got, units[i].Key)
						}
						break
					}
				}
			}
			for _, bad := range []time.Duration{-time.Second, time.Hour, 61 * time.Second} {
				if err := p.seek(t.Context(), recordedAt.Add(bad)); !errors.Is(err, errOutside) && !errors.Is(err, ErrNoRecording) {
					t.Errorf("seek to %v: %v", bad, err)
				}
			}
		})
		firsts := 0
		for _, u := range list {
			if u.first {
				firsts++
			}
		}
		if firsts != 1+seeks {
			t.Errorf("%d stretches", firsts)
		}
		if last := list[len(list)-1]; recorded(&last.Unit).Before(recordedAt.Add(59 * time.Second)) {
			t.Errorf("it ends at %v", recorded(&last.Unit))
		}
	})
}

func TestPlayerSpeed(t *testing.T) {
	for _, tt := range []struct {
		speed      float64
		everyFrame bool
	}{{1.0 / 16, true}, {0.5, true}, {2, true}, {4, true}, {4.5, false}, {16, false}} {
		synctest.Test(t, func(t *testing.T) {
			const seconds = 20
			a := new(memArchive).add(0, seconds*25, true)
			var changed time.Duration
			list, took := show(t, a, everything, func(p *playback, s *screen) {
				time.Sleep(2 * time.Second)
				changed = 3 * time.Second // one is ahead
				p.setSpeed(tt.speed)
			})
			fast := 0
			for _, u := range list {
				if u.speed == tt.speed {
					fast++
				}
			}
			want := (seconds*time.Second - changed) / (40 * time.Millisecond)
			if !tt.everyFrame {
				want /= 25
			}
			if d := fast - int(want); d < -6 || d > 6 {
				t.Errorf("speed %v: %d pictures, want about %d", tt.speed, fast, want)
			}
			due := changed + time.Duration(float64(seconds*time.Second-changed)/tt.speed) - time.Second
			if d := took - due; d < -2*time.Second || d > 2*time.Second {
				t.Errorf("speed %v: took %v, want about %v", tt.speed, took, due)
			}
		})
	}
}

// Back from key pictures alone to all of them: what follows can be decoded.
func TestPlayerSpeedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(memArchive).add(0, 60*25, true)
		list, _ := show(t, a, everything, func(p *playback, s *screen) {
			for _, speed := range []float64{8, 2, 16, 1, 0.5, 1} {
				time.Sleep(1500 * time.Millisecond)
				p.setSpeed(speed)
			}
			p.pause(true)
			time.Sleep(time.Second)
			s.wasPaused(time.Second)
			p.setSpeed(4)
			p.pause(false)
		})
		if last := list[len(list)-1]; last.speed != 4 {
			t.Errorf("it ends at speed %v", last.speed)
		}
	})
}

// A viewer that does not read for a while does not get that while at once.
func TestPlayerStalledViewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(memArchive).add(0, 250, true)
		p := newPlayback(a, recordedAt, recordedAt.Add(time.Hour))
		c, err := a.Play(t.Context(), recordedAt)
		if err != nil {
			t.Fatal(err)
		}
		var sent int
		w := writerFunc(func(b []byte) (int, error) {
			if sent++; sent == 5 {
				time.Sleep(time.Minute)
			}
			return len(b), nil
		})
		began := time.Now()
		pl := &player{playback: p, cursor: c, w: w, flush: func() error { return nil }}
		defer pl.close()
		if _, err := pl.first(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := pl.run(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 67*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// The end of the request ends the playback wherever it is.
func TestPlayerCancelled(t *testing.T) {
	for _, paused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := new(memArchive).add(0, 2500, true)
			p := newPlayback(a, recordedAt, recordedAt.Add(time.Hour))
			c, err := a.Play(t.Context(), recordedAt)
			if err != nil {
				t.Fatal(err)
			}
			p.pause(paused)
			pl := &player{playback: p, cursor: c, w: io.Discard, flush: func() error { return nil }}
			if _, err := pl.first(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := pl.run(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("paused %v: %v", paused, err)
			}
			if err := p.seek(t.Context(), recordedAt.Add(time.Second)); err != nil {
				t.Errorf("a last seek: %v", err)
			}
			pl.close()
			if err := p.seek(t.Context(), recordedAt.Add(time.Second)); !errors.Is(err, ErrNoRecording) {
				t.Errorf("a seek behind the end: %v", err)
			}
		})
	}
}
