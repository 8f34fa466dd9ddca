// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"log/slog"
	"sync"
)

// eventQueue hands the events of a service, or of the module, to the callbacks, in
// order, from one goroutine of its own, so that a callback may call the service.
type eventQueue struct {
	id      string
	log     *slog.Logger
	module  func(Event) // Config.Events; nil: nobody
	done    chan struct{}
	started bool

	mu      sync.Mutex // guards service, and ch against its own closing
	service func(Event)
	closed  bool
	ch      chan Event // full: the event is lost, and the log says so
}

const eventBacklog = 256

func newEventQueue(id string, log *slog.Logger, module, service func(Event)) *eventQueue {
	return &eventQueue{id: id, log: log, module: module, service: service, ch: make(chan Event, eventBacklog), done: make(chan struct{})}
}

func (q *eventQueue) start() {
	q.started = true
	go func() {
		defer close(q.done)
		for e := range q.ch {
			if q.module != nil {
				q.module(e)
			}
			if h := q.current(); h != nil {
				h(e)
			}
		}
	}()
}

func (q *eventQueue) current() func(Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.service
}

// replace sets the service's own callback; events that are queued already go to the new one.
func (q *eventQueue) replace(h func(Event)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.service = h
}

// stop delivers what is queued; later events are nobody's.
func (q *eventQueue) stop() {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.ch)
	}
	q.mu.Unlock()
	if q.started {
		<-q.done
	}
}

func (q *eventQueue) notify(subtype string, detail any) {
	q.log.Debug("event", "service", q.id, "event", subtype, "detail", detail)
	q.put(Event{Service: q.id, Kind: Notify, Subtype: subtype, Detail: detail})
}

// line is a log event.
func (q *eventQueue) line(subtype, line string) {
	q.put(Event{Service: q.id, Kind: Log, Subtype: subtype, Detail: line})
}

func (q *eventQueue) put(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.module == nil && q.service == nil {
		return
	}
	select {
	case q.ch <- e:
	default:
		q.log.Warn("event lost: its receiver is too slow", "service", q.id, "event", e.Subtype)
	}
}
