// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"sync"
	"time"
)

// After a failure a storage is left alone for retryFirst, then for twice as long
// each time, at most retryMost.
const (
	retryFirst = time.Second
	retryMost  = 10 * time.Second
)

// health remembers that a storage fails. The committer changes it, status reads it.
type health struct {
	mu    sync.Mutex
	err   error
	wait  time.Duration
	retry time.Time
}

func (h *health) fail(err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wait = min(max(2*h.wait, retryFirst), retryMost)
	h.err, h.retry = err, now.Add(h.wait)
}

func (h *health) ok() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err, h.wait = nil, 0
}

// rest says whether the storage is to be left alone still.
func (h *health) rest(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil && now.Before(h.retry) {
		return h.err
	}
	return nil
}

func (h *health) error() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}
