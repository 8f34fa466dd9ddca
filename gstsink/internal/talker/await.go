// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"context"
	"sync"

	"github.com/xp2p/xp2p/session"
)

// await runs open and gives its result, or ctx's error as soon as ctx ends. What open
// gives after that is dropped. So a call that is slow to notice its cancelled context
// holds nobody up.
func await[T any](ctx context.Context, background *sync.WaitGroup, open func() (T, error), drop func(T)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	taken := make(chan bool, 1)
	background.Go(func() {
		v, err := open()
		done <- result{v, err}
		if !<-taken && err == nil {
			drop(v)
		}
	})
	select {
	case r := <-done:
		taken <- true
		return r.v, r.err
	case <-ctx.Done():
		taken <- false
		var none T
		return none, ctx.Err()
	}
}

// gate passes events on until it is shut. shut waits for an event under way, so that
// nothing is called behind the back of whoever closed the talker.
type gate struct {
	mu sync.RWMutex
	to func(session.Event) // nil: shut
}

func (g *gate) emit(e session.Event) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.to != nil {
		g.to(e)
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.to = nil
}
