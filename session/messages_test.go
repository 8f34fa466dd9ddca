// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/session"
)

// speaking is a camera that says things by itself.
type speaking struct {
	lines   chan string
	answers chan string
	opened  chan struct{}
	status  int // of GET /events; 0: 200
}

func newSpeaking() *speaking {
	return &speaking{lines: make(chan string, 16), answers: make(chan string, 16), opened: make(chan struct{}, 16)}
}

func (h *speaking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/events" {
		http.NotFound(w, r)
		return
	}
	if r.Method == http.MethodPost {
		b, _ := io.ReadAll(r.Body)
		h.answers <- r.URL.Query().Get("id") + ": " + string(b)
		return
	}
	h.opened <- struct{}{}
	if h.status != 0 {
		w.WriteHeader(h.status)
		return
	}
	rc := http.NewResponseController(w)
	rc.Flush()
	for {
		select {
		case l := <-h.lines:
			if l == "end" {
				return
			}
			io.WriteString(w, l+"\n")
			rc.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func TestMessages(t *testing.T) {
	cam := newSpeaking()
	c := newScripted(t, cam)
	got := make(chan session.Message, 16)
	var events eventLog
	s := c.service(session.StreamInfo{Events: events.add, OnMessage: func(_ context.Context, m session.Message) (string, error) {
		got <- m
		if strings.Contains(m.Data, "fail") {
			return "", errors.New("no idea")
		}
		return "re: " + m.Data, nil
	}})
	<-cam.opened
	cam.lines <- `{"type":"keepalive"}`
	cam.lines <- `{"type":"level","channel":1,"level":"HIGH"}`
	cam.lines <- `{"type":"what is this","data":[1,2,{"a":"b"}],"id":1}`
	cam.lines <- `{"type":"message","data":"just so"}`
	cam.lines <- `{"type":"message","id":"1","data":"fail"}`
	cam.lines <- `{"type":"message","id":"1 7&","data":"who are you?"}`
	for _, want := range []session.Message{{"", "just so"}, {"1", "fail"}, {"1 7&", "who are you?"}} {
		if m := <-got; m != want {
			t.Errorf("message %+v, want %+v", m, want)
		}
	}
	if a := <-cam.answers; a != "1 7&: re: who are you?" {
		t.Errorf("answer %q", a)
	}
	if e := events.waitFor(t, session.Level, nil); e.Detail != (session.LevelDetail{Channel: 1, Level: "HIGH"}) {
		t.Errorf("level: %+v", e)
	}

	// On a new link they are opened again, without a word from the caller.
	c.HangUp()
	<-cam.opened
	cam.lines <- `{"type":"message","id":"2","data":"again"}`
	if a := <-cam.answers; a != "2: re: again" {
		t.Errorf("answer on the new link %q", a)
	}

	// Replaced callbacks take over; none at all end the request.
	if err := s.SetCallbacks(session.Callbacks{OnMessage: func(context.Context, session.Message) (string, error) { return "new", nil }}); err != nil {
		t.Fatal(err)
	}
	cam.lines <- `{"type":"message","id":"3","data":""}`
	for a := range cam.answers {
		if a == "3: new" {
			break
		}
		t.Errorf("answer of the new callback %q", a)
	}
	if err := s.SetCallbacks(session.Callbacks{}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetCallbacks(session.Callbacks{Levels: true}); err != nil {
		t.Fatal(err)
	}
	<-cam.opened
	s.Close()
	wantCode(t, s.SetCallbacks(session.Callbacks{}), session.NoService)
}

// What a camera may do wrong leaves the service as it was, and the events are asked for again.
func TestMessagesBroken(t *testing.T) {
	cam := newSpeaking()
	got := make(chan session.Message, 16)
	s := newScripted(t, cam).service(session.StreamInfo{OnMessage: func(_ context.Context, m session.Message) (string, error) {
		got <- m
		return "", nil
	}})
	<-cam.opened
	for _, line := range []string{"end", "this is no JSON", `{"type":"message","data":"` + strings.Repeat("x", 300<<10) + `"}`} {
		cam.lines <- line
		<-cam.opened
	}
	cam.lines <- `{"type":"message","data":"still here"}`
	if m := <-got; m.Data != "still here" {
		t.Errorf("got %.40q", m.Data)
	}
	s.Close()

	none := newSpeaking()
	none.status = http.StatusNotFound
	c := newScripted(t, none)
	s = c.service(session.StreamInfo{Levels: true})
	<-none.opened
	if r, err := s.SendCommand(t.Context(), "x"); err != nil || r.Status != http.StatusNotFound {
		t.Errorf("a camera without events: %+v, %v", r, err)
	}
	s.Close()
	select {
	case <-none.opened:
		t.Error("a camera that has no events was asked again on the same link")
	default:
	}
}
