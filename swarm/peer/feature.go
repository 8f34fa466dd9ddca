// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/xp2p/xp2p/swarm/wire"
)

// Switches says what is taken from other viewers and given to them now.
func (p *Peer) Switches() (download, upload bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats.Download, p.stats.Upload
}

// ServeHTTP serves the reference's requests (reference/xp2p.md §8) for this viewer, which
// a local server may offer:
//
//	GET …/stat?xresid=STREAM             {"flow":{"p2pBytes":0,"cdnBytes":0}}; 404: another stream
//	GET …/feature?download=1&upload=0    {"ret":0,"msg":"ok","download":1,"upload":0}
func (p *Peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch q := r.URL.Query(); {
	case strings.HasSuffix(r.URL.Path, "/stat"):
		if x := strings.TrimPrefix(q.Get("xresid"), "/"); x != "" && x != strings.TrimPrefix(p.stream, "/") && x+".flv" != strings.TrimPrefix(p.stream, "/") {
			answer(w, http.StatusNotFound, map[string]any{"code": codeBadArgument, "error": "this viewer watches another stream: xresid is its path"})
			return
		}
		s := p.Stats()
		answer(w, http.StatusOK, map[string]any{"flow": map[string]uint64{"p2pBytes": s.PeerBytes, "cdnBytes": s.SourceBytes}})
	case strings.HasSuffix(r.URL.Path, "/feature"):
		download, upload := p.Switches()
		for name, to := range map[string]*bool{"download": &download, "upload": &upload} {
			switch q.Get(name) {
			case "0":
				*to = false
			case "1":
				*to = true
			case "":
			default:
				answer(w, http.StatusBadRequest, map[string]any{"ret": codeBadArgument, "msg": name + " is 0 or 1"})
				return
			}
		}
		p.Switch(download, upload)
		answer(w, http.StatusOK, map[string]any{"ret": 0, "msg": "ok", "download": number(download), "upload": number(upload)})
	default:
		http.NotFound(w, r)
	}
}

// codeBadArgument is the X-P2P code (reference/xp2p.md §2).
const codeBadArgument = -2000

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// FromPeers counts the stripes that other viewers feed.
func (s *Stats) FromPeers() (n int) {
	for _, p := range s.Parents {
		if p != wire.Source {
			n++
		}
	}
	return n - s.Orphans
}
