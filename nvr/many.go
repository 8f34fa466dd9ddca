// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"time"

	"github.com/xp2p/xp2p/session"
)

// newManySource is a stream of many viewers (1vN; reference/xp2p.md §8): what comes, comes
// from the stream's source and from its other viewers. Where there is no swarm at its URL
// the session pulls plain http-flv.
func newManySource(n *NVR, cfg CameraConfig, events func(session.Event)) *peerSource {
	return &peerSource{peers: n.viewers, name: cfg.Name, noUpload: cfg.NoUpload, info: session.StreamInfo{URL: cfg.URL, CodeURL: cfg.CodeURL, Events: events}}
}

// accountPatience is how long a stream of many viewers waits for the rendezvous, which
// lends STUN servers and is not needed.
const accountPatience = 3 * time.Second

// viewers is the module for streams of many viewers: that of the cameras where there is
// an account and its rendezvous answers, else one without.
func (n *NVR) viewers(ctx context.Context) (Peers, error) {
	if n.needsAccount {
		if need, _ := n.cfg.missingForPeers(); need != "" {
			return n.alone.get(ctx)
		}
	}
	try, cancel := context.WithTimeout(ctx, accountPatience)
	defer cancel()
	peers, err := n.peers.get(try)
	if err != nil && ctx.Err() == nil {
		n.log.Warn("streams of many viewers go on without the rendezvous", "error", err)
		return n.alone.get(ctx)
	}
	return peers, err
}

// initAlone makes a module without a rendezvous.
func (n *NVR) initAlone(ctx context.Context) (Peers, error) {
	m, err := session.Init(ctx, session.Config{MaxUpload: float64(n.cfg.MaxUpload), Logger: n.log})
	if err != nil {
		return nil, err
	}
	return modulePeers{m}, nil
}

// swarm says how the camera's stream of many viewers is doing; nil: it is none, or there
// is no swarm.
func (c *camera) swarm() *session.SwarmStats {
	p, ok := c.source.(*peerSource)
	if !ok {
		return nil
	}
	s, ok := p.current().(interface {
		Swarm() (session.SwarmStats, bool)
	})
	if !ok {
		return nil
	}
	stats, ok := s.Swarm()
	if !ok {
		return nil
	}
	return &stats
}
