// SPDX-License-Identifier: LGPL-2.1-or-later

package input

import (
	"github.com/pion/rtcp"

	"github.com/xp2p/xp2p/demux"
)

// RequestKeyFrame asks the camera for a key frame by a picture loss indication (RFC
// 4585 §6.3.1). Cameras that do not know it ignore it.
func (r *rtsp) RequestKeyFrame() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.open {
		s.requestKeyFrame()
	}
}

func (s *rtspStream) requestKeyFrame() {
	for _, t := range s.tracks {
		ssrc := t.ssrc.Load()
		if t.kind != demux.Video || ssrc == 0 {
			continue
		}
		// It is queued, not sent: this does not block. One that is lost costs what the
		// next key frame takes to come by itself.
		if err := s.client.WritePacketRTCP(t.media, &rtcp.PictureLossIndication{MediaSSRC: ssrc}); err != nil {
			s.in.o.Logger.Debug("key frame not requested", "input", s.in.String(), "error", err)
		}
	}
}

func (r *rtsp) opened(s *rtspStream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = map[*rtspStream]struct{}{}
	}
	r.open[s] = struct{}{}
}

func (r *rtsp) ended(s *rtspStream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, s)
}
