// SPDX-License-Identifier: LGPL-2.1-or-later

package target

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// The URI parameters that are for this side of the link, in any of the schemes. They never
// go to a camera or a server.
const (
	paramRendezvous = "_rendezvous"
	paramApp        = "_app"
	paramXP2PInfo   = "_xp2p_info"
	paramCodeURL    = "_code_url" // of http-flv alone
	paramSwarm      = "_swarm"    // of http-flv alone
)

// own is what the parameters for this side say.
type own struct {
	rendezvous, app, xp2pInfo, codeURL string
	swarm                              bool
}

// split takes the parameters for this side out of a query; the others are left as they
// are written. Its errors do not repeat values.
func split(query string) (o own, others []string, err error) {
	for field := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case paramRendezvous:
			o.rendezvous, err = url.QueryUnescape(value)
		case paramApp:
			o.app, err = url.QueryUnescape(value)
		case paramXP2PInfo:
			o.xp2pInfo, err = unescapeInfo(value)
		case paramCodeURL:
			o.codeURL, err = url.QueryUnescape(value)
		case paramSwarm:
			if value != "on" && value != "off" {
				return own{}, nil, errors.New("URI parameter _swarm is on or off")
			}
			o.swarm = value == "on"
		default:
			others = append(others, field)
		}
		if err != nil {
			return own{}, nil, fmt.Errorf("URI parameter %s has a broken %%-escape", key)
		}
	}
	return o, others, nil
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
