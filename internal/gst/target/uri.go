// SPDX-License-Identifier: LGPL-2.1-or-later

package target

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// Scheme is the URI scheme of a camera reached peer to peer.
const Scheme = "xp2p"

// URI is what an xp2p URI says. Empty fields were not in it.
type URI struct {
	Product, Device string
	Query           string // the camera's part, in the order in which it was written

	Rendezvous, App, XP2PInfo string
}

// ParseURI reads an xp2p URI. Its errors never repeat the URI, which may carry
// an xp2pInfo.
func ParseURI(s string) (URI, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !strings.EqualFold(scheme, Scheme) {
		return URI{}, errors.New("not an xp2p URI; it must look like xp2p://PRODUCT/DEVICE?action=live&channel=0&quality=high")
	}
	rest, _, _ = strings.Cut(rest, "#")
	name, query, _ := strings.Cut(rest, "?")

	var u URI
	var err error
	product, device, _ := strings.Cut(name, "/")
	if u.Product, err = url.PathUnescape(product); err != nil {
		return URI{}, errors.New("the product in the URI has a broken %-escape")
	}
	if u.Device, err = url.PathUnescape(strings.TrimSuffix(device, "/")); err != nil {
		return URI{}, errors.New("the device in the URI has a broken %-escape")
	}
	if strings.Contains(u.Device, "/") {
		return URI{}, errors.New("the path of the URI must be one device name: xp2p://PRODUCT/DEVICE")
	}
	if (u.Product == "") != (u.Device == "") {
		return URI{}, errors.New("the URI names a product without a device or the reverse: xp2p://PRODUCT/DEVICE")
	}

	o, camera, err := split(query)
	switch {
	case err != nil:
		return URI{}, err
	case o.swarm || o.codeURL != "":
		return URI{}, errManyViewers
	}
	u.Rendezvous, u.App, u.XP2PInfo = o.rendezvous, o.app, o.xp2pInfo
	u.Query = strings.Join(slices.DeleteFunc(camera, nameless), "&")
	return u, nil
}

// nameless says that a field of a query has no name, and so means nothing to a camera.
func nameless(field string) bool { return field == "" || field[0] == '=' }
