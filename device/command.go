// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xp2p/xp2p/grant"
)

// CommandHandler answers user_define commands.
type CommandHandler interface {
	// Command takes the whole command string ("action=user_define&cmd=ptz_left")
	// and returns the reply. Its error becomes the viewer's failure.
	Command(ctx context.Context, command string) (reply []byte, err error)
}

// MaxCommand is the longest command that a device reads; 16 KiB is what the
// reference calls sensible (§2, sendCommand).
const MaxCommand = 64 << 10

// serveCommand is GET /command?COMMAND or POST /command with the command as its body.
func (d *Device) serveCommand(w http.ResponseWriter, r *http.Request) {
	if !peerOf(r).allows(grant.Command) {
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
	switch action := commandParam(command, "action"); action {
	case "inner_define":
		d.innerCommand(w, r, command)
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

// deviceState is the reply to get_device_st.
type deviceState struct {
	Status        string `json:"status"`
	AppConnectNum string `json:"appConnectNum"`
}

// nvrChannel is one entry of the reply to get_nvr_list.
type nvrChannel struct {
	DeviceName string
	Channel    string
	Online     string
}

func (d *Device) innerCommand(w http.ResponseWriter, r *http.Request, command string) {
	switch cmd := commandParam(command, "cmd"); cmd {
	case "get_device_st":
		reply(w, []deviceState{{
			Status:        strconv.Itoa(d.state(peerOf(r), command)),
			AppConnectNum: strconv.Itoa(d.Viewers()),
		}})
	case "get_nvr_list":
		l := make([]nvrChannel, len(d.hubs))
		for i, h := range d.hubs {
			online := "0"
			if _, live := h.snapshot(); live {
				online = "1"
			}
			l[i] = nvrChannel{d.cfg.Channels[i].Name, strconv.Itoa(i), online}
		}
		reply(w, l)
	default:
		refuse(w, statusUnsupported, fmt.Sprintf("inner command %q is not supported by this camera", cmd))
	}
}

// state answers whether a request of a type would be accepted now.
func (d *Device) state(p Peer, command string) int {
	if _, err := d.channel(commandParam(command, "channel")); err != nil {
		return statusNotFound
	}
	switch commandParam(command, "type") {
	case "live", "":
		switch {
		case !p.allows(grant.Live):
			return statusRefuse
		case d.full(p):
			return statusTooMany
		}
		return statusAccept
	case "playback", "voice":
		return statusUnsupported
	}
	return statusNotFound
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
