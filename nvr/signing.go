// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"crypto/ed25519"
	"path/filepath"

	"github.com/xp2p/xp2p/recorder"
)

// exportKeyName is the key in the first storage where the configuration names none.
const exportKeyName = "export.key"

// exportKey is the file of the key that signs manifests of exports.
func (c *Config) exportKey() string {
	if c.ExportKey != "" {
		return c.ExportKey
	}
	return filepath.Join(c.Storage[0].Dir, exportKeyName)
}

// SigningKey is the key for recorder.ExportRequest.Sign. It is made when it is asked
// for the first time.
func (n *NVR) SigningKey() (ed25519.PrivateKey, error) {
	return recorder.LoadSigningKey(n.cfg.exportKey())
}
