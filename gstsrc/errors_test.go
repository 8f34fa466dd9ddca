// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/internal/gst/target"
	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/session"
)

func coded(c session.Code, err error) error {
	return &receiver.Error{Phase: receiver.Opening, Attempts: 1, Err: &session.Error{Op: "startP2PService", Code: c, Err: err}}
}

func TestDescribe(t *testing.T) {
	_, unset := target.Resolve(target.Properties{}, func(string) string { return "" })
	for _, c := range []struct {
		name string
		err  error
		kind gst.ErrorCode
		has  []string // in the text, in this order
	}{
		{"nothing set", unset, gst.ResourceErrorSettings, []string{"No xp2p-info given", "XP2P_INFO", "(code -2000)"}},
		{"not an xp2pInfo", coded(session.BadXP2PInfo, grant.ErrForm), gst.ResourceErrorSettings, []string{"Not an xp2pInfo", "xp2p grant", "(code -2001)"}},
		{"for another camera", coded(session.BadArgument, errors.New("the xp2pInfo is for A/b, not for A/c")), gst.ResourceErrorSettings, []string{"for A/b, not for A/c. (code -2000)"}},
		{"expired", coded(session.BadXP2PInfo, grant.ErrExpired), gst.ResourceErrorNotAuthorized, []string{"expired", "ask the camera's owner", "(code -2001)"}},
		{"account refused", coded(session.BadArgument, rendezvous.ErrRefused), gst.ResourceErrorNotAuthorized, []string{"app.json", "(code -2000)"}},
		{"no rendezvous", coded(session.ProbeFailed, rendezvous.ErrUnreachable), gst.ResourceErrorOpenRead, []string{"xp2p rendezvous", "(code -2202)"}},
		{"camera off", coded(session.StreamFailed, rendezvous.ErrNoDevice), gst.ResourceErrorNotFound, []string{"not online", "Start the camera", "(code -2402)"}},
		{"second stream", coded(session.AlreadyStarted, nil), gst.ResourceErrorBusy, []string{"(code -2401)"}},
		{"stream refused", coded(session.StreamFailed, errors.New("the camera refused with status 405: too many viewers")), gst.ResourceErrorOpenRead, []string{"405", "(code -2402)"}},
		{"broken while it ran", &receiver.Error{Phase: receiver.Reading, Err: &session.Error{Code: session.StreamFailed, Err: errors.New("the stream broke")}},
			gst.ResourceErrorRead, []string{"The stream broke.", "(code -2402)"}},
		{"silence", &receiver.Error{Phase: receiver.Reading, Err: &receiver.TimeoutError{After: 10 * time.Second}}, gst.ResourceErrorRead, []string{"Nothing from the camera for 10s.", "timeout", "(code -2402)"}},
		{"not reached", &receiver.Error{Err: &receiver.TimeoutError{After: 3 * time.Second}}, gst.ResourceErrorOpenRead, []string{"The camera was not reached within 3s.", "(code -2402)"}},
		{"sealed", coded(session.DecryptFailed, errors.New("the stream is sealed")), gst.ResourceErrorOpenRead, []string{"The stream is sealed.", "Set code-url", "(code -2502)"}},
		{"a code nobody knows", coded(-4711, errors.New("new")), gst.ResourceErrorOpenRead, []string{"New. (code -4711)"}},
		{"no code", fmt.Errorf("odd"), gst.ResourceErrorOpenRead, []string{"Odd."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := describe(c.err)
			if p.Kind != c.kind {
				t.Errorf("kind %d, want %d", p.Kind, c.kind)
			}
			rest := p.Text
			for _, h := range c.has {
				_, after, ok := strings.Cut(rest, h)
				if !ok {
					t.Fatalf("%q has no %q where it should", p.Text, h)
				}
				rest = after
			}
			if p.Coded && rest != "" {
				t.Errorf("%q does not end with the code", p.Text)
			}
			if p.Debug != c.err.Error() {
				t.Errorf("debug %q", p.Debug)
			}
		})
	}
}

func TestDefaultParamsAgree(t *testing.T) {
	if d := defaults().Params; d != target.DefaultParams {
		t.Errorf("the property's default is %q, the target's %q", d, target.DefaultParams)
	}
}
