// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"errors"
	"fmt"
)

// Code is an X-P2P result code (reference/xp2p.md §2, "Result codes").
// Codes that this table does not know pass through unchanged.
//
// TestCodes shows how each comes about. Some of the original's have nothing here that
// they could report:
//
//	-2003  every Init makes a module of its own; a process may have several
//	-2301  is the local server's, which is not this package's
type Code int

const (
	OK                  Code = 0
	BadArgument         Code = -2000
	BadXP2PInfo         Code = -2001
	NotInitialised      Code = -2002
	AlreadyInitialised  Code = -2003
	NotSupported        Code = -2004 // the camera answered with status 406
	DeviceVersionTooLow Code = -2005 // below StreamInfo.MinVersion
	TransportStarted    Code = -2201 // the UDP port is taken
	ProbeFailed         Code = -2202
	LocalServerFailed   Code = -2301
	AlreadyStarted      Code = -2401
	StreamFailed        Code = -2402
	NoService           Code = -2403
	NotInEnvironment    Code = -2404 // a URL that is neither a camera's nor http-flv
	EncryptFailed       Code = -2501 // the camera refused our half of the handshake
	DecryptFailed       Code = -2502 // a 1vN stream without its code, or whose code holds no longer
	VoiceFailed         Code = -2601
	DownloadFailed      Code = -2701
	DeviceStateFailed   Code = -2801 // asking whether to move to the 1vN stream
)

// codeTable is the one place that says what a code means and whether trying the
// same call again later can help.
var codeTable = map[Code]struct {
	text  string
	retry bool
}{
	OK:                  {"success", false},
	BadArgument:         {"bad argument", false},
	BadXP2PInfo:         {"xp2pInfo cannot be used", false},
	NotInitialised:      {"module not initialised", false},
	AlreadyInitialised:  {"module already started", false},
	NotSupported:        {"operation not supported", false},
	DeviceVersionTooLow: {"device version too low", false},
	TransportStarted:    {"transport module already started", false},
	ProbeFailed:         {"network probe failed", true},
	LocalServerFailed:   {"local server could not start", false},
	AlreadyStarted:      {"already started for this id", false},
	StreamFailed:        {"starting the stream failed", true},
	NoService:           {"no service started for this id", false},
	NotInEnvironment:    {"not supported in this environment", false},
	EncryptFailed:       {"encryption failed", true},
	DecryptFailed:       {"decryption failed", true},
	VoiceFailed:         {"talkback could not start", true},
	DownloadFailed:      {"file download failed", true},
	DeviceStateFailed:   {"asking the device's state failed", true},
}

func (c Code) String() string {
	if e, ok := codeTable[c]; ok {
		return e.text
	}
	return fmt.Sprintf("result code %d", int(c))
}

// Retryable says whether the same call can succeed later without a change by the caller.
func (c Code) Retryable() bool { return codeTable[c].retry }

// Error is the error of every call of this package that the reference gives a code for.
type Error struct {
	Op   string // the call, in the original's name: "startP2PService"
	Code Code
	Err  error // the cause, may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s", e.Op, e.Code)
	}
	return fmt.Sprintf("%s: %v", e.Op, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Is matches another *Error of the same code, so that errors.Is(err, &Error{Code: NoService}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Op == "" || t.Op == e.Op)
}

// CodeOf is the code that err carries; OK for nil, and false where it carries none.
func CodeOf(err error) (Code, bool) {
	if err == nil {
		return OK, true
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code, true
	}
	return 0, false
}
