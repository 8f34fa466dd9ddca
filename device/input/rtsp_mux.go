package input

import (
	"io"
	"sync"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// rtspMux writes the units of a camera's tracks as one FLV stream.
type rtspMux struct {
	mu       sync.Mutex
	w        *flv.Writer
	hasVideo bool
	hasAudio bool
	started  bool
}

func newRTSPMux(to io.Writer, tracks []*rtspTrack) *rtspMux {
	m := &rtspMux{w: flv.NewWriter(to, flv.WriteOptions{})}
	for _, t := range tracks {
		m.hasVideo = m.hasVideo || t.kind == demux.Video
		m.hasAudio = m.hasAudio || t.kind == demux.Audio
	}
	return m
}

// lead is put before the time 0 of the camera's first packet: pictures that are
// shown out of order are decoded before they are shown, the first one too.
const lead = time.Second

// write writes u. It waits while the stream's reader is far behind. An error
// means that FLV cannot carry the unit or that the stream is closed; neither
// needs handling, as the client ends by itself.
func (m *rtspMux) write(u *demux.Unit) error {
	shown := u.PTS() + lead
	u.DTS = max(0, u.DTS+lead)
	u.CTS = shown - u.DTS
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.started {
		m.started = true
		if err := m.w.WriteHeader(m.hasVideo, m.hasAudio); err != nil {
			return err
		}
	}
	return m.w.WriteUnit(u)
}

// ticks converts n ticks of a clock of rate Hz without overflow.
func ticks(n int64, rate int) time.Duration {
	r := int64(rate)
	return time.Duration(n/r)*time.Second + time.Duration(n%r)*time.Second/time.Duration(r)
}
