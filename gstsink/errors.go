// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

import (
	"errors"
	"fmt"
	"net/http"
	"unsafe"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/gstsink/internal/talker"
	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/session"
)

// postError tells the application that the element cannot go on.
func postError(sink unsafe.Pointer, err error) { element.PostError(sink, "talk", describe(err)) }

// describe makes a problem of what a talker or a target gave.
func describe(err error) element.Problem {
	code, coded := session.CodeOf(err)
	if !coded && errors.As(err, new(*talker.Error)) && !errors.As(err, new(*talker.NoSoundError)) {
		code, coded = session.VoiceFailed, true // the network's own errors have no code
	}
	return element.NewProblem(err, kind(err), code, coded, cause(err), advice(err, code))
}

// kind is the class of error that programs act on.
func kind(err error) gst.ErrorCode {
	var no *session.Refusal
	if errors.As(err, &no) {
		switch no.Status {
		case http.StatusMethodNotAllowed: // 405 is "too many" here: somebody else talks
			return gst.ResourceErrorBusy
		case http.StatusForbidden:
			return gst.ResourceErrorNotAuthorized
		}
	}
	if k, ok := element.Kind(err); ok {
		return k
	}
	if code, _ := session.CodeOf(err); code == session.NotSupported {
		return gst.ResourceErrorSettings
	}
	if errors.As(err, new(*talker.NoSoundError)) {
		return gst.ResourceErrorRead
	}
	var e *talker.Error
	if errors.As(err, &e) && e.Phase == talker.Opening {
		return gst.ResourceErrorOpenWrite
	}
	return gst.ResourceErrorWrite
}

// cause is the innermost thing that a person can read.
func cause(err error) string {
	var e *talker.Error
	if _, coded := session.CodeOf(err); coded || !errors.As(err, &e) {
		return element.Cause(err)
	}
	var late *talker.TimeoutError
	if errors.As(err, &late) {
		if e.Phase == talker.Opening {
			return fmt.Sprintf("the camera was not reached within %v", late.After)
		}
		return fmt.Sprintf("the camera took no sound for %v", late.After)
	}
	return e.Err.Error()
}

// advice says what to do next, where the cause does not say it itself.
func advice(err error, code session.Code) string {
	switch kind(err) {
	case gst.ResourceErrorBusy:
		return "a camera has one talker at a time: try again when the other has ended"
	case gst.ResourceErrorNotAuthorized:
		if errors.As(err, new(*session.Refusal)) {
			return "ask the camera's owner for an xp2pInfo with the right to talk"
		}
	}
	if a, ok := element.Advice(err); ok {
		return a
	}
	if none := new(talker.NoSoundError); errors.As(err, &none) {
		if none.Pictures {
			return "a video call needs both: check the source of the pad sink, or give it silence where there is none " +
				"(audiotestsrc wave=silence is-live=true); the property start-timeout says how long to wait"
		}
		return "check what is in front of the pad sink; the camera is called when sound comes"
	}
	if errors.As(err, new(*talker.TimeoutError)) {
		return "check that the camera is on and the network lets UDP through, or raise the property timeout"
	}
	switch code {
	case session.VoiceFailed:
		return "check that the camera runs and that its network works, then talk anew"
	case session.NotSupported:
		if errors.As(err, new(*session.Refusal)) {
			return "the camera has no speaker"
		}
		return "xp2psink gives A-law and mu-law cameras G.711 or S16LE, and AAC cameras AAC: " +
			"put avenc_aac ! aacparse in front of it for those"
	}
	return ""
}
