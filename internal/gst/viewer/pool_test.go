// SPDX-License-Identifier: LGPL-2.1-or-later

package viewer

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type thing struct {
	mu     sync.Mutex
	closed int
}

func (t *thing) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed++
	return nil
}

// maker counts what it makes; each takes a second.
type maker struct {
	mu   sync.Mutex
	made []*thing
	err  error
}

func (m *maker) make(ctx context.Context) (*thing, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	m.made = append(m.made, &thing{})
	return m.made[len(m.made)-1], nil
}

func TestPoolShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pool[string, *thing]
		var m maker
		var wg sync.WaitGroup
		got := make([]*thing, 8)
		release := make([]func(), 8)
		for i := range got {
			wg.Go(func() { got[i], release[i], _ = p.acquire(t.Context(), "a", m.make) })
		}
		wg.Wait()
		if len(m.made) != 1 || got[0] == nil || got[7] != got[0] {
			t.Fatalf("%d made", len(m.made))
		}
		other, releaseOther, _ := p.acquire(t.Context(), "b", m.make)
		if other == got[0] {
			t.Error("another key shares")
		}
		releaseOther()
		for i, r := range release {
			r()
			r() // giving back twice counts once
			if closed := got[0].closed == 1; closed != (i == 7) {
				t.Errorf("after %d of 8: closed %v", i+1, closed)
			}
		}
		again, r, _ := p.acquire(t.Context(), "a", m.make)
		if again == got[0] {
			t.Error("a closed one was given out")
		}
		r()
		if len(p.entries) != 0 {
			t.Errorf("%d entries left", len(p.entries))
		}
	})
}

func TestPoolFailureIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pool[string, *thing]
		m := maker{err: errors.New("no network")}
		if _, _, err := p.acquire(t.Context(), "a", m.make); err != m.err {
			t.Fatal(err)
		}
		m.err = nil
		_, release, err := p.acquire(t.Context(), "a", m.make)
		if err != nil {
			t.Fatal(err)
		}
		release()
		if len(p.entries) != 0 {
			t.Errorf("%d entries left", len(p.entries))
		}
	})
}

// One who no longer waits does not take the making away from the others, and
// the last one to leave ends it.
func TestPoolCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pool[string, *thing]
		var m maker
		hasty, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := p.acquire(hasty, "a", m.make); err != context.DeadlineExceeded {
				t.Error(err)
			}
		})
		wg.Go(func() {
			time.Sleep(time.Microsecond)
			_, release, err := p.acquire(t.Context(), "a", m.make)
			if err != nil {
				t.Error(err)
			}
			release()
		})
		wg.Wait()
		if len(m.made) != 1 || m.made[0].closed != 1 {
			t.Errorf("%d made", len(m.made))
		}

		alone, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begin := time.Now()
		if _, _, err := p.acquire(alone, "a", m.make); err != context.DeadlineExceeded {
			t.Error(err)
		}
		if d := time.Since(begin); d != time.Millisecond {
			t.Errorf("took %v", d)
		}
	})
}
