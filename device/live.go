// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// maxGather bounds _gather: half a second of video may wait, no more.
const maxGather = 500 * time.Millisecond

// serveLive is action=live. _gather=MS lets frames gather that long (at most 500).
func (d *Device) serveLive(w http.ResponseWriter, r *streamRequest) { d.live(w, r, everything) }

// serveLiveAudio is action=live-audio.
func (d *Device) serveLiveAudio(w http.ResponseWriter, r *streamRequest) { d.live(w, r, soundAlone) }

func (d *Device) live(w http.ResponseWriter, r *streamRequest, what selection) {
	gather, err := gatherParam(r.query.Get("_gather"))
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return
	}
	exit, ok := d.enterOrRefuse(w, r.peer)
	if !ok {
		return
	}
	defer exit()
	v, err := r.hub.join(r.Context(), what, r.hub.marks, func(l Level) {
		r.log.Debug("send buffer", "level", l)
		d.listeners.level(r.peer.ID, r.channel, l)
	})
	if err != nil {
		refuse(w, statusDown, err.Error())
		return
	}
	defer r.hub.leave(v)
	if what == soundAlone {
		ctx, cancel := context.WithTimeout(r.Context(), sourcePatience)
		err := v.await(ctx)
		cancel()
		if err != nil {
			refuse(w, statusUnsupported, "this channel has no sound")
			return
		}
	}
	w.Header().Set("Content-Type", "video/x-flv")
	w.WriteHeader(http.StatusOK)
	r.log.Info("stream begins", "query", r.URL.RawQuery)
	err = v.writeTo(r.Context(), w, http.NewResponseController(w).Flush, pauser(gather))
	r.log.Info("stream ends", "err", err, "lost", v.lost())
}

// serveLiveMJPEG is action=live-mjpg, which only sources of JPEG devices have.
func (d *Device) serveLiveMJPEG(w http.ResponseWriter, r *streamRequest) {
	src, ok := d.all()[r.channel].Source.(MJPEGSource)
	if !ok {
		refuse(w, statusUnsupported, "this camera has no JPEG pictures: ask for action=live")
		return
	}
	exit, ok := d.enterOrRefuse(w, r.peer)
	if !ok {
		return
	}
	defer exit()
	stream, contentType, err := src.OpenMJPEG(r.Context())
	if err != nil {
		refuse(w, statusDown, err.Error())
		return
	}
	d.pass(w, r, stream, contentType)
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

// pauser returns what a stream does between batches: nothing, or, for a viewer
// that records and asked for it by _gather, a pause in which frames gather into
// fewer packets and wake-ups.
func pauser(gather time.Duration) func(context.Context) error {
	if gather <= 0 {
		return func(context.Context) error { return nil }
	}
	return func(ctx context.Context) error {
		t := time.NewTimer(gather)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
