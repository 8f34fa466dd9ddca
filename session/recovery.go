// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/xp2p/xp2p/internal/link"
)

// A link that falls silent first looks for another path by itself (an ICE restart, 2 s
// after the last packet; internal/link). When it is lost for good, the service makes a
// new one, again and again until it is closed or the camera would never let it in.
const (
	rejoinFirst = 200 * time.Millisecond
	rejoinMost  = 15 * time.Second
	// A link that lasts this long was a good one: the next loss starts over with short
	// waits. One that is lost earlier goes on with the waits of before, so that a camera
	// that lets us in and throws us out is not asked all the time.
	stableAfter = 10 * time.Second
)

// rejoinDelay is the wait before an attempt, 1 the first: doubling, and by chance
// between half and all of it, so that those whom one fault cut off do not come back at
// one moment.
func rejoinDelay(attempt int) time.Duration {
	d := rejoinMost
	if n := attempt - 1; n < 8 {
		d = min(rejoinFirst<<n, rejoinMost)
	}
	return d/2 + rand.N(d/2+1)
}

// rejoiner joins a camera again after its link was lost.
type rejoiner struct {
	join   func(context.Context) error
	report func(subtype string, detail any)
	kick   chan struct{} // one token: do not wait, the network is another one
}

// run tries until join succeeds, ctx ends or trying again is of no use, which it
// reports as a final disconnect. before is the number of attempts since a good link;
// run returns the number now, and nil for success.
func (r *rejoiner) run(ctx context.Context, before int, cause error) (attempts int, err error) {
	for n := before + 1; ; n++ {
		code, _ := CodeOf(cause)
		delay := rejoinDelay(n)
		r.report(Reconnecting, ReconnectDetail{Attempt: n, DelayMS: delay.Milliseconds(), Reason: cause.Error(), Code: code})
		t := time.NewTimer(delay)
		select {
		case <-t.C:
		case <-r.kick:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		if cause = r.join(ctx); cause == nil {
			return n, nil
		}
		if code, ok := CodeOf(cause); ok && !code.Retryable() {
			r.report(Disconnect, DisconnectDetail{Reason: cause.Error(), Code: code, Final: true})
			return n, cause
		}
	}
}

// watch stands by a link until its end, reports that and sees to the next link.
func (s *Service) watch(l *link.Link) {
	defer s.wg.Done()
	began := time.Now()
	<-l.Done()
	err := l.Err()
	s.unlisten(l)
	l.Close()
	if s.life.Err() != nil {
		return // closed by us
	}
	s.events.notify(Disconnect, DisconnectDetail{Reason: err.Error(), Code: StreamFailed})
	s.log.Warn("link lost", "err", err)
	s.recover(err, time.Since(began) >= stableAfter)
}

// recover runs the service's rejoiner, if it does not run already.
func (s *Service) recover(cause error, stable bool) {
	s.mu.Lock()
	if stable {
		s.attempts = 0
	}
	busy := s.recovering || s.closed
	if !busy {
		s.recovering = true
	}
	n := s.attempts
	s.mu.Unlock()
	if busy {
		return
	}
	r := rejoiner{report: s.events.notify, kick: s.kick, join: func(ctx context.Context) error {
		_, err := s.connected(ctx, "startP2PService")
		return err
	}}
	for {
		var err error
		n, err = r.run(s.life, n, &Error{"startP2PService", StreamFailed, cause})
		s.mu.Lock()
		s.attempts = n
		if err != nil || s.closed || s.link.Err() == nil {
			s.recovering = false
			s.mu.Unlock()
			return
		}
		// The new link is lost already, and its watcher left that to us.
		cause = s.link.Err()
		s.mu.Unlock()
	}
}

// renew follows a change of network: the link restarts ICE, and one that finds no path
// is lost and replaced; a service that waits to try again does it now.
func (s *Service) renew(ctx context.Context) {
	if m := s.manyNow(); m != nil {
		m.renew()
	}
	if s.grant == nil {
		return
	}
	s.mu.Lock()
	l := s.link
	s.mu.Unlock()
	if l == nil || l.Err() != nil {
		select {
		case s.kick <- struct{}{}:
		default:
		}
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, renewTimeout, errors.New("the camera did not answer"))
	defer cancel()
	if err := l.Renew(ctx); err != nil && l.Err() != nil {
		s.log.Info("no path after the change of network; joining anew", "err", err)
	}
}

// renewTimeout is how long an ICE restart may take before a new link is made.
const renewTimeout = 3 * time.Second
