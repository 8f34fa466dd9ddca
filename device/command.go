// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/xp2p/xp2p/grant"
)

// CommandHandler answers user_define commands.
type CommandHandler interface {
	// Command takes the whole command string ("action=user_define&cmd=ptz_left")
	// and returns the reply. Its error becomes the viewer's failure. PeerFrom(ctx)
	// says who sent it.
	Command(ctx context.Context, command string) (reply []byte, err error)
}

// MaxCommand is the longest command that a device reads; 16 KiB is what the
// reference calls sensible (§2, sendCommand).
const MaxCommand = 64 << 10

// serveCommand is GET /command?COMMAND or POST /command with the command as its body.
func (d *Device) serveCommand(w http.ResponseWriter, r *http.Request) {
	if !PeerFrom(r.Context()).allows(grant.Command) {
		refuse(w, statusForbidden, "the xp2pInfo does not allow commands")
		return
	}
	command := r.URL.RawQuery
	if r.Method == http.MethodPost && command == "" {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxCommand))
		if err != nil {
			var tooLong *http.MaxBytesError
			if errors.As(err, &tooLong) {
				refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the command is longer than %d bytes", MaxCommand))
			}
			return
		}
		command = string(b)
	}
	if !utf8.ValidString(command) {
		refuse(w, statusNotFound, "the command is not valid UTF-8")
		return
	}
	r, peer, err := identify(r, func(name string) string { return commandParam(command, name) })
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return
	}
	switch action := commandParam(command, "action"); action {
	case "inner_define":
		d.innerCommand(w, r, peer, command)
	case "user_define":
		d.userCommand(w, r, command)
	default:
		refuse(w, statusNotFound, fmt.Sprintf("command action %q: inner_define or user_define is needed", action))
	}
}

// commandParam is the first value of a parameter. A command is not always a
// well-formed query: its cmd may be raw JSON. So nothing but what is asked for is decoded.
func commandParam(command, name string) string {
	for p := range strings.SplitSeq(command, "&") {
		k, v, _ := strings.Cut(p, "=")
		if k != name {
			continue
		}
		if u, err := url.QueryUnescape(v); err == nil {
			return u
		}
		return v
	}
	return ""
}

func (d *Device) userCommand(w http.ResponseWriter, r *http.Request, command string) {
	if d.cfg.Commands == nil {
		refuse(w, statusUnsupported, "this camera has no handler for user_define commands (its --command-hook sets one)")
		return
	}
	reply, err := d.cfg.Commands.Command(r.Context(), command)
	if err != nil {
		d.log.Warn("command failed", "err", err)
		refuse(w, http.StatusInternalServerError, "the command failed: "+err.Error())
		return
	}
	w.Write(reply)
}
