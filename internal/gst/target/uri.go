// SPDX-License-Identifier: LGPL-2.1-or-later

package target

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Scheme is the URI scheme of a camera reached peer to peer.
const Scheme = "xp2p"

// The URI parameters that are for this side of the link. They are not part of
// the request that goes to the camera.
const (
	paramRendezvous = "_rendezvous"
	paramApp        = "_app"
	paramXP2PInfo   = "_xp2p_info"
)

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

	var camera []string
	for field := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case paramRendezvous:
			u.Rendezvous, err = url.QueryUnescape(value)
		case paramApp:
			u.App, err = url.QueryUnescape(value)
		case paramXP2PInfo:
			u.XP2PInfo, err = unescapeInfo(value)
		case "":
		default:
			camera = append(camera, field)
		}
		if err != nil {
			return URI{}, fmt.Errorf("URI parameter %s has a broken %%-escape", key)
		}
	}
	u.Query = strings.Join(camera, "&")
	return u, nil
}

// unescapeInfo undoes the escaping of an xp2pInfo, which has a '%' of its own
// in front of the device version ("XP2P…%2.4.46"). People paste it as it is, so
// the text is only unescaped when that '%' is written "%25".
func unescapeInfo(s string) (string, error) {
	if !strings.Contains(s, "%25") {
		return s, nil
	}
	return url.QueryUnescape(s)
}
