// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"bytes"
	"context"
	"math"
	"sync"
	"time"
)

// Picture is one access unit of H.264 in AVC form.
type Picture struct {
	At   time.Duration // running time of its decoding; may be before 0
	CTS  time.Duration // presentation less decoding
	Key  bool
	Data []byte
}

const (
	// maxQueued and maxQueuedBytes bound the lane: two seconds and more of a video
	// call, and less than a camera takes in one talk's buffer. Behind that the
	// pipeline waits, as for any sink.
	maxQueued      = 64
	maxQueuedBytes = 4 << 20
	// maxPicture is the largest picture that a camera takes in one tag
	// (docs/design/0005, "Voice"), less the tag's own header.
	maxPicture = 1<<20 - 16
)

// lane is the pictures on their way to the camera: between the thread that brings them
// and the sound, which says those that are due before itself.
type lane struct {
	mu      sync.Mutex
	changed chan struct{} // closed when something below changes; nil: nobody waits

	open     bool // there are pictures: the pad exists
	ended    bool // no more come
	flushing bool // they are thrown away, and nobody waits
	over     bool // so they are for ever: the talker has ended
	config   []byte
	queue    []queued
	bytes    int
	newest   time.Duration // of the pictures that came
	broken   bool          // one was thrown away: those up to the next key picture need it
	late     bool          // the sound does not wait for pictures
	wantKey  bool          // whoever makes them is to be asked for a key picture

	held  bool               // no write may begin
	write context.CancelFunc // ends that under way; nil: none
}

type queued struct {
	Picture
	config []byte
}

// poke wakes who waits; mu is held.
func (l *lane) poke() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// wait gives what is closed with the next change; mu is held.
func (l *lane) wait() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// do changes the lane and wakes who waits.
func (l *lane) do(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.poke()
}

func (l *lane) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// clear forgets what was not said; mu is held.
func (l *lane) clear() {
	clear(l.queue)
	l.queue, l.bytes = l.queue[:0], 0
}

// What put did with a picture.
type fate int

const (
	taken   fate = iota
	dropped      // it is of no use
	refused      // there is no room
)

// put takes a copy of p. Where there is no room for it, there is none until full is closed.
func (l *lane) put(p *Picture) (f fate, full <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.flushing || l.over || len(p.Data) == 0:
		return taken, nil // and thrown away, as it is meant to be
	case len(l.config) == 0, len(p.Data) > maxPicture, l.broken && !p.Key:
		if !l.broken || p.Key { // asked for once, and again if what comes is of no use
			l.wantKey = true
		}
		l.broken = true
		return dropped, nil
	case len(l.queue) >= maxQueued || len(l.queue) > 0 && l.bytes+len(p.Data) > maxQueuedBytes:
		return refused, l.wait()
	}
	l.broken = false
	q := queued{*p, l.config}
	q.Data = bytes.Clone(p.Data)
	l.queue = append(l.queue, q)
	l.bytes += len(q.Data)
	l.newest = p.At
	l.poke()
	return taken, nil
}

// next takes the first picture out if its running time is not behind until.
func (l *lane) next(until time.Duration) (q queued, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 || l.queue[0].At > until {
		return q, false
	}
	q = l.queue[0]
	n := copy(l.queue, l.queue[1:])
	l.queue[n] = queued{}
	l.queue = l.queue[:n]
	l.bytes -= len(q.Data)
	l.poke()
	return q, true
}

// behind says whether pictures are still to come for the running time at, and until when
// that cannot change. Pictures that were late are waited for again when they have caught up.
func (l *lane) behind(at time.Duration) (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open || l.ended || l.flushing || l.over {
		return false, nil
	}
	if l.newest >= at {
		l.late = false
		return false, nil
	}
	return !l.late, l.wait()
}

// empty says whether all is said that came; ended, whether that is all.
func (l *lane) empty() (empty, ended bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) == 0 || l.flushing || l.over, !l.open || l.ended || l.over, l.wait()
}

// asked says, once, that a key picture is wanted.
func (l *lane) asked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.wantKey
	l.wantKey = false
	return w
}

// writing gives the context of a write of the pictures' own thread. hold ends it.
func (l *lane) writing() (context.Context, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	if l.held || l.flushing || l.over {
		cancel()
	}
	l.write = cancel
	return ctx, func() {
		cancel()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.write = nil
	}
}

// interrupt ends the write under way; mu is held.
func (l *lane) interrupt() {
	if l.write != nil {
		l.write()
	}
}

// never is a running time before all others.
const never = time.Duration(math.MinInt64)
