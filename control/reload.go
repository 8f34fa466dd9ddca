// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"context"

	"github.com/xp2p/xp2p/nvr"
)

// Reloaded is the result of config.reload: what became of the file's changes. What is
// not in it goes on as it was.
type Reloaded struct {
	Cameras   nvr.Changes `json:"cameras"`
	Pipelines nvr.Changes `json:"pipelines"`
	// Restart are keys that changed and wait for the next start of the program.
	Restart []string `json:"restart"`
}

func (s *Server) configReload(ctx context.Context, _ none) (Reloaded, error) {
	return s.cfg.Reload(ctx)
}
