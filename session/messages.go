// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/xp2p/xp2p/internal/link"
)

// Message is something that the camera says by itself (docs/design/0005, "Events").
type Message struct {
	ID   string // empty: the camera awaits no answer
	Data string
}

// MessageHandler answers the camera's messages. It is called for one message of a service
// at a time, and the next waits; ctx ends with the service or its link. An answer goes to
// the camera where it awaits one; an error is logged and the camera gets no answer.
type MessageHandler func(ctx context.Context, m Message) (answer string, err error)

// Callbacks are what a service calls.
type Callbacks struct {
	Events    func(Event)    // see StreamInfo.Events
	OnMessage MessageHandler // see StreamInfo.OnMessage
	Levels    bool           // see StreamInfo.Levels
}

// SetCallbacks replaces the service's callbacks: the original's updateServiceCallbacks.
// Config.Events stays. An event or message that is being handled is finished by the old
// ones. The error has the code NoService.
func (s *Service) SetCallbacks(c Callbacks) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return &Error{"updateServiceCallbacks", NoService, errServiceClosed}
	}
	s.messages.set(c.OnMessage, c.Levels)
	s.mu.Unlock()
	s.events.replace(c.Events)
	s.listen()
	return nil
}

// listener is a service's GET /events; the service's mu guards it.
type listener struct {
	handler MessageHandler
	wanted  bool
	on      *link.Link // the link that is listened on
	cancel  context.CancelFunc
}

func (n *listener) set(h MessageHandler, levels bool) {
	n.handler, n.wanted = h, h != nil || levels
	if !n.wanted && n.cancel != nil {
		n.cancel()
		n.on, n.cancel = nil, nil
	}
}

const (
	maxEventLine = 256 << 10
	// eventsSilence: the camera sends a keep-alive every 10 s; after this long it has
	// forgotten us.
	eventsSilence = 25 * time.Second
	eventsFirst   = time.Second / 4 // before asking again, doubling
	eventsMost    = time.Minute
	answerTimeout = 10 * time.Second
)

// listen opens the camera's events on the link that stands, where somebody wants them
// and nobody has done so.
func (s *Service) listen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, n := s.link, &s.messages
	if s.closed || !n.wanted || l == nil || l.Err() != nil || n.on == l {
		return
	}
	ctx, cancel := context.WithCancel(s.life)
	n.on, n.cancel = l, cancel
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		defer cancel()
		s.hear(ctx, l)
	}()
}

// unlisten ends what listens on a link that is gone.
func (s *Service) unlisten(l *link.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := &s.messages; n.on == l {
		n.cancel()
		n.on, n.cancel = nil, nil
	}
}

// hear keeps the events of one link open until ctx ends or the camera says that it has none.
func (s *Service) hear(ctx context.Context, l *link.Link) {
	for wait := eventsFirst; ; wait = min(2*wait, eventsMost) {
		began := time.Now()
		err := s.hearOnce(ctx, l)
		if ctx.Err() != nil {
			return
		}
		var refused *refusedError
		if errors.As(err, &refused) && (refused.status == http.StatusNotFound || refused.status == http.StatusNotAcceptable) {
			s.log.Warn("the camera has no events", "err", err)
			return
		}
		if time.Since(began) > eventsMost {
			wait = eventsFirst
		}
		s.log.Warn("the camera's events ended; asking again", "err", err, "in", wait)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

type refusedError struct {
	status int
	err    error
}

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// hearOnce is one GET /events.
func (s *Service) hearOnce(ctx context.Context, l *link.Link) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(eventsSilence, func() { cancel(fmt.Errorf("nothing for %s, not even a keep-alive", eventsSilence)) })
	defer silence.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://camera/events", nil)
	if err != nil {
		return err
	}
	res, err := l.RoundTrip(req)
	if err != nil {
		return heardError(ctx, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return &refusedError{res.StatusCode, cameraRefusal(res)}
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 0, 512), maxEventLine)
	for lines.Scan() {
		silence.Stop() // a handler takes the time that it needs
		e, err := parseCameraEvent(lines.Bytes())
		if err != nil {
			return err
		}
		s.heard(ctx, l, e)
		silence.Reset(eventsSilence)
	}
	if err := lines.Err(); err != nil {
		return heardError(ctx, err)
	}
	return io.EOF
}

// heardError prefers the reason for which we ended the request to what HTTP/3 made of it.
func heardError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// cameraEvent is one line of GET /events.
type cameraEvent struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Data    string `json:"data"`
	Channel int    `json:"channel"`
	Level   string `json:"level"`
}

// parseCameraEvent reads a line. Of a type that it does not know it reads nothing else: what
// later cameras say must not end the request.
func parseCameraEvent(line []byte) (e cameraEvent, err error) {
	var kind struct {
		Type string `json:"type"`
	}
	if err = json.Unmarshal(line, &kind); err == nil {
		switch e.Type = kind.Type; kind.Type {
		case "message", "level":
			err = json.Unmarshal(line, &e)
		}
	}
	if err != nil {
		return cameraEvent{}, fmt.Errorf("the camera's event cannot be read: %w", err)
	}
	return e, nil
}

// heard acts on an event; of what kind it does not know, it does nothing.
func (s *Service) heard(ctx context.Context, l *link.Link, e cameraEvent) {
	switch e.Type {
	case "level":
		s.events.notify(Level, LevelDetail{e.Channel, e.Level})
	case "message":
		s.mu.Lock()
		h := s.messages.handler
		s.mu.Unlock()
		if h == nil {
			return
		}
		answer, err := h(ctx, Message{e.ID, e.Data})
		if err == nil && e.ID != "" {
			err = postAnswer(ctx, l, e.ID, answer)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("message of the camera", "id", e.ID, "err", err)
		}
	}
}

// postAnswer is POST /events?id=ID.
func postAnswer(ctx context.Context, l *link.Link, id, answer string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://camera/events?id="+url.QueryEscape(id), strings.NewReader(answer))
	if err != nil {
		return err
	}
	res, err := l.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("answer: %w", cameraRefusal(res))
	}
	return nil
}
