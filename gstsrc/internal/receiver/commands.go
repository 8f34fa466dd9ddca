// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"errors"
	"sync"

	"github.com/xp2p/xp2p/session"
)

// maxCommands wait for the one before them; one more is answered with an error.
const maxCommands = 64

// commands go out one after the other, so that a camera gets them in order. A
// goroutine sends them as long as there are any.
type commands struct {
	mu      sync.Mutex
	waiting []command
	sending bool
	closed  bool
}

type command struct {
	text  string
	reply func(session.CommandResult) // nil: nobody wants to know
}

// Command sends a command to the camera, behind those sent before, and calls reply
// with what came of it, once, from another goroutine or before it returns. It does
// not wait. Close ends what is under way.
func (r *Receiver) Command(text string, reply func(session.CommandResult)) {
	if reply == nil {
		reply = func(session.CommandResult) {}
	}
	q := &r.commands
	q.mu.Lock()
	var refused error
	switch {
	case q.closed:
		refused = errClosed
	case len(q.waiting) >= maxCommands:
		refused = errors.New("too many commands wait for the camera: wait for their replies")
	default:
		q.waiting = append(q.waiting, command{text, reply})
		if !q.sending {
			q.sending = true
			r.background.Go(r.sendCommands)
		}
	}
	q.mu.Unlock()
	if refused != nil {
		reply(failed(session.NotSupported, refused))
	}
}

// close makes the queue take no more.
func (q *commands) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

func (q *commands) next() (c command, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.sending = false
		return c, false
	}
	c = q.waiting[0]
	q.waiting = q.waiting[1:]
	return c, true
}

func (r *Receiver) sendCommands() {
	for c, ok := r.commands.next(); ok; c, ok = r.commands.next() {
		l := r.stats.linked()
		if l == nil {
			c.reply(failed(session.NoService, errors.New("the camera is not connected: wait for the event connected")))
			continue
		}
		res, _ := l.Command(r.life, c.text) // the result says what the error says
		c.reply(res)
	}
}

func failed(code session.Code, err error) session.CommandResult {
	return session.CommandResult{Type: session.CommandError, ErrCode: code, ErrMsg: err.Error()}
}
