// SPDX-License-Identifier: LGPL-2.1-or-later

package target

import (
	"errors"
	"net/url"
	"strings"
)

// The URI schemes of streams that are had by http-flv: the URL behind "xp2p+".
const (
	SchemeHTTP  = "xp2p+http"
	SchemeHTTPS = "xp2p+https"
)

// Stream is what an xp2p+http or xp2p+https URI says. Empty fields were not in it.
type Stream struct {
	URL     string // http or https, without the parameters that are for this side
	CodeURL string
	Swarm   bool

	Rendezvous, App string
}

// IsHTTP says whether a URI is of one of the schemes of ParseHTTP.
func IsHTTP(uri string) bool {
	_, _, ok := cutHTTP(uri)
	return ok
}

func cutHTTP(uri string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(uri, "://")
	switch {
	case !ok:
	case strings.EqualFold(scheme, SchemeHTTP):
		return "http", rest, true
	case strings.EqualFold(scheme, SchemeHTTPS):
		return "https", rest, true
	}
	return "", "", false
}

// ParseHTTP reads an xp2p+http or xp2p+https URI. Its errors never repeat the URI, which
// may carry a password or a code.
func ParseHTTP(uri string) (s Stream, err error) {
	const form = "must look like xp2p+https://HOST/PATH.flv"
	scheme, rest, ok := cutHTTP(uri)
	if !ok {
		return s, errors.New("not a URI of http-flv; it " + form)
	}
	rest, query, asked := strings.Cut(rest, "?")
	o, servers, err := split(query) // an xp2pInfo means nothing here, and is not for a server
	if err != nil {
		return s, err
	}
	s.CodeURL, s.Swarm, s.Rendezvous, s.App = o.codeURL, o.swarm, o.rendezvous, o.app
	s.URL = scheme + "://" + rest
	if query = strings.Join(servers, "&"); asked && query != "" {
		s.URL += "?" + query
	}
	if u, err := url.Parse(s.URL); err != nil || u.Host == "" {
		return Stream{}, errors.New("not a URL of a stream; it " + form)
	}
	return s, nil
}

// Check says what is wrong with a URI of any of the schemes.
func Check(uri string) (err error) {
	if IsHTTP(uri) {
		_, err = ParseHTTP(uri)
	} else {
		_, err = ParseURI(uri)
	}
	return err
}

// resolveHTTP is Resolve for such a URI. The account is for a swarm alone, and not needed
// there: it lends the rendezvous' STUN servers.
func resolveHTTP(p Properties, getenv func(string) string) (Target, error) {
	s, err := ParseHTTP(p.Location)
	if err != nil {
		return Target{}, bad(err)
	}
	t := Target{HTTP: s.URL, CodeURL: first(p.CodeURL, s.CodeURL), Params: DefaultParams}
	if t.Swarm = p.Swarm || s.Swarm || t.CodeURL != ""; !t.Swarm {
		return t, nil
	}
	t.NoUpload = p.NoUpload
	if t.CodeURL != "" {
		if u, err := url.Parse(t.CodeURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return Target{}, bad(errors.New("code-url is not the URL of a stream's key: it must look like https://HOST/code/CODE, as `xp2p source --seal` prints it"))
		}
	}
	rendezvous, app := first(p.Rendezvous, s.Rendezvous), first(p.App, s.App)
	switch {
	case rendezvous == "" && app == "":
		if r, a := getenv(EnvRendezvous), getenv(EnvApp); r != "" && a != "" {
			t.Rendezvous, t.App = r, a
		}
		return t, nil
	case rendezvous == "":
		rendezvous = getenv(EnvRendezvous)
	case app == "":
		app = getenv(EnvApp)
	}
	if t.Rendezvous, t.App = rendezvous, app; rendezvous == "" || app == "" {
		return Target{}, bad(errors.New("rendezvous and app go together: set both, or neither where the other viewers can be reached without STUN"))
	}
	return t, nil
}
