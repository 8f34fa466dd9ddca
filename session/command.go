// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// The types of a CommandResult (reference/xp2p.md §2, sendCommand).
const (
	CommandSuccess = "success" // the camera answered well
	CommandFailure = "failure" // the camera answered with a failure
	CommandError   = "error"   // the request could not be made
	CommandTimeout = "timeout"
)

// CommandResult is what sendCommand returns in the original.
type CommandResult struct {
	Type    string `json:"type"`
	Status  int    `json:"status"`  // HTTP status of the answer, 0 without one
	Data    string `json:"data"`    // the reply, text
	ErrCode Code   `json:"errcode"` // of a failure: NotSupported (status 406), AlreadyStarted (409) or OK, the camera's own
	ErrMsg  string `json:"errmsg"`
}

const (
	// maxCommand is the longest command that is sent; 16 KiB is what the reference calls sensible.
	maxCommand = 64 << 10
	maxReply   = 1 << 20
)

// SendCommand sends a command ("action=inner_define&cmd=get_device_st") and waits
// for the reply: the original's sendCommand. The error is nil exactly where the
// camera answered, with success or failure; else the result says the same as the
// error. Without a deadline in ctx, Config.CommandTimeout bounds it.
func (s *Service) SendCommand(ctx context.Context, command string) (CommandResult, error) {
	const op = "sendCommand"
	fail := func(typ string, code Code, err error) (CommandResult, error) {
		var e *Error
		if errors.As(err, &e) {
			code, err = e.Code, errors.Unwrap(e)
		}
		return CommandResult{Type: typ, ErrCode: code, ErrMsg: err.Error()}, &Error{op, code, err}
	}
	switch {
	case command == "":
		return fail(CommandError, BadArgument, errors.New("the command is empty"))
	case len(command) > maxCommand:
		return fail(CommandError, BadArgument, fmt.Errorf("the command has %d bytes, at most %d are sent", len(command), maxCommand))
	case !utf8.ValidString(command):
		return fail(CommandError, BadArgument, errors.New("the command is not valid UTF-8"))
	}
	if _, ok := ctx.Deadline(); !ok {
		c, cancel := context.WithTimeout(ctx, s.m.cfg.CommandTimeout)
		defer cancel()
		ctx = c
	}
	l, err := s.connected(ctx, op)
	if err != nil {
		if ctx.Err() != nil {
			return fail(CommandTimeout, StreamFailed, errNoAnswer)
		}
		return fail(CommandError, StreamFailed, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://camera/command", strings.NewReader(command))
	if err != nil {
		return fail(CommandError, BadArgument, err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	res, err := l.RoundTrip(req)
	var data []byte
	if err == nil {
		defer res.Body.Close()
		data, err = io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return fail(CommandTimeout, StreamFailed, errNoAnswer)
	case err != nil:
		if lerr := l.Err(); lerr != nil {
			err = lerr
		}
		return fail(CommandError, StreamFailed, fmt.Errorf("the answer did not arrive: %w", err))
	case len(data) > maxReply:
		return fail(CommandError, StreamFailed, fmt.Errorf("the answer is longer than %d bytes", maxReply))
	}
	r := CommandResult{Type: CommandSuccess, Status: res.StatusCode, Data: string(data)}
	if res.StatusCode != http.StatusOK {
		r.Type, r.ErrCode, r.ErrMsg = CommandFailure, refusalCode(res.StatusCode, OK), fmt.Sprintf("the camera answered with status %d", res.StatusCode)
		var why struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(data, &why) == nil && why.Error != "" {
			r.ErrMsg = why.Error
		}
	}
	return r, nil
}

var errNoAnswer = errors.New("no answer from the camera in time")
