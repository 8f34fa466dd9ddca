// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/session"
)

// problem is an error as an element says it: text for the user, with what to do
// next and the result code, and debug for whoever looks deeper.
type problem struct {
	kind        gst.ErrorCode // of the RESOURCE domain
	code        session.Code
	coded       bool // code is known
	text, debug string
}

// describe makes a problem of what a receiver or a target gave.
func describe(err error) problem {
	p := problem{kind: kind(err), debug: err.Error()}
	if p.code, p.coded = session.CodeOf(err); !p.coded && errors.As(err, new(*receiver.Error)) {
		p.code, p.coded = session.StreamFailed, true // the network's own errors have no code
	}
	p.text = sentence(cause(err))
	if a := p.advice(err); a != "" {
		p.text += " " + sentence(a)
	}
	if p.coded {
		p.text = fmt.Sprintf("%s (code %d)", p.text, int(p.code))
	}
	return p
}

// kind is the class of error that programs act on.
func kind(err error) gst.ErrorCode {
	for _, k := range []struct {
		err  error
		kind gst.ErrorCode
	}{
		{grant.ErrExpired, gst.ResourceErrorNotAuthorized},
		{grant.ErrRevoked, gst.ResourceErrorNotAuthorized},
		{grant.ErrViewer, gst.ResourceErrorNotAuthorized},
		{rendezvous.ErrRefused, gst.ResourceErrorNotAuthorized},
		{rendezvous.ErrNoDevice, gst.ResourceErrorNotFound},
	} {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	switch code, _ := session.CodeOf(err); code {
	case session.BadArgument, session.BadXP2PInfo:
		return gst.ResourceErrorSettings
	case session.AlreadyStarted:
		return gst.ResourceErrorBusy
	}
	var e *receiver.Error
	if errors.As(err, &e) && e.Phase == receiver.Reading {
		return gst.ResourceErrorRead
	}
	return gst.ResourceErrorOpenRead
}

// cause is the innermost thing that a person can read: what the session's error
// is about, without the names of the calls around it.
func cause(err error) string {
	var s *session.Error
	if errors.As(err, &s) {
		if s.Err == nil {
			return s.Code.String()
		}
		return s.Err.Error()
	}
	var r *receiver.Error
	if !errors.As(err, &r) {
		return err.Error()
	}
	var silent *receiver.TimeoutError
	if r.Phase == receiver.Opening && errors.As(err, &silent) {
		return fmt.Sprintf("the camera was not reached within %v", silent.After)
	}
	return r.Err.Error()
}

// advice says what to do next, where the cause does not say it itself.
func (p *problem) advice(err error) string {
	var silent *receiver.TimeoutError
	switch {
	case errors.Is(err, grant.ErrExpired), errors.Is(err, grant.ErrEarly):
		return ""
	case errors.Is(err, rendezvous.ErrRefused):
		return "the app.json must be the one in the state directory of that rendezvous"
	case errors.Is(err, rendezvous.ErrNoDevice):
		return "start the camera, or correct the xp2p-info; both must use the same rendezvous"
	case errors.As(err, &silent):
		return "check that the camera is on and the network lets UDP through, or raise the property timeout"
	}
	switch p.code {
	case session.BadXP2PInfo:
		return "set xp2p-info to the text that the camera prints behind \"camera ready\", copied whole, or have a new one made with `xp2p grant`"
	case session.ProbeFailed:
		return "check that `xp2p rendezvous` runs and that the property rendezvous is the URL it prints"
	case session.StreamFailed:
		return "check that the camera runs, that its network works and that it offers what params asks for"
	case session.NotSupported:
		return "the camera does not offer what params asks for"
	}
	return ""
}

// sentence makes one of a Go error's text.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.ContainsAny(s[len(s)-1:], ".?!") {
		s += "."
	}
	return s
}
