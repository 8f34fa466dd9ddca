// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/xp2p/xp2p/grant"
)

// innerRequest is an inner_define command of which action and cmd are known.
type innerRequest struct {
	*http.Request
	peer    Peer
	command string
}

func (r *innerRequest) param(name string) string { return commandParam(r.command, name) }

// innerCommands are those of reference/xp2p.md §4, and force_key_frame, which is ours.
var innerCommands = map[string]func(*Device, http.ResponseWriter, *innerRequest){
	"get_device_st":    (*Device).deviceState,
	"get_nvr_list":     (*Device).nvrList,
	"get_record_index": (*Device).recordIndex,
	"get_month_record": (*Device).monthRecord,
	"get_file_list":    (*Device).fileList,
	"playback_pause":   (*Device).playbackPause,
	"playback_resume":  (*Device).playbackResume,
	"playback_seek":    (*Device).playbackSeek,
	"playback_speed":   (*Device).playbackSpeed,
	"playback_ff":      (*Device).playbackSpeed,
	"force_key_frame":  (*Device).forceKeyFrame,
}

func (d *Device) innerCommand(w http.ResponseWriter, r *http.Request, p Peer, command string) {
	cmd := commandParam(command, "cmd")
	serve, ok := innerCommands[cmd]
	if !ok {
		refuse(w, statusUnsupported, fmt.Sprintf("inner command %q is not supported by this camera", cmd))
		return
	}
	serve(d, w, &innerRequest{r, p, command})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// done is the reply to a command that has nothing to tell.
type done struct {
	Status string `json:"status"`
}

func replyDone(w http.ResponseWriter) { reply(w, done{"0"}) }

// deviceState is the reply to get_device_st.
type deviceState struct {
	Status        string `json:"status"`
	AppConnectNum string `json:"appConnectNum"`
}

func (d *Device) deviceState(w http.ResponseWriter, r *innerRequest) {
	reply(w, []deviceState{{Status: strconv.Itoa(d.state(r)), AppConnectNum: strconv.Itoa(d.Viewers())}})
}

// state answers whether a request of a type would be accepted now.
func (d *Device) state(r *innerRequest) int {
	channel, err := d.channel(r.param("channel"))
	if err != nil {
		return statusNotFound
	}
	allowed := func(right grant.Right, have, busy bool) int {
		switch {
		case !r.peer.allows(right):
			return statusRefuse
		case !have:
			return statusUnsupported
		case busy:
			return statusTooMany
		}
		return statusAccept
	}
	switch r.param("type") {
	case "live", "":
		return allowed(grant.Live, true, d.full(r.peer))
	case "playback":
		return allowed(grant.Playback, d.all()[channel].Archive != nil, d.full(r.peer))
	case "voice":
		return allowed(grant.Voice, d.cfg.Speaker != nil, d.line.busy())
	}
	return statusNotFound
}

// nvrChannel is one entry of the reply to get_nvr_list.
type nvrChannel struct {
	DeviceName string
	Channel    string
	Online     string
}

func (d *Device) nvrList(w http.ResponseWriter, _ *innerRequest) {
	channels := d.all()
	l := make([]nvrChannel, len(channels))
	for i, c := range channels {
		_, live := c.hub.snapshot()
		if c.Online != nil {
			live = c.Online()
		}
		online := "0"
		if live {
			online = "1"
		}
		l[i] = nvrChannel{c.Name, strconv.Itoa(i), online}
	}
	reply(w, l)
}

func (d *Device) forceKeyFrame(w http.ResponseWriter, r *innerRequest) {
	channel, err := d.channel(r.param("channel"))
	switch {
	case err != nil:
		refuse(w, statusNotFound, err.Error())
	case !d.all()[channel].hub.requestKeyFrame():
		refuse(w, statusUnsupported, "the source of this channel cannot be asked for a key frame: the next one comes by itself")
	default:
		replyDone(w)
	}
}

// playbackOf finds the playback that a command is about, or refuses it.
func (d *Device) playbackOf(w http.ResponseWriter, r *innerRequest) *playback {
	channel, err := d.channel(r.param("channel"))
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return nil
	}
	p := d.playing.newest(playKey{r.peer.ID, channel})
	if p == nil {
		refuse(w, statusNotFound, fmt.Sprintf("this connection has no playback of channel %d: start one with action=playback", channel))
	}
	return p
}

func (d *Device) playbackPause(w http.ResponseWriter, r *innerRequest) {
	if p := d.playbackOf(w, r); p != nil {
		p.pause(true)
		replyDone(w)
	}
}

func (d *Device) playbackResume(w http.ResponseWriter, r *innerRequest) {
	if p := d.playbackOf(w, r); p != nil {
		p.pause(false)
		replyDone(w)
	}
}

func (d *Device) playbackSeek(w http.ResponseWriter, r *innerRequest) {
	p := d.playbackOf(w, r)
	if p == nil {
		return
	}
	at, err := seekParams(r, p.from)
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return
	}
	if err := p.seek(r.Context(), at); err != nil {
		refuseArchive(w, err)
		return
	}
	replyDone(w)
}

// seekParams reads time (Unix seconds) or progress (ms since the playback's start).
func seekParams(r *innerRequest, from time.Time) (time.Time, error) {
	if s := r.param("time"); s != "" {
		return unixParam("time", s)
	}
	s := r.param("progress")
	if s == "" {
		return time.Time{}, fmt.Errorf("playback_seek needs time (Unix seconds) or progress (milliseconds since start_time)")
	}
	const most = 1000 * maxUnix
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms < 0 || ms > most {
		return time.Time{}, fmt.Errorf("progress %q is not a number of milliseconds", s)
	}
	return time.UnixMilli(from.UnixMilli() + ms), nil
}

// Bounds of a playback's speed.
const (
	slowest = 1.0 / 16
	fastest = 16.0
)

func (d *Device) playbackSpeed(w http.ResponseWriter, r *innerRequest) {
	p := d.playbackOf(w, r)
	if p == nil {
		return
	}
	s := r.param("speed")
	speed, err := strconv.ParseFloat(s, 64)
	if err != nil || !(speed >= slowest && speed <= fastest) {
		refuse(w, statusNotFound, fmt.Sprintf("speed %q is not a number from 1/16 (0.0625) to 16", s))
		return
	}
	p.setSpeed(speed)
	replyDone(w)
}
