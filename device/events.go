// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// eventsKeepAlive is how often GET /events says that it is still there.
	eventsKeepAlive = 10 * time.Second
	// maxListeners bounds GET /events over all viewers; the next one gets 405.
	maxListeners = 128
	// eventQueue is how many events may wait for one viewer.
	eventQueue = 32
	// maxUnanswered is how many messages to one viewer may wait for their answers.
	maxUnanswered = 32
	// MaxMessage is the longest message to a viewer, and the longest answer, in bytes.
	MaxMessage = 64 << 10
)

// Why Send fails, besides its context's end.
var (
	ErrNoListener = errors.New("this viewer does not listen to events (any more)")
	ErrBusy       = errors.New("too many messages to this viewer wait already")
)

// event is one line of GET /events.
type event struct {
	Type    string  `json:"type"`
	ID      string  `json:"id,omitempty"`
	Data    *string `json:"data,omitempty"`
	Channel *int    `json:"channel,omitempty"`
	Level   string  `json:"level,omitempty"`
}

// listener is one GET /events.
type listener struct {
	queue chan event    // full: levels are lost, messages are refused
	gone  chan struct{} // closed when it ended, or another took its place

	mu         sync.Mutex
	unanswered map[string]chan []byte // by the message's id
}

// listeners are all of them, one per viewer.
type listeners struct {
	mu     sync.Mutex // above every listener.mu
	m      map[string]*listener
	lastID uint64
}

// enter registers a viewer's listener in the place of the one it had; nil: there are
// too many.
func (l *listeners) enter(peer string) *listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.m == nil {
		l.m = map[string]*listener{}
	}
	if old := l.m[peer]; old != nil {
		close(old.gone)
	} else if len(l.m) >= maxListeners {
		return nil
	}
	n := &listener{queue: make(chan event, eventQueue), gone: make(chan struct{}), unanswered: map[string]chan []byte{}}
	l.m[peer] = n
	return n
}

func (l *listeners) leave(peer string, n *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.m[peer] == n {
		delete(l.m, peer)
		close(n.gone)
	}
}

func (l *listeners) of(peer string) *listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.m[peer]
}

// level tells a viewer where its send buffer stands. It never blocks.
func (l *listeners) level(peer string, channel int, level Level) {
	n := l.of(peer)
	if n == nil {
		return
	}
	select {
	case n.queue <- event{Type: "level", Channel: &channel, Level: level.String()}:
	default:
	}
}

// Peers are the viewers that listen to events, by the IDs of their connections.
func (d *Device) Peers() []string {
	d.listeners.mu.Lock()
	defer d.listeners.mu.Unlock()
	var ids []string
	for id := range d.listeners.m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Send sends a message, which must be text, to a viewer of Peers and waits for its
// answer until ctx ends. Errors: ErrNoListener, ErrBusy, ctx's, or what is wrong
// with data.
func (d *Device) Send(ctx context.Context, peer string, data []byte) (answer []byte, err error) {
	if len(data) > MaxMessage {
		return nil, fmt.Errorf("the message has %d bytes, at most %d are sent", len(data), MaxMessage)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("the message is not valid UTF-8")
	}
	n := d.listeners.of(peer)
	if n == nil {
		return nil, ErrNoListener
	}
	d.listeners.mu.Lock()
	d.listeners.lastID++
	id := strconv.FormatUint(d.listeners.lastID, 10)
	d.listeners.mu.Unlock()

	got := make(chan []byte, 1)
	n.mu.Lock()
	busy := len(n.unanswered) >= maxUnanswered
	if !busy {
		n.unanswered[id] = got
	}
	n.mu.Unlock()
	if busy {
		return nil, ErrBusy
	}
	defer func() {
		n.mu.Lock()
		delete(n.unanswered, id)
		n.mu.Unlock()
	}()
	text := string(data)
	select {
	case n.queue <- event{Type: "message", ID: id, Data: &text}:
	default:
		return nil, ErrBusy
	}
	select {
	case answer := <-got:
		return answer, nil
	case <-n.gone:
		return nil, ErrNoListener
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serveEvents is GET /events: one JSON object per line, for as long as the viewer
// listens.
func (d *Device) serveEvents(w http.ResponseWriter, r *http.Request) {
	r, _, peer, ok := readRequest(w, r)
	if !ok {
		return
	}
	n := d.listeners.enter(peer.ID)
	if n == nil {
		refuse(w, statusTooMany, fmt.Sprintf("too many listeners: this camera serves %d at once", maxListeners))
		return
	}
	defer d.listeners.leave(peer.ID, n)
	ctx, cancel := d.until(w, r)
	defer cancel()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	if rc.Flush() != nil {
		return
	}
	tick := time.NewTicker(d.cfg.keepAlive)
	defer tick.Stop()
	lines := json.NewEncoder(w)
	for {
		e := event{Type: "keepalive"}
		select {
		case e = <-n.queue:
		case <-tick.C:
		case <-n.gone:
			return
		case <-ctx.Done():
			return
		}
		if lines.Encode(e) != nil || rc.Flush() != nil {
			return
		}
	}
}

// serveAnswer is POST /events?id=ID: the answer to a message that this viewer got.
func (d *Device) serveAnswer(w http.ResponseWriter, r *http.Request) {
	r, q, peer, ok := readRequest(w, r)
	if !ok {
		return
	}
	answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxMessage))
	if err != nil {
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the answer is longer than %d bytes", MaxMessage))
		}
		return
	}
	if !d.listeners.answer(peer.ID, q.Get("id"), answer) {
		refuse(w, statusNotFound, fmt.Sprintf("no message %q waits for an answer of this connection", q.Get("id")))
		return
	}
	replyDone(w)
}

// answer gives an answer to whoever waits for it; false: nobody does.
func (l *listeners) answer(peer, id string, answer []byte) bool {
	n := l.of(peer)
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	got, ok := n.unanswered[id]
	if ok {
		delete(n.unanswered, id)
		got <- answer // has room: it is given once
	}
	return ok
}
