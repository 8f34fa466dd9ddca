// SPDX-License-Identifier: LGPL-2.1-or-later

package local

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/xp2p/xp2p/internal/bearer"
)

// guard lets requests through that are made on this machine, or with the token.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case s.cfg.Token == "" && !s.ownHost(r.Host):
			// A page whose name was made to lead here by DNS would be of the same origin.
			refuse(w, http.StatusForbidden, 0, "the Host of the request is not this server's: use "+s.URL())
		case crossSite(r):
			refuse(w, http.StatusForbidden, 0, "a web page of another site may not use this server")
		case s.cfg.Token != "" && !s.authorised(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, 0, "the token is missing or wrong: send Authorization: Bearer TOKEN, or the parameter token")
		case s.requests.Add(1) > maxRequests:
			s.requests.Add(-1)
			refuse(w, http.StatusServiceUnavailable, 0, "too many requests at once: "+strconv.Itoa(maxRequests)+" are under way")
		default:
			defer s.requests.Add(-1)
			next.ServeHTTP(w, r)
		}
	})
}

// ownHost says whether a Host names this machine and the server's port.
func (s *Server) ownHost(hostport string) bool {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.Trim(hostport, "[]"), "80"
	}
	return isLoopback(strings.ToLower(host)) && port == strconv.Itoa(int(s.Addr().Port()))
}

// crossSite says whether a browser sends the request for a page of another site.
// Commands act also by GET, so that these are looked at as well.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

const tokenParam = "token"

func (s *Server) authorised(r *http.Request) bool {
	t, ok := bearer.Token(r)
	if !ok {
		t = r.URL.Query().Get(tokenParam)
	}
	return bearer.Same(t, s.cfg.Token)
}

// withoutToken is a query for the camera, which the token does not concern. The
// rest stays as it was written: a command is not always a well-formed query.
func withoutToken(query string) string {
	var kept []string
	for p := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(p, "="); name != tokenParam {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "&")
}
