// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// What comes, and when, decides what is said of the sound that does not.
func TestStart(t *testing.T) {
	const bound = 10 * time.Second
	picture := func(k *Talker) { k.Picture(&Picture{Key: true, Data: []byte{1}}) }
	for _, tt := range []struct {
		name   string
		bound  time.Duration
		happen func(*Talker)
		notice int // a notice, sounds still being possible
		end    time.Duration
	}{
		{"nothing", bound, func(*Talker) {}, 1, 0},
		{"nothing, without a bound", 0, func(*Talker) {}, 0, 0},
		{"sound", bound, (*Talker).Started, 0, 0},
		{"sound twice", bound, func(k *Talker) { k.Started(); k.Started() }, 0, 0},
		{"sound in the end", bound, func(k *Talker) { time.Sleep(bound - time.Second); k.Started() }, 0, 0},
		{"late sound", bound, func(k *Talker) { time.Sleep(3 * bound); k.Started() }, 1, 0},
		{"pictures", bound, picture, 0, bound},
		{"pictures, without a bound", 0, picture, 0, 0},
		{"late pictures", bound, func(k *Talker) { time.Sleep(3 * bound); picture(k) }, 1, 4 * bound},
		{"pictures, then sound", bound, func(k *Talker) { picture(k); time.Sleep(bound / 2); k.Started() }, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var notices []error
				var end error
				var at time.Duration
				k := New(&camera{takes: alaw}, Options{StartTimeout: tt.bound, Late: func(err error) {
					if errors.As(err, new(*Error)) {
						end, at = err, time.Since(begin)
					} else {
						notices = append(notices, err)
					}
				}})
				k.OpenPictures(true)
				k.ChangePictures([]byte{1, 'a'})
				tt.happen(k)
				time.Sleep(10 * bound)
				synctest.Wait()
				if len(notices) != tt.notice || at != tt.end {
					t.Errorf("notices %v; the end %v came after %v instead of %v", notices, end, at, tt.end)
				}
				if none := new(NoSoundError); tt.end > 0 && (!errors.As(end, &none) || !none.Pictures || none.After != bound) {
					t.Errorf("the end is %v", end)
				}
				if _, err := k.Picture(&Picture{Key: true, Data: []byte{1}}); (err != nil) != (tt.end > 0) {
					t.Errorf("a picture behind it: %v", err)
				}
				k.Close()
			})
		})
	}
}

// Pictures that wait for sound do not wait for ever, nor does the end of them.
func TestStartWakesPictures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := New(&camera{takes: alaw}, Options{StartTimeout: time.Second})
		k.OpenPictures(true)
		k.ChangePictures([]byte{1, 'a'})
		var err error
		n := 0
		for ; err == nil && n < 10*maxQueued; n++ {
			_, err = k.Picture(&Picture{At: time.Duration(n), Key: true, Data: []byte{1}})
		}
		if !errors.As(err, new(*NoSoundError)) || n != maxQueued+1 {
			t.Errorf("picture %d: %v", n, err)
		}
		if err := k.EndPictures(); err != nil && !errors.As(err, new(*NoSoundError)) {
			t.Error(err)
		}
		if err := k.Send(t.Context()); !errors.As(err, new(*NoSoundError)) {
			t.Errorf("sound behind it: %v", err)
		}
		k.Close()
	})
}
