// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
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

// is1vN says whether a URL is that of a stream of many viewers: http or https, and no
// xp2pInfo for a host (reference/xp2p.md §2, streamInfo).
func is1vN(s string) bool {
	return (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) && !strings.Contains(s, ".xnet/") && !strings.HasPrefix(s, "http://XP2P")
}

// isForeign says whether a URL is of a kind that this module does not pull: rtmp and the like.
func isForeign(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	return ok && scheme != "http" && scheme != "https"
}

// olderVersion compares two versions of the form 1.2.3, number by number.
func olderVersion(v, min string) (bool, error) {
	a, b := strings.Split(v, "."), strings.Split(min, ".")
	for i := range max(len(a), len(b)) {
		x, err := versionPart(v, a, i)
		if err != nil {
			return false, err
		}
		y, err := versionPart(min, b, i)
		if err != nil {
			return false, err
		}
		if c := cmp.Compare(x, y); c != 0 {
			return c < 0, nil
		}
	}
	return false, nil
}

func versionPart(v string, parts []string, i int) (uint64, error) {
	if i >= len(parts) {
		return 0, nil
	}
	n, err := strconv.ParseUint(parts[i], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("version %.40q is not of the form 1.2.3", v)
	}
	return n, nil
}
