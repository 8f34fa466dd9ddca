// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// policy is what the page may load: itself, and pictures and media that its
// players put together (blob:).
const policy = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; " +
	"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// guard is before every request. It answers those that must not be served.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if !s.ownHost(r.Host) {
			// A page whose name was made to lead here by DNS would be of the same origin.
			refuse(w, http.StatusForbidden, "the Host of the request, "+clip(r.Host)+", is no name of this server: use "+s.URL()+" or add it to web.hosts")
			return
		}
		if crossSite(r) {
			refuse(w, http.StatusForbidden, "a web page of another site may not use this server")
			return
		}
		ok, shown := s.auth.admitted(r)
		switch {
		case !ok:
			s.refuseStranger(w, r)
			return
		case shown && isPage(r):
			// The token leaves the address bar and the history.
			s.auth.remember(w, r)
			http.Redirect(w, r, withoutToken(r.URL), http.StatusSeeOther)
			return
		case shown:
			s.auth.remember(w, r) // a playlist's player asks for the rest without the parameter
		}
		if !s.requests.enter() {
			h.Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "too many requests at once")
			return
		}
		defer s.requests.leave()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			// Not by http.Server.ReadTimeout, which would end streams of answers as well.
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// isPage says whether a request is for the page and not for data.
func isPage(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.Path == "/" }

func (s *Server) refuseStranger(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	if isPage(r) && strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusUnauthorized)
		w.Write([]byte(loginPage))
		return
	}
	refuse(w, http.StatusUnauthorized, "the token is missing or wrong: send Authorization: Bearer TOKEN, or the parameter token; the recorder's state directory has it")
}

// loginPage is for a browser without the cookie. A form sends the token as the
// parameter, as the URL that is printed at the start does.
const loginPage = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="dark"><title>xp2p</title>
<h1>xp2p</h1><form method="get" action="/"><p><label for="token">Token of this recorder, from the URL that <code>xp2p nvr</code> prints
or the file <code>token</code> in its state directory:</label></p>
<p><input id="token" name="token" type="password" size="56" autocomplete="current-password" autofocus required> <button>Open</button></p></form></html>`

// ownHost says whether a Host header names this server. An address cannot be
// somebody else's name for it.
func (s *Server) ownHost(hostport string) bool {
	host := trimHost(hostport)
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return s.hosts[host]
}

// ownNames are the names of this machine and those of the configuration.
func ownNames(more []string) map[string]bool {
	names := map[string]bool{"localhost": true}
	if n, err := os.Hostname(); err == nil {
		n = strings.ToLower(n)
		names[n] = true
		names[n+".local"] = true
	}
	for _, n := range more {
		names[trimHost(n)] = true
	}
	return names
}

// crossSite says whether a browser sends the request for a page of another site. A
// link that leads here from elsewhere is none.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		if !isPage(r) || r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			return true
		}
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

// withoutToken is the address of the same page without the token.
func withoutToken(u *url.URL) string {
	q := u.Query()
	q.Del(tokenParam)
	clean := url.URL{Path: u.Path, RawQuery: q.Encode()}
	return clean.String()
}

// clip shortens what a stranger sent before it is shown.
func clip(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
