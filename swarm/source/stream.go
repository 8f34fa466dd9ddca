// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/swarm/chunk"
)

const (
	originRetryMin = 500 * time.Millisecond
	originRetryMax = 10 * time.Second
	// goodOrigin is how long an origin must have held for the next attempt to come at once.
	goodOrigin = 10 * time.Second
	keyTimeout = 10 * time.Second
)

// stream is one origin and its viewers.
type stream struct {
	name             string
	open             Opener
	linger, patience time.Duration
	log              *slog.Logger
	hub              *hub
	room             *room

	pmu  sync.Mutex // guards p; hub.mu may be taken under it
	p    *chunk.Packager
	keys keyring

	maxViewers int
	mirror     *mirror       // nil: the stream comes from an origin alone
	group      *group        // nil: it has no other source that could lead it
	known      chan struct{} // closed when id.key is known

	mu      sync.Mutex
	id      identity
	viewers int
	wanted  time.Time     // when the first came that the stream is pulled for now
	demand  chan struct{} // one token: viewers came or went
	fault   error         // why the origin is not there

	sent  atomic.Uint64 // bytes to viewers of all kinds
	pulls atomic.Uint64 // connections to the origin
	took  atomic.Uint64 // bytes from it
	asked atomic.Uint64 // chunks that viewers missed and asked for
}

var errFull = errors.New("the stream has as many viewers as it can have: try again later")

// enter counts a viewer in, which has the origin pulled, and out by what it returns.
func (s *stream) enter() (leave func(), err error) {
	if !s.count(1) {
		return nil, errFull
	}
	return func() { s.count(-1) }, nil
}

func (s *stream) count(n int) bool {
	s.mu.Lock()
	full := n > 0 && s.viewers >= s.maxViewers
	if !full {
		s.viewers += n
	}
	s.mu.Unlock()
	if full {
		return false
	}
	select {
	case s.demand <- struct{}{}:
	default:
	}
	return true
}

func (s *stream) watched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.viewers > 0
}

// starved says whether nothing has come for yieldAfter, though somebody watches or did of late.
func (s *stream) starved(now time.Time) bool {
	s.mu.Lock()
	since := s.wanted
	s.mu.Unlock()
	return !since.IsZero() && now.Sub(since) > yieldAfter && now.Sub(s.hub.fed()) > yieldAfter
}

func (s *stream) setFault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
}

func (s *stream) getFault() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

// run pulls the origin while there are viewers, and for the linger behind the last.
func (s *stream) run(ctx context.Context) {
	for {
		for !s.watched() {
			select {
			case <-s.demand:
			case <-ctx.Done():
				return
			}
		}
		s.mu.Lock()
		s.wanted = time.Now()
		s.mu.Unlock()
		pull, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.pullAgain(pull)
		}()
		s.awaitIdle(ctx)
		cancel()
		<-done
		s.mu.Lock()
		s.wanted = time.Time{}
		s.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		s.log.Info("left the origin: nobody watches")
		s.hub.clear()
		s.setFault(nil)
	}
}

// awaitIdle returns when nobody has watched for the linger.
func (s *stream) awaitIdle(ctx context.Context) {
	t := time.NewTimer(s.linger)
	defer t.Stop()
	for {
		if s.watched() {
			t.Stop()
		} else {
			t.Reset(s.linger)
		}
		select {
		case <-s.demand:
		case <-t.C:
			if !s.watched() {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// pullAgain pulls until ctx ends, from the beginning wherever the origin breaks off.
func (s *stream) pullAgain(ctx context.Context) {
	wait := originRetryMin
	for {
		began := time.Now()
		err := s.pull(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errOtherLeader) {
			wait = originRetryMin
			continue
		}
		if time.Since(began) > goodOrigin {
			wait = originRetryMin
		}
		s.setFault(err)
		s.log.Warn("origin; trying again", "err", err, "in", wait)
		select {
		case <-time.After(wait):
		case <-s.group.moved():
		case <-ctx.Done():
			return
		}
		wait = min(2*wait, originRetryMax)
	}
}

var errOriginEnded = errors.New("the origin ended the stream")

// pull is one connection to the origin, or to the source whose chunks are passed on.
func (s *stream) pull(ctx context.Context) error {
	switch {
	case s.group != nil:
		return s.group.pull(ctx)
	case s.mirror != nil:
		return s.mirror.pull(ctx)
	}
	return s.pullOrigin(ctx)
}

func (s *stream) pullOrigin(ctx context.Context) error {
	s.pulls.Add(1)
	body, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { body.Close() })()
	defer body.Close()
	s.pmu.Lock()
	s.p.Restart()
	s.pmu.Unlock()
	f := newFlusher(s)
	defer f.stop()
	r := flv.NewReader(counting{body, &s.took}, flv.Options{})
	var tag flv.Tag
	var unit demux.Unit
	for first := true; ; first = false {
		if err := r.Next(&tag, &unit); err != nil {
			if errors.Is(err, io.EOF) {
				return errOriginEnded
			}
			return fmt.Errorf("origin: %w", err)
		}
		if first {
			s.log.Info("the origin's stream begins")
			s.setFault(nil)
		}
		s.pmu.Lock()
		s.p.Put(&tag, &unit, time.Now())
		f.watch()
		s.pmu.Unlock()
	}
}

// flusher ends chunks that have waited for more tags for as long as they may.
type flusher struct {
	s     *stream
	timer *time.Timer
	armed uint64 // the sequence that the timer is for
	on    bool
	off   bool
}

func newFlusher(s *stream) *flusher {
	f := &flusher{s: s}
	f.timer = time.AfterFunc(time.Hour, f.fire)
	f.timer.Stop()
	return f
}

// watch starts the time of the chunk that is being filled. Called with pmu held.
func (f *flusher) watch() {
	seq, filling := f.s.p.Filling()
	if !filling || f.on && f.armed == seq {
		return
	}
	f.armed, f.on = seq, true
	f.timer.Reset(chunk.MaxSpan)
}

func (f *flusher) fire() {
	f.s.pmu.Lock()
	defer f.s.pmu.Unlock()
	if f.off {
		return
	}
	if seq, filling := f.s.p.Filling(); filling && seq == f.armed {
		f.s.p.Flush()
	}
	f.on = false
}

func (f *flusher) stop() {
	f.s.pmu.Lock()
	defer f.s.pmu.Unlock()
	f.off = true
	f.timer.Stop()
	f.s.p.Flush()
}

// sleep waits; false: ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
