// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"time"

	"github.com/xp2p/xp2p/recorder"
)

// ExportDetail is the detail of the events export.progress and export.done.
type ExportDetail struct {
	File  string `json:"file"`
	Done  int64  `json:"done"`  // bytes of recordings that were read
	Total int64  `json:"total"` // of so many
	Error string `json:"error,omitempty"`
}

// exportEvery is how often an export tells how far it is.
const exportEvery = 250 * time.Millisecond

// Export is recorder.Archive.Export; subscribers hear how far it is and how it ended.
func (n *NVR) Export(ctx context.Context, r recorder.ExportRequest) ([]recorder.ExportedFile, error) {
	said := time.Now()
	state := ExportDetail{File: r.Path}
	tell := r.Progress
	r.Progress = func(done, total int64) {
		state.Done, state.Total = done, total
		if now := time.Now(); now.Sub(said) >= exportEvery {
			said = now
			n.bus.publish(Event{Type: "export.progress", Camera: r.Camera, Detail: state})
		}
		if tell != nil {
			tell(done, total)
		}
	}
	files, err := n.archive.Export(ctx, r)
	if err != nil {
		state.Error = err.Error()
	}
	n.bus.publish(Event{Type: "export.done", Camera: r.Camera, Detail: state})
	return files, err
}
