// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/xp2p/xp2p/nvr"
)

const (
	liveSuffix = ".flv"
	liveBuffer = 64 << 10
	// liveWait is how long a request for the stream of a camera that is away waits for
	// it; then the answer says why there is none. idleWait is the same for a camera to which
	// there is no connection since nobody needed one.
	liveWait = 3 * time.Second
	idleWait = 15 * time.Second
)

// getLive gives the stream that is being recorded as FLV, from a key frame on: no
// second connection to the camera is made. It ends with the camera's stream; who asks
// again gets the next one. A client that is slow loses whole groups of pictures, and one
// that takes nothing for writeTimeout is left. By WebSocket it is the same. With
// sound=flac G.711 is given as FLAC.
func (s *Server) getLive(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutSuffix(r.PathValue("stream"), liveSuffix)
	if !ok {
		refuse(w, http.StatusNotFound, "a live stream is /live/CAMERA"+liveSuffix)
		return
	}
	sound := r.URL.Query().Get("sound")
	flacWanted := sound == "flac"
	if sound != "" && !flacWanted {
		fail(w, bad("sound is flac, for G.711 as FLAC, or is not given"))
		return
	}
	if !s.watchers.enter() {
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d live streams are being watched already", maxWatchers))
		return
	}
	defer s.watchers.leave()
	wait := liveWait
	if c, err := s.cfg.Cameras.Camera(name); err == nil && c.State == nvr.StateIdle {
		wait = idleWait
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	stream, err := s.cfg.Cameras.Watch(ctx, name)
	if err != nil {
		fail(w, err)
		return
	}
	defer stream.Close()
	stop := context.AfterFunc(r.Context(), func() { stream.Close() }) // wakes Read
	defer stop()
	from := io.Reader(stream)
	if flacWanted {
		from = newFLACSound(stream)
	}
	if upgrades(r) {
		if err := serveSocket(w, r, from); err != nil {
			s.log.Debug("live by WebSocket ended", "camera", name, "error", err)
		}
		return
	}
	w.Header().Set("Content-Type", "video/x-flv")
	w.Header().Set("X-Accel-Buffering", "no") // of a proxy
	if r.Method == http.MethodHead {
		return
	}
	p := newPaced(w)
	buf := make([]byte, liveBuffer)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := p.Write(buf[:n]); err != nil {
				return
			}
			if p.flush() != nil {
				return
			}
		}
		if err != nil {
			return // the end of the stream is the end of the answer
		}
	}
}
