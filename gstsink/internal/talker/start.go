// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"fmt"
	"sync"
	"time"
)

// NoSoundError says that no sound has come from the pipeline for too long. Without
// pictures it is a notice: whoever presses a button to talk may take longer. With
// Pictures it is the talker's end, as they wait for the sound and it is not to be seen
// that they do.
type NoSoundError struct {
	After    time.Duration
	Pictures bool
}

func (e *NoSoundError) Error() string {
	if e.Pictures {
		return fmt.Sprintf("pictures have come and no sound for %v", e.After)
	}
	return fmt.Sprintf("no sound has come for %v", e.After)
}

// starting watches for the first of sound and pictures.
type starting struct {
	sound    chan struct{} // closed with the first sound, gap or end of sound
	pictures chan struct{} // closed with the first picture
	close    chan struct{} // closed by Close

	heard, seen, closed sync.Once
	watch               sync.WaitGroup
}

// Started says that there is sound, a gap in it, or its end: also what waits in a preroll
// counts. It is for any goroutine.
func (t *Talker) Started() { t.start.heard.Do(func() { close(t.start.sound) }) }

// watchStart says once that nothing comes, and ends the talker when sound does not come
// for that long after the first picture.
func (t *Talker) watchStart() {
	s := &t.start
	after := t.opts.StartTimeout
	timer := time.NewTimer(after)
	defer timer.Stop()
	late := timer.C
	pictures := s.pictures
	for {
		select {
		case <-s.sound:
			return
		case <-s.close:
			return
		case <-pictures:
			pictures = nil
			timer.Reset(after)
			late = timer.C
			continue
		case <-late:
		}
		err := &NoSoundError{After: after, Pictures: pictures == nil}
		if !err.Pictures {
			t.late(err)
			late = nil
			continue
		}
		select {
		case <-s.sound: // at the last moment
			return
		default:
		}
		// Said before anybody is woken: a source whose pictures are refused says that at
		// once, and a program shall hear first why.
		fatal := &Error{Phase: Opening, Err: err}
		t.late(fatal)
		t.mu.Lock()
		if t.fatal == nil {
			t.fatal = fatal
		}
		t.endPictures()
		t.mu.Unlock()
		return
	}
}

func (t *Talker) late(err error) {
	if t.opts.Late != nil {
		t.opts.Late(err)
	}
}
