// SPDX-License-Identifier: LGPL-2.1-or-later

package element

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/session"
)

// Problem is an error as an element says it: text for the user, with what to do
// next and the result code, and debug for whoever looks deeper.
type Problem struct {
	Kind        gst.ErrorCode // of the RESOURCE domain
	Code        session.Code
	Coded       bool // Code is known
	Text, Debug string
}

// NewProblem makes the texts of a problem: what happened, what to do ("" where the
// cause says it itself), and the code at the end.
func NewProblem(err error, kind gst.ErrorCode, code session.Code, coded bool, cause, advice string) Problem {
	p := Problem{Kind: kind, Code: code, Coded: coded, Text: sentence(cause), Debug: err.Error()}
	if advice != "" {
		p.Text += " " + sentence(advice)
	}
	if coded {
		p.Text = fmt.Sprintf("%s (code %d)", p.Text, int(code))
	}
	return p
}

// Kind is the class of error that programs act on, for what all elements meet on their
// way to a camera; ok is false where it depends on the element.
func Kind(err error) (kind gst.ErrorCode, ok bool) {
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
			return k.kind, true
		}
	}
	switch code, _ := session.CodeOf(err); code {
	case session.BadArgument, session.BadXP2PInfo:
		return gst.ResourceErrorSettings, true
	case session.AlreadyStarted:
		return gst.ResourceErrorBusy, true
	}
	return 0, false
}

// Cause is what the session's error is about, without the names of the calls around it.
func Cause(err error) string {
	var s *session.Error
	switch {
	case !errors.As(err, &s):
		return err.Error()
	case s.Err == nil:
		return s.Code.String()
	}
	return s.Err.Error()
}

// Advice says what to do about what all elements meet on their way to a camera; ok is
// false where it depends on the element, "" where the cause says it itself.
func Advice(err error) (advice string, ok bool) {
	switch {
	case errors.Is(err, grant.ErrExpired), errors.Is(err, grant.ErrEarly):
		return "", true
	case errors.Is(err, rendezvous.ErrRefused):
		return "the app.json must be the one in the state directory of that rendezvous", true
	case errors.Is(err, rendezvous.ErrNoDevice):
		return "start the camera, or correct the xp2p-info; both must use the same rendezvous", true
	}
	switch code, _ := session.CodeOf(err); code {
	case session.BadXP2PInfo:
		return "set xp2p-info to the text that the camera prints behind \"camera ready\", copied whole, or have a new one made with `xp2p grant`", true
	case session.ProbeFailed:
		return "check that `xp2p rendezvous` runs and that the property rendezvous is the URL it prints", true
	}
	return "", false
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
