// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/recorder"
)

// gate stands between a stream and the recorder: what comes while the camera is not
// to be recorded goes into the pre-roll. It belongs to one attempt.
type gate struct {
	camera *camera
	run    *recorder.Run // nil: not recording
	before preRoll
}

func newGate(c *camera) *gate {
	return &gate{camera: c}
}

// turn follows what is wanted; called for every batch, before its units.
func (g *gate) turn() error {
	wanted := g.camera.wanted.Load()
	switch {
	case wanted && g.run == nil:
		g.run = g.camera.rec.StartRun()
		if len(g.before.groups) == 0 { // what is missing until the next key picture is the camera's
			g.camera.rec.Mark(recorder.CauseCamera)
		}
		return g.before.flush(g.run.WriteAt)
	case !wanted && g.run != nil:
		g.run.Close(recorder.CauseConfig)
		g.run = nil
	}
	if !wanted {
		g.before.keep = g.camera.preRoll()
	}
	return nil
}

func (g *gate) put(u *demux.Unit, now time.Time) error {
	if g.run == nil {
		g.before.add(u, now)
		return nil
	}
	if u.Config { // for the next recording, should this one end
		g.before.configs[configSlot(u)] = owned(u, now)
	}
	return g.run.WriteAt(u, now)
}

// close ends the recording for cause.
func (g *gate) close(cause recorder.Cause) {
	if g.run != nil {
		g.run.Close(cause)
		g.run = nil
	}
}
