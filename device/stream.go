// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"encoding/json"
	"fmt"
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
	statusForbidden   = http.StatusForbidden          // the grant does not allow it
	statusNotFound    = http.StatusNotFound           // bad request
	statusTooMany     = http.StatusMethodNotAllowed   // 405, too many viewers
	statusUnsupported = http.StatusNotAcceptable      // 406
	statusSourceDown  = http.StatusServiceUnavailable // 503, no picture now
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

// maxGather bounds _gather: half a second of video may wait, no more.
const maxGather = 500 * time.Millisecond

// serveStream is GET /ipc.flv?action=live. Parameters of the transport's own
// (names that begin with _): _crypto=off is accepted and ignored, links are
// always encrypted; _gather=MS lets frames gather that long (at most 500).
func (d *Device) serveStream(w http.ResponseWriter, r *http.Request) {
	peer := peerOf(r)
	log := d.log.With("peer", peer.ID)
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, statusNotFound, "the parameters cannot be read: "+err.Error())
		return
	}
	if action := q.Get("action"); action != "live" {
		refuse(w, statusUnsupported, fmt.Sprintf("action %q is not supported by this camera", action))
		return
	}
	if !peer.allows(grant.Live) {
		refuse(w, statusForbidden, "the xp2pInfo does not allow live video")
		return
	}
	h, err := d.channel(q.Get("channel"))
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return
	}
	gather, err := gatherParam(q.Get("_gather"))
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return
	}
	if q.Get("_crypto") == "off" {
		log.Info("_crypto=off ignored: links are always encrypted")
		w.Header().Set("X-Xp2p-Crypto", "on")
	}
	if !d.enter(peer) {
		refuse(w, statusTooMany, fmt.Sprintf("too many viewers: this camera serves %d at once", d.cfg.MaxViewers))
		return
	}
	defer d.exit(peer)
	v, err := h.join(r.Context(), func(l Level) { log.Debug("send buffer", "level", l) })
	if err != nil {
		refuse(w, statusSourceDown, err.Error())
		return
	}
	defer h.leave(v)
	w.Header().Set("Content-Type", "video/x-flv")
	w.WriteHeader(http.StatusOK)
	log.Info("stream begins", "query", r.URL.RawQuery)
	err = v.writeTo(r.Context(), w, http.NewResponseController(w).Flush, pauser(gather))
	log.Info("stream ends", "err", err, "lost", v.lost())
}

func (d *Device) channel(s string) (*hub, error) {
	n := 0
	if s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			return nil, fmt.Errorf("channel %q is not a number", s)
		}
	}
	if n < 0 || n >= len(d.hubs) {
		return nil, fmt.Errorf("there is no channel %d", n)
	}
	return d.hubs[n], nil
}

func gatherParam(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	ms, err := strconv.Atoi(s)
	if err != nil || ms < 0 {
		return 0, fmt.Errorf("_gather %q is not a number of milliseconds", s)
	}
	return min(time.Duration(ms)*time.Millisecond, maxGather), nil
}
