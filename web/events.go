// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/xp2p/xp2p/nvr"
)

// eventsIdle is how long an event stream may be silent: proxies, and clients whose
// network went away without a word, notice by the comment that follows.
const eventsIdle = 15 * time.Second

// getEvents is the stream of events (WHATWG HTML §9.2): each has its type as event and
// the whole of it as JSON in data. A client that is too slow is told by "lost".
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) {
	camera := r.URL.Query().Get("camera")
	if camera != "" {
		if _, err := s.cfg.Cameras.Camera(camera); err != nil {
			fail(w, err)
			return
		}
	}
	if !s.events.enter() {
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d event streams are open already", maxWatchers))
		return
	}
	defer s.events.leave()
	sub := s.cfg.Cameras.Subscribe()
	defer sub.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	p := newPaced(w)
	p.Write([]byte("retry: 2000\n\n"))
	idle := time.NewTicker(eventsIdle)
	defer idle.Stop()
	for {
		if p.flush() != nil {
			return
		}
		var err error
		select {
		case e, ok := <-sub.C:
			if !ok {
				return
			}
			if camera == "" || e.Camera == camera || e.Type == "lost" {
				err = writeEvent(p, e)
			}
		case <-idle.C:
			_, err = p.Write([]byte(": \n\n"))
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func writeEvent(p *paced, e nvr.Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p, "event: %s\ndata: %s\n\n", e.Type, b)
	return err
}
