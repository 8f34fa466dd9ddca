// SPDX-License-Identifier: LGPL-2.1-or-later

package bearer

import (
	"net/http"
	"testing"
)

func TestFromOwner(t *testing.T) {
	for _, c := range []struct {
		name, token, header, from string
		has, owner                bool
	}{
		{"the token", "secret", "Bearer secret", "192.0.2.1:5", true, true},
		{"another", "secret", "Bearer secrets", "127.0.0.1:5", false, false},
		{"a part", "secret", "Bearer secre", "127.0.0.1:5", false, false},
		{"no scheme", "secret", "secret", "127.0.0.1:5", false, false},
		{"another scheme", "secret", "Basic secret", "127.0.0.1:5", false, false},
		{"none", "secret", "", "127.0.0.1:5", false, false},
		{"none is wanted, this machine", "", "", "127.0.0.1:5", false, true},
		{"none is wanted, this machine, IPv6", "", "", "[::1]:5", false, true},
		{"none is wanted, this machine, mapped", "", "", "[::ffff:127.0.0.1]:5", false, true},
		{"none is wanted, another machine", "", "", "192.0.2.1:5", false, false},
		{"none is wanted, from nowhere", "", "", "@", false, false},
	} {
		r := &http.Request{Header: http.Header{}, RemoteAddr: c.from}
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		if got := Has(r, c.token); got != c.has {
			t.Errorf("%s: Has is %v", c.name, got)
		}
		if got := FromOwner(r, c.token); got != c.owner {
			t.Errorf("%s: FromOwner is %v", c.name, got)
		}
	}
}
