// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/link"
)

// IssueFrom makes an xp2pInfo with the key of a device, which is made where there
// is none yet: its owner does so beside a device that runs. What of g is used is
// said at grant.Issue.
func IssueFrom(keyFile string, g grant.Grant) (string, error) {
	id, err := link.LoadIdentity(keyFile)
	if err != nil {
		return "", err
	}
	return grant.Issue(id.Key(), g)
}

// CheckViewerPin says whether a text is the pin of a viewer's key, as in
// grant.Grant.Viewer.
func CheckViewerPin(pin string) error {
	_, err := link.ParsePin(pin)
	return err
}
