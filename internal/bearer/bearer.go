// SPDX-License-Identifier: LGPL-2.1-or-later

// Package bearer checks the tokens of requests (RFC 6750 §2.1).
package bearer

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"strings"
)

// Token is the token of a request's Authorization; ok: it has one.
func Token(r *http.Request) (token string, ok bool) {
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// Same compares secrets in a time that does not depend on how much of one is right, nor on
// its length.
func Same(got, want string) bool {
	g, w := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(g[:], w[:]) == 1
}

// Has says whether a request has the token.
func Has(r *http.Request, token string) bool {
	got, ok := Token(r)
	return ok && Same(got, token)
}

// FromOwner says whether a request has the token of whoever runs a server; where that has
// none (""), whether it comes from the server's own machine.
func FromOwner(r *http.Request, token string) bool {
	if token == "" {
		a, err := netip.ParseAddrPort(r.RemoteAddr)
		return err == nil && a.Addr().Unmap().IsLoopback()
	}
	return Has(r, token)
}
