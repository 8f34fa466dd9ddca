// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"log/slog"
	"sync"
)

// eventQueue hands a service's events to the callbacks, in order, from one
// goroutine of its own, so that a callback may call the service.
type eventQueue struct {
	id       string
	log      *slog.Logger
	handlers []func(Event)
	done     chan struct{}
	started  bool

	mu     sync.Mutex // guards ch against its own closing
	closed bool
	ch     chan Event // full: the event is lost, and the log says so
}

const eventBacklog = 256

func newEventQueue(id string, log *slog.Logger, handlers ...func(Event)) *eventQueue {
	q := &eventQueue{id: id, log: log, ch: make(chan Event, eventBacklog), done: make(chan struct{})}
	for _, h := range handlers {
		if h != nil {
			q.handlers = append(q.handlers, h)
		}
	}
	return q
}

func (q *eventQueue) start() {
	q.started = true
	go func() {
		defer close(q.done)
		for e := range q.ch {
			for _, h := range q.handlers {
				h(e)
			}
		}
	}()
}

// stop delivers what is queued; later events are nobody's.
func (q *eventQueue) stop() {
	q.mu.Lock()
	q.closed = true
	close(q.ch)
	q.mu.Unlock()
	if q.started {
		<-q.done
	}
}

func (q *eventQueue) notify(subtype string, detail any) {
	q.log.Debug("event", "service", q.id, "event", subtype, "detail", detail)
	if len(q.handlers) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	select {
	case q.ch <- Event{Service: q.id, Kind: Notify, Subtype: subtype, Detail: detail}:
	default:
		q.log.Warn("event lost: its receiver is too slow", "service", q.id, "event", subtype)
	}
}
