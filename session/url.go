// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"errors"
	"net/url"
	"strings"
)

// StreamURL is the original's stream URL taken apart.
type StreamURL struct {
	XP2PInfo string
	Params   string // "action=live&channel=0"
}

// ParseURL reads "http://XP2P_INFO.xnet/ipc.p2p.com/ipc.flv?PARAMS" (reference/xp2p.md
// §2, streamInfo). The xp2pInfo may be percent-encoded or not: it ends in
// %VERSION, so the URL is not always one by RFC 3986.
func ParseURL(s string) (StreamURL, error) {
	const host, path = ".xnet/", "/ipc.flv"
	rest, ok := strings.CutPrefix(s, "http://")
	if !ok {
		rest, ok = strings.CutPrefix(s, "https://")
	}
	info, rest, ok2 := strings.Cut(rest, host)
	if !ok || !ok2 {
		return StreamURL{}, errors.New("not a stream URL (http://XP2P_INFO.xnet/ipc.p2p.com/ipc.flv?PARAMS)")
	}
	rest, params, _ := strings.Cut("/"+rest, "?")
	if !strings.HasSuffix(rest, path) {
		return StreamURL{}, errors.New("the stream URL does not ask for ipc.flv")
	}
	if strings.Contains(info, "%25") {
		if u, err := url.PathUnescape(info); err == nil {
			info = u
		}
	}
	return StreamURL{XP2PInfo: info, Params: params}, nil
}
