// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import "github.com/xp2p/xp2p/internal/link"

// ViewerPin is the pin of the viewer's key in a file (Config.KeyFile), which is
// made where there is none yet. A camera's owner binds grants to it; it is the
// UUID of a module with that key.
func ViewerPin(keyFile string) (string, error) {
	id, err := link.LoadIdentity(keyFile)
	if err != nil {
		return "", err
	}
	return id.Pin().String(), nil
}
