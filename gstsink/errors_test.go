// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

import (
	"errors"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/gstsink/internal/talker"
	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/session"
)

// The class of an error is what a program goes by; the texts are in TestErrors.
func TestKind(t *testing.T) {
	refused := func(code session.Code, status int) error {
		return &talker.Error{Err: &session.Error{Code: code, Err: &session.Refusal{Status: status, Reason: "no"}}}
	}
	coded := func(p talker.Phase, code session.Code, err error) error {
		return &talker.Error{Phase: p, Err: &session.Error{Code: code, Err: err}}
	}
	for _, tt := range []struct {
		name string
		err  error
		kind gst.ErrorCode
		code session.Code
	}{
		{"somebody else talks", refused(session.VoiceFailed, 405), gst.ResourceErrorBusy, -2601},
		{"this connection talks", refused(session.AlreadyStarted, 409), gst.ResourceErrorBusy, -2401},
		{"no right", refused(session.VoiceFailed, 403), gst.ResourceErrorNotAuthorized, -2601},
		{"no speaker", refused(session.NotSupported, 406), gst.ResourceErrorSettings, -2004},
		{"no such channel", refused(session.VoiceFailed, 404), gst.ResourceErrorOpenWrite, -2601},
		{"expired", coded(talker.Opening, session.BadXP2PInfo, grant.ErrExpired), gst.ResourceErrorNotAuthorized, -2001},
		{"camera off", coded(talker.Opening, session.StreamFailed, rendezvous.ErrNoDevice), gst.ResourceErrorNotFound, -2402},
		{"not reached", &talker.Error{Err: &talker.TimeoutError{After: time.Second}}, gst.ResourceErrorOpenWrite, -2601},
		{"behind", &talker.Error{Phase: talker.Talking, Err: &talker.TimeoutError{After: time.Second}}, gst.ResourceErrorWrite, -2601},
		{"vanished", coded(talker.Talking, session.VoiceFailed, errors.New("the line broke")), gst.ResourceErrorWrite, -2601},
		{"not played", coded(talker.Ending, session.VoiceFailed, errors.New("it did not finish")), gst.ResourceErrorWrite, -2601},
		{"a code nobody knows", coded(talker.Opening, -4711, errors.New("new")), gst.ResourceErrorOpenWrite, -4711},
	} {
		if p := describe(tt.err); p.Kind != tt.kind || p.Code != tt.code || !p.Coded {
			t.Errorf("%s: kind %d, code %d; want %d, %d", tt.name, p.Kind, p.Code, tt.kind, tt.code)
		}
	}
}
