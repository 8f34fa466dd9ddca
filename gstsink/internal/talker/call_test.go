// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xp2p/xp2p/demux"
)

const (
	soundStep   = 20 * time.Millisecond
	pictureStep = 40 * time.Millisecond
)

// caller makes both sides of a call in time, as live sources do.
type caller struct {
	t *testing.T
	k *Talker
	sync.WaitGroup
}

func newCaller(t *testing.T, c *camera) *caller {
	k := New(c, Options{})
	k.Change(Format{Format: alaw})
	k.OpenPictures(true)
	k.ChangePictures([]byte{1, 'a'})
	return &caller{t: t, k: k}
}

// talk says sound from one time to another, each buffer when it ends.
func (c *caller) talk(from, to time.Duration) {
	begin := time.Now()
	for at := from; at < to; at += soundStep {
		time.Sleep(time.Until(begin.Add(at - from + soundStep)))
		c.k.Take(make([]byte, 160), at, true)
		if err := c.k.Send(c.t.Context()); err != nil {
			c.t.Error(err)
			return
		}
	}
}

// show brings pictures, each so long behind its time.
func (c *caller) show(from, to, lag time.Duration) {
	begin := time.Now()
	for at := from; at < to; at += pictureStep {
		time.Sleep(time.Until(begin.Add(at - from + lag)))
		if _, err := c.k.Picture(&Picture{At: at, Key: at%time.Second == 0, Data: []byte{byte(at / pictureStep)}}); err != nil {
			c.t.Error(err)
			return
		}
	}
}

// got is what a talk had, in order: whether the tags' times are, too, is checked.
func (c *camera) got(t *testing.T, n int) (pictures, sounds, configs int) {
	t.Helper()
	var last time.Duration
	for i, u := range c.unitsOf(n) {
		if u.DTS < last {
			t.Errorf("tag %d is at %v, behind one at %v", i, u.DTS, last)
		}
		last = u.DTS
		switch {
		case u.Config:
			configs++
		case u.Kind == demux.Video:
			pictures++
		default:
			sounds++
		}
	}
	return pictures, sounds, configs
}

// Both tracks come in the order of their times, whichever is behind, and all of them.
func TestCall(t *testing.T) {
	for _, lag := range []time.Duration{0, 60 * time.Millisecond, 150 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			cam := &camera{takes: alaw}
			c := newCaller(t, cam)
			c.Go(func() {
				c.talk(0, 4*time.Second)
				if err := c.k.Finish(t.Context()); err != nil {
					t.Error(err)
				}
			})
			c.Go(func() {
				c.show(0, 2*time.Second, lag)
				c.k.ChangePictures([]byte{1, 'b'})
				c.show(2*time.Second, 4*time.Second, lag)
				if err := c.k.EndPictures(); err != nil {
					t.Error(err)
				}
			})
			c.Wait()
			if pictures, sounds, configs := cam.got(t, 0); pictures != 100 || sounds != 200 || configs != 2 {
				t.Errorf("lag %v: %d pictures, %d of sound, %d configurations", lag, pictures, sounds, configs)
			}
			if !cam.asked[0].Video {
				t.Error("the talk was not announced as a call")
			}
			if s := c.k.Stats(); s.Pictures != 100 || s.Dropped != 0 || s.Bytes != 200*160 {
				t.Errorf("%+v", s)
			}
			c.k.Close()
			cam.left(t)
		})
	}
}

// What comes of a file comes at once: pictures wait in the pipeline for the sound.
func TestCallPicturesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &camera{takes: alaw}
		c := newCaller(t, cam)
		c.Go(func() {
			for at := time.Duration(0); at < 8*time.Second; at += pictureStep {
				if _, err := c.k.Picture(&Picture{At: at, Key: at == 0, Data: []byte{1}}); err != nil {
					t.Error(err)
				}
			}
			if err := c.k.EndPictures(); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait() // the lane is full
		c.talk(0, 8*time.Second)
		c.Wait()
		if err := c.k.Finish(t.Context()); err != nil {
			t.Error(err)
		}
		if pictures, sounds, _ := cam.got(t, 0); pictures != 200 || sounds != 400 {
			t.Errorf("%d pictures, %d of sound", pictures, sounds)
		}
		c.k.Close()
		cam.left(t)
	})
}

// Sound that pauses does not hold the pictures up, nor pictures that pause the sound.
func TestCallOneTrackPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &camera{takes: alaw}
		c := newCaller(t, cam)
		c.Go(func() { c.show(0, 6*time.Second, 0) })
		c.talk(0, time.Second)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if pictures, _, _ := cam.got(t, 0); pictures < 90 {
			t.Errorf("%d pictures of four seconds, three of them without sound", pictures)
		}
		c.Wait() // no more pictures, and no end of them
		begin := time.Now()
		c.talk(6*time.Second, 8*time.Second)
		if d := time.Since(begin); d > 2*time.Second+2*hold {
			t.Errorf("two seconds of sound took %v without pictures", d)
		}
		c.k.OpenPictures(false) // the pad is released in mid-call
		c.talk(8*time.Second, 9*time.Second)
		if err := c.k.Finish(t.Context()); err != nil {
			t.Error(err)
		}
		if pictures, sounds, _ := cam.got(t, 0); pictures != 150 || sounds != 50+100+50 {
			t.Errorf("%d pictures, %d of sound", pictures, sounds)
		}
		c.k.Close()
		cam.left(t)
	})
}

// Whichever ends first, the other is said to its end; without sound there is no call.
func TestCallEnds(t *testing.T) {
	for name, tt := range map[string]struct{ sound, pictures time.Duration }{
		"sound first":    {time.Second, 3 * time.Second},
		"pictures first": {3 * time.Second, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			cam := &camera{takes: alaw}
			c := newCaller(t, cam)
			c.Go(func() {
				c.show(0, tt.pictures, 0)
				c.k.EndPictures()
			})
			c.talk(0, tt.sound)
			if err := c.k.Finish(t.Context()); err != nil {
				t.Error(err)
			}
			c.Wait()
			if pictures, sounds, _ := cam.got(t, 0); pictures != int(tt.pictures/pictureStep) || sounds != int(tt.sound/soundStep) {
				t.Errorf("%s: %d pictures, %d of sound", name, pictures, sounds)
			}
			c.k.Close()
			cam.left(t)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		cam := &camera{takes: alaw}
		c := newCaller(t, cam)
		c.Go(func() {
			c.show(0, 5*time.Second, 0)
			c.k.EndPictures()
		})
		if err := c.k.Finish(t.Context()); err != nil {
			t.Error(err)
		}
		c.Wait()
		if len(cam.voices) != 0 {
			t.Error("the line was taken")
		}
		c.k.Close()
		cam.left(t)
	})
}

// A talk begins with a key picture, also the one after a pause, and says that it wants one.
func TestCallBeginsWithKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &camera{takes: alaw}
		c := newCaller(t, cam)
		c.talk(0, soundStep)
		asked := 0
		picture := func(at time.Duration, key bool) {
			want, err := c.k.Picture(&Picture{At: at, Key: key, Data: []byte{1}})
			if err != nil {
				t.Fatal(err)
			}
			if want {
				asked++
			}
		}
		for talk := range 2 {
			at := time.Duration(1+talk) * time.Second
			picture(at, false)
			c.talk(at, at+2*soundStep)
			picture(at+pictureStep, true)
			picture(at+2*pictureStep, false)
			c.talk(at+2*soundStep, at+6*soundStep)
			c.k.HangUp()
		}
		c.k.OpenPictures(false)
		if err := c.k.Finish(t.Context()); err != nil {
			t.Error(err)
		}
		for n := range cam.voices {
			if pictures, _, configs := cam.got(t, n); pictures != 2 || configs != 1 {
				t.Errorf("talk %d: %d pictures, %d configurations", n, pictures, configs)
			}
		}
		if s := c.k.Stats(); asked != 2 || s.Dropped != 2 {
			t.Errorf("asked %d times, %d dropped", asked, s.Dropped)
		}
		c.k.Close()
		cam.left(t)
	})
}

// A flush, and the end of a talker, wake who waits with a full lane.
func TestCallFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller(t, &camera{takes: alaw})
		fill := func() {
			for at := range 10 * time.Duration(maxQueued) {
				c.k.Picture(&Picture{At: at * pictureStep, Key: true, Data: []byte{1}})
			}
		}
		c.Go(fill)
		synctest.Wait()
		if n := len(c.k.pictures.queue); n != maxQueued {
			t.Errorf("%d pictures in the lane", n)
		}
		c.k.FlushPictures(true)
		c.Wait()
		c.k.FlushPictures(false)
		c.Go(fill)
		synctest.Wait()
		c.k.Close()
		c.Wait()
		if len(c.k.pictures.queue) != 0 {
			t.Error("pictures are left in the lane")
		}
	})
}

// A camera that takes no pictures any more ends both threads; an interrupt ends the write.
func TestCallFails(t *testing.T) {
	lost := errors.New("the line broke")
	synctest.Test(t, func(t *testing.T) {
		fail := false
		cam := &camera{takes: alaw, write: func(*voice) error {
			if fail {
				return lost
			}
			return nil
		}}
		c := newCaller(t, cam)
		c.talk(0, time.Second)
		fail = true
		var err error
		for at := time.Duration(0); err == nil && at < 5*time.Second; at += pictureStep {
			time.Sleep(pictureStep)
			_, err = c.k.Picture(&Picture{At: at, Key: true, Data: []byte{1}})
		}
		if !errors.Is(err, lost) {
			t.Errorf("pictures: %v", err)
		}
		if err := c.k.Finish(t.Context()); !errors.Is(err, lost) {
			t.Errorf("sound: %v", err)
		}
		c.k.Close()
		cam.left(t)
	})
	synctest.Test(t, func(t *testing.T) {
		stuck := false
		cam := &camera{takes: alaw, write: func(v *voice) error {
			if stuck {
				<-v.done
			}
			return nil
		}}
		c := newCaller(t, cam)
		c.talk(0, soundStep)
		stuck = true
		time.Sleep(time.Second)
		c.Go(func() { c.k.Picture(&Picture{Key: true, Data: []byte{1}}) })
		synctest.Wait()
		c.k.Interrupt(true)
		c.Wait()
		c.k.HangUp()
		c.k.Interrupt(false)
		c.k.Close()
	})
}

// Of a picture that no camera takes nothing is said, nor of those that need it.
func TestCallPictureTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &camera{takes: alaw}
		c := newCaller(t, cam)
		c.Go(func() {
			c.talk(0, time.Second)
			if err := c.k.Finish(t.Context()); err != nil {
				t.Error(err)
			}
		})
		asked := 0
		for i, p := range []Picture{{Key: true, Data: []byte{0}}, {Data: []byte{1}}, {Data: make([]byte, maxPicture+1)}, {Data: []byte{3}},
			{Key: true, Data: make([]byte, maxPicture+1)}, {Data: []byte{5}}, {Key: true, Data: []byte{6}}, {Data: []byte{7}}} {
			p.At = time.Duration(i) * pictureStep
			time.Sleep(pictureStep)
			wantKey, err := c.k.Picture(&p)
			if err != nil {
				t.Fatal(err)
			}
			if wantKey {
				asked++
			}
		}
		if err := c.k.EndPictures(); err != nil {
			t.Error(err)
		}
		c.Wait()
		var said []byte
		for _, u := range cam.unitsOf(0) {
			if u.Kind == demux.Video && !u.Config {
				said = append(said, u.Data...)
			}
		}
		if want := []byte{0, 1, 6, 7}; !bytes.Equal(said, want) {
			t.Errorf("said %v, not %v", said, want)
		}
		if s := c.k.Stats(); s.Pictures != 4 || s.Dropped != 4 || asked != 2 {
			t.Errorf("asked %d times, %+v", asked, s)
		}
	})
}
