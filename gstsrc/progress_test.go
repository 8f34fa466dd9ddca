// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/session"
)

// A stream's beginning is told once, and each that follows; what happens in a stream
// that plays is not.
func TestProgress(t *testing.T) {
	notify := func(subtype string, detail any) session.Event {
		return session.Event{Kind: session.Notify, Subtype: subtype, Detail: detail}
	}
	connected := notify(session.Connected, session.PathDetail{Path: "direct"})
	parsed := notify(session.Parsed, session.ParsedDetail{Status: 200})
	again := notify(receiver.Reconnecting, receiver.ReconnectDetail{Reason: "it broke"})
	names := map[element.Progress]string{element.ProgressStart: "start", element.ProgressContinue: "continue", element.ProgressComplete: "complete", element.ProgressError: "error"}
	for _, c := range []struct {
		name   string
		events []session.Event
		fails  error
		want   []string
	}{
		{"at once", []session.Event{connected, parsed, notify(session.EOF, nil)}, nil,
			[]string{"start Connecting to T/cam", "continue Connected (direct)", "complete The stream begins"}},
		{"at the second attempt", []session.Event{again, connected, parsed}, nil,
			[]string{"start Connecting to T/cam", "continue Trying again: it broke", "continue Connected (direct)", "complete The stream begins"}},
		{"again", []session.Event{connected, parsed, again, connected, parsed}, nil,
			[]string{"start Connecting to T/cam", "continue Connected (direct)", "complete The stream begins",
				"start Connecting again: it broke", "continue Connected (direct)", "complete The stream begins"}},
		{"refused", []session.Event{connected, notify(session.Parsed, session.ParsedDetail{Status: 405})}, errors.New("405"),
			[]string{"start Connecting to T/cam", "continue Connected (direct)", "error 405"}},
		{"another path in mid-stream", []session.Event{connected, parsed, notify(session.PathChanged, session.PathDetail{Path: "relay"}), connected}, errors.New("it broke"),
			[]string{"start Connecting to T/cam", "continue Connected (direct)", "complete The stream begins"}},
		{"log lines", []session.Event{{Kind: session.Log, Subtype: session.LogWarn, Detail: "x"}}, nil, []string{"start Connecting to T/cam"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			p := &progress{name: "T/cam", post: func(p element.Progress, text string) { got = append(got, fmt.Sprint(names[p], " ", text)) }}
			p.begin()
			for _, e := range c.events {
				p.event(e)
				p.begin() // with every chunk
			}
			if c.fails != nil {
				p.fail(c.fails)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
