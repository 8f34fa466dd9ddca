// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/session"
)

// postError tells the application that the element cannot go on.
func postError(src unsafe.Pointer, err error) { element.PostError(src, "receive", describe(err)) }

// describe makes a problem of what a receiver or a target gave.
func describe(err error) element.Problem {
	code, coded := session.CodeOf(err)
	if !coded && errors.As(err, new(*receiver.Error)) {
		code, coded = session.StreamFailed, true // the network's own errors have no code
	}
	return element.NewProblem(err, kind(err), code, coded, cause(err), advice(err, code))
}

// kind is the class of error that programs act on.
func kind(err error) gst.ErrorCode {
	if k, ok := element.Kind(err); ok {
		return k
	}
	var e *receiver.Error
	if errors.As(err, &e) && e.Phase == receiver.Reading {
		return gst.ResourceErrorRead
	}
	return gst.ResourceErrorOpenRead
}

// cause is the innermost thing that a person can read.
func cause(err error) string {
	var r *receiver.Error
	if _, coded := session.CodeOf(err); coded || !errors.As(err, &r) {
		return element.Cause(err)
	}
	var silent *receiver.TimeoutError
	if r.Phase == receiver.Opening && errors.As(err, &silent) {
		return fmt.Sprintf("the camera was not reached within %v", silent.After)
	}
	return r.Err.Error()
}

// advice says what to do next, where the cause does not say it itself.
func advice(err error, code session.Code) string {
	if a, ok := element.Advice(err); ok {
		return a
	}
	if errors.As(err, new(*receiver.TimeoutError)) {
		return "check that the camera is on and the network lets UDP through, or raise the property timeout"
	}
	switch code {
	case session.DecryptFailed:
		return "set code-url to what `xp2p source --seal` prints behind \"code-url\", or ask the stream's owner for it"
	case session.StreamFailed:
		return "check that the camera runs, that its network works and that it offers what params asks for"
	case session.NotSupported:
		return "the camera does not offer what params asks for"
	}
	return ""
}
