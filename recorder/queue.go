// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import "sync"

// job is one step for the committer: a part, or something to do once all parts
// before it are durable: those of one camera, of all, or (neither) none.
type job struct {
	part *part
	do   func()
	of   *CameraRecorder
	all  bool
}

// queue hands jobs to the committer in order. It takes whatever it is given: what
// bounds it is CameraRecorder.reserve, which refuses parts beyond a camera's
// share; the steps between them are a few per second at most and hold no media.
type queue struct {
	mu     sync.Mutex
	jobs   []job
	closed bool
	wake   chan struct{} // holds one token while there is something new
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// push appends j; false when the queue is closed.
func (q *queue) push(j job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.jobs = append(q.jobs, j)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// take waits for jobs and takes them all, exchanging the slice for spare. It
// returns nil when the queue is closed and empty.
func (q *queue) take(spare []job) []job {
	for {
		q.mu.Lock()
		jobs, closed := q.jobs, q.closed
		if len(jobs) > 0 {
			q.jobs = spare[:0]
			q.mu.Unlock()
			return jobs
		}
		q.mu.Unlock()
		if closed {
			return nil
		}
		<-q.wake
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.wake)
	}
}
