// SPDX-License-Identifier: LGPL-2.1-or-later

package viewer

import (
	"context"
	"io"
	"sync"
)

// pool shares one M per key between those who hold a lease on it. Making and
// closing an M may take long, so neither happens under the pool's lock.
type pool[K comparable, M io.Closer] struct {
	mu      sync.Mutex
	entries map[K]*entry[M]
}

// entry is an M in the making, in use or, with no holders, on its way out.
type entry[M io.Closer] struct {
	holders int
	cancel  context.CancelFunc // of the making
	ready   chan struct{}      // closed when m and err are set
	m       M
	err     error
}

// acquire gives the M of key, made by create if there is none, and the function
// that gives it back. ctx bounds the wait; the making goes on for other holders.
func (p *pool[K, M]) acquire(ctx context.Context, key K, create func(context.Context) (M, error)) (M, func(), error) {
	e := p.join(key, create)
	release := sync.OnceFunc(func() { p.leave(key, e) })
	select {
	case <-e.ready:
		if e.err != nil {
			release()
		}
		return e.m, release, e.err
	case <-ctx.Done():
		release()
		var none M
		return none, func() {}, ctx.Err()
	}
}

func (p *pool[K, M]) join(key K, create func(context.Context) (M, error)) *entry[M] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.entries[key]; e != nil {
		e.holders++
		return e
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &entry[M]{holders: 1, cancel: cancel, ready: make(chan struct{})}
	if p.entries == nil {
		p.entries = map[K]*entry[M]{}
	}
	p.entries[key] = e
	go func() {
		e.m, e.err = create(ctx)
		if e.err != nil {
			p.forget(key, e) // who asks next tries anew
		}
		close(e.ready)
	}()
	return e
}

// leave gives up one hold. The last one closes the M, in the caller's time: a
// caller that is in a hurry calls it from elsewhere.
func (p *pool[K, M]) leave(key K, e *entry[M]) {
	p.mu.Lock()
	e.holders--
	last := e.holders == 0
	if last && p.entries[key] == e {
		delete(p.entries, key)
	}
	p.mu.Unlock()
	if !last {
		return
	}
	e.cancel()
	<-e.ready
	if e.err == nil {
		e.m.Close()
	}
}

func (p *pool[K, M]) forget(key K, e *entry[M]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.entries[key] == e {
		delete(p.entries, key)
	}
}
