// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// After a failure a storage is left alone for retryFirst, then for twice as long
// each time, at most retryMost.
const (
	retryFirst = time.Second
	retryMost  = 10 * time.Second
)

// FullError says that a storage has no room and nothing on it may be removed.
// Recording there stops, with cause disk, until that changes.
type FullError struct {
	Dir    string
	Limit  string // what it has reached: "max-bytes", "keep-free", "no space left"
	Locked int64  // bytes of segments that locks protect
	// Limited: the oldest recordings may make room, as far as they are not locked.
	Limited bool
}

func (e *FullError) Error() string {
	s := fmt.Sprintf("storage %s is full (%s) and nothing on it may be removed: ", e.Dir, e.Limit)
	switch {
	case e.Locked > 0:
		return s + fmt.Sprintf("%d bytes are locked; unlock recordings, raise the limit or add a storage", e.Locked)
	case !e.Limited:
		return s + "set keep-free or max-bytes, and the oldest recordings make room"
	}
	return s + "make room or add a storage"
}

// Is makes it an ENOSPC, which it amounts to.
func (e *FullError) Is(target error) bool { return target == unix.ENOSPC }

// health remembers that a storage fails. The committer changes it, status reads it.
type health struct {
	mu    sync.Mutex
	err   error
	wait  time.Duration
	retry time.Time
}

// fail notes an error; first: the storage worked until now.
func (h *health) fail(err error, now time.Time) (first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wait = min(max(2*h.wait, retryFirst), retryMost)
	first = h.err == nil
	h.err, h.retry = err, now.Add(h.wait)
	return first
}

// ok notes that the storage works; before: it did not until now.
func (h *health) ok() (before bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before = h.err != nil
	h.err, h.wait = nil, 0
	return before
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

// failed notes that the storage cannot be written to, and says so once.
func (s *storage) failed(err error) {
	if !s.health.fail(err, s.archive.cfg.Now()) {
		return
	}
	n := Notice{Kind: NoticeFailed, Error: err.Error()}
	if full := (*FullError)(nil); errors.As(err, &full) {
		n.Kind = NoticeFull
	}
	s.notify(n)
}

// works notes that it can be written to.
func (s *storage) works() {
	if s.health.ok() {
		s.notify(Notice{Kind: NoticeWorks})
	}
}
