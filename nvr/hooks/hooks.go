// SPDX-License-Identifier: LGPL-2.1-or-later

// Package hooks runs programs and calls URLs when something happens in a recorder.
//
//	events -> one queue per hook -> one call at a time, each with its time limit
//
// Nothing of it is in the way of a recording: a hook that is slow or hangs makes its
// own queue full, and what does not fit is lost to it and counted.
package hooks

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xp2p/xp2p/nvr"
)

const (
	// queueLength is how many events wait for one hook. When it is full new ones are
	// lost to it.
	queueLength = 64
	// logEvery is how often the log says that a hook fails or loses events.
	logEvery = time.Minute
	// closeGrace is how long events that wait are still delivered when all ends.
	closeGrace = 5 * time.Second
)

// Runner calls hooks until it is closed.
type Runner struct {
	log    *slog.Logger
	client *http.Client
	hooks  []*hook
	sub    *nvr.Subscription
	grace  time.Duration
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// hook is one entry of the configuration and what waits for it.
type hook struct {
	nvr.HookConfig
	queue chan nvr.Event
	stats stats

	mu   sync.Mutex
	said time.Time // when the log was told last
}

type stats struct{ done, failed, lost atomic.Int64 }

// Status is what a hook has done.
type Status struct {
	Name   string `json:"name"`
	Done   int64  `json:"done"`
	Failed int64  `json:"failed"`
	Lost   int64  `json:"lost"` // events that did not fit into its queue
}

// Start begins to call hooks for what sub receives; Close closes sub.
func Start(sub *nvr.Subscription, list []nvr.HookConfig, log *slog.Logger) *Runner {
	r := &Runner{log: log, sub: sub, client: newClient(), grace: closeGrace}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	for _, c := range list {
		h := &hook{HookConfig: c, queue: make(chan nvr.Event, queueLength)}
		r.hooks = append(r.hooks, h)
		r.wg.Go(func() { r.serve(h) })
	}
	r.wg.Go(r.distribute)
	return r
}

// Close gives what has happened until now some seconds to be delivered, then ends what
// is under way, also programs that run, and waits for it. The recorder is closed
// before, so that its last events are among them.
func (r *Runner) Close() error {
	r.sub.Close()
	t := time.AfterFunc(r.grace, r.cancel)
	r.wg.Wait()
	t.Stop()
	r.cancel()
	r.client.CloseIdleConnections()
	return nil
}

// Status of every hook, in the order of the configuration.
func (r *Runner) Status() []Status {
	list := make([]Status, len(r.hooks))
	for i, h := range r.hooks {
		list[i] = Status{h.Name, h.stats.done.Load(), h.stats.failed.Load(), h.stats.lost.Load()}
	}
	return list
}

// distribute gives each event to the hooks that want it and waits for none.
func (r *Runner) distribute() {
	for e := range r.sub.C {
		for _, h := range r.hooks {
			if !h.wants(&e) {
				continue
			}
			select {
			case h.queue <- e:
			default:
				h.stats.lost.Add(1)
				r.complain(h, "an event is lost to a hook that is behind", "event", e.Type, "lost", h.stats.lost.Load())
			}
		}
	}
	for _, h := range r.hooks {
		close(h.queue)
	}
}

// wants says whether the hook is for the event.
func (h *hook) wants(e *nvr.Event) bool {
	if len(h.Cameras) > 0 && !slices.Contains(h.Cameras, e.Camera) {
		return false
	}
	return slices.ContainsFunc(h.On, func(on string) bool {
		if prefix, all := strings.CutSuffix(on, "*"); all {
			return strings.HasPrefix(e.Type, prefix)
		}
		return on == e.Type
	})
}

// serve calls one hook, event by event.
func (r *Runner) serve(h *hook) {
	for e := range h.queue {
		if r.ctx.Err() != nil {
			continue // the queue is emptied
		}
		body, err := json.Marshal(e)
		if err == nil {
			err = r.call(h, &e, body)
		}
		switch {
		case r.ctx.Err() != nil:
		case err != nil:
			h.stats.failed.Add(1)
			r.complain(h, "hook", "event", e.Type, "error", err)
		default:
			h.stats.done.Add(1)
		}
	}
}

func (r *Runner) call(h *hook, e *nvr.Event, body []byte) error {
	ctx, cancel := context.WithTimeout(r.ctx, h.Timeout)
	defer cancel()
	if h.URL != "" {
		return r.post(ctx, h, body)
	}
	return runProgram(ctx, h, e, body)
}

// complain tells the log, at most once a minute for each hook, since a hook that fails
// does so for every event. It is called by distribute and by the hook's serve.
func (r *Runner) complain(h *hook, what string, args ...any) {
	now := time.Now()
	h.mu.Lock()
	quiet := now.Sub(h.said) < logEvery
	if !quiet {
		h.said = now
	}
	h.mu.Unlock()
	if !quiet {
		r.log.Warn(what, append([]any{"hook", h.Name}, args...)...)
	}
}
