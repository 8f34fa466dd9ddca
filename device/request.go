// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/xp2p/xp2p/grant"
)

// Status codes, those of get_device_st (reference/xp2p.md §4); they are the HTTP
// status of a refused request too.
const (
	statusAccept      = 0
	statusRefuse      = 1
	statusForbidden   = http.StatusForbidden                    // the grant does not allow it
	statusNotFound    = http.StatusNotFound                     // bad request
	statusTooMany     = http.StatusMethodNotAllowed             // 405, too many viewers
	statusUnsupported = http.StatusNotAcceptable                // 406
	statusGoingOn     = http.StatusConflict                     // 409, it is going on already
	statusBehindEnd   = http.StatusRequestedRangeNotSatisfiable // 416, an offset past the end
	statusDown        = http.StatusServiceUnavailable           // 503, nothing to send now
)

// refusal is the body of a refused request.
type refusal struct {
	Status string `json:"status"`
	Error  string `json:"error"`
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(refusal{strconv.Itoa(status), why})
}

// streamRequest is a GET /ipc.flv that was found good so far.
type streamRequest struct {
	*http.Request
	peer    Peer
	query   url.Values
	channel int
	hub     *hub
	archive Archive // nil: the channel has no recordings
	log     *slog.Logger
}

// streamActions are the actions of GET /ipc.flv, and what they need to be allowed.
var streamActions = map[string]struct {
	right grant.Right
	what  string
	serve func(*Device, http.ResponseWriter, *streamRequest)
}{
	"live":           {grant.Live, "live video", (*Device).serveLive},
	"live-audio":     {grant.Live, "live video", (*Device).serveLiveAudio},
	"live-mjpg":      {grant.Live, "live video", (*Device).serveLiveMJPEG},
	"playback":       {grant.Playback, "playback", (*Device).servePlayback},
	"playback-audio": {grant.Playback, "playback", (*Device).servePlaybackAudio},
	"playback-mjpg":  {grant.Playback, "playback", (*Device).servePlaybackMJPEG},
	"download":       {grant.Download, "downloads", (*Device).serveDownload},
}

// serveStream is GET /ipc.flv. Parameters of the transport's own (names that begin
// with _): _crypto=off is accepted and ignored, links are always encrypted.
func (d *Device) serveStream(w http.ResponseWriter, r *http.Request) {
	r, q, peer, ok := readRequest(w, r)
	if !ok {
		return
	}
	name := q.Get("action")
	action, ok := streamActions[name]
	if !ok {
		refuse(w, statusUnsupported, fmt.Sprintf("action %q is not supported by this camera", name))
		return
	}
	if !peer.allows(action.right) {
		refuse(w, statusForbidden, "the xp2pInfo does not allow "+action.what)
		return
	}
	channel, err := d.channel(q.Get("channel"))
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return
	}
	log := d.log.With("peer", peer.ID, "action", name, "channel", channel)
	if peer.Requester != "" || peer.UserArgs != "" {
		log = log.With("requester", peer.Requester, "user_args", peer.UserArgs)
	}
	if q.Get("_crypto") == "off" {
		log.Info("_crypto=off ignored: links are always encrypted")
		w.Header().Set("X-Xp2p-Crypto", "on")
	}
	c := d.all()[channel]
	action.serve(d, w, &streamRequest{r, peer, q, channel, c.hub, c.Archive, log})
}

// enterOrRefuse counts a viewer in, or refuses it; then ok is false.
func (d *Device) enterOrRefuse(w http.ResponseWriter, p Peer) (exit func(), ok bool) {
	if !d.enter(p) {
		refuse(w, statusTooMany, fmt.Sprintf("too many viewers: this camera serves %d at once", d.cfg.MaxViewers))
		return nil, false
	}
	return func() { d.exit(p) }, true
}

// until gives a context that ends with the request or with the device; what the
// request reads or writes then fails instead of blocking.
func (d *Device) until(w http.ResponseWriter, r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	rc := http.NewResponseController(w)
	stop := context.AfterFunc(d.ctx, func() {
		cancel()
		rc.SetReadDeadline(time.Unix(1, 0))
		rc.SetWriteDeadline(time.Unix(1, 0))
	})
	return ctx, func() { stop(); cancel() }
}

// pass copies a stream that is not looked into, as it comes.
func (d *Device) pass(w http.ResponseWriter, r *streamRequest, stream io.ReadCloser, contentType string) {
	ctx, cancel := d.until(w, r.Request)
	defer cancel()
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() }) // wakes Read
	defer stop()
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	buf := make([]byte, 64<<10)
	for {
		n, err := stream.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
			if rc.Flush() != nil {
				return
			}
		}
		if err != nil {
			r.log.Info("stream ends", "err", err)
			return
		}
	}
}

// channel reads the parameter channel; "" is the first one.
func (d *Device) channel(s string) (int, error) {
	n := 0
	if s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			return 0, fmt.Errorf("channel %q is not a number", s)
		}
	}
	if n < 0 || n >= len(d.all()) {
		return 0, fmt.Errorf("there is no channel %d", n)
	}
	return n, nil
}

// maxUnix is the latest time that is believed: the year 5138.
const maxUnix = 1e11

// unixParam reads a time in Unix seconds; decimals are allowed.
func unixParam(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, fmt.Errorf("%s is missing: Unix seconds are needed", name)
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v <= maxUnix) {
		return time.Time{}, fmt.Errorf("%s %q is not a time in Unix seconds", name, s)
	}
	return time.UnixMilli(int64(math.Round(v * 1000))), nil
}

// intervalParams reads start_time and end_time, which must be at least apart.
func intervalParams(param func(string) string, apart time.Duration) (from, to time.Time, err error) {
	if from, err = unixParam("start_time", param("start_time")); err != nil {
		return from, to, err
	}
	if to, err = unixParam("end_time", param("end_time")); err != nil {
		return from, to, err
	}
	switch length := to.Sub(from); {
	case length <= 0:
		err = fmt.Errorf("end_time is not after start_time")
	case length < apart:
		err = fmt.Errorf("start_time and end_time are %v apart, at least %v is needed", length, apart)
	}
	return from, to, err
}
