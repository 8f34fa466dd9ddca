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

// HTTP is the http or https URL of an xp2p+http or xp2p+https URI.
func HTTP(uri string) (u string, ok bool) {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return "", false
	}
	switch strings.ToLower(scheme) {
	case SchemeHTTP:
		return "http://" + rest, true
	case SchemeHTTPS:
		return "https://" + rest, true
	}
	return "", false
}

// Check says what is wrong with a URI of any of the schemes.
func Check(uri string) error {
	if h, ok := HTTP(uri); ok {
		return checkHTTP(h)
	}
	_, err := ParseURI(uri)
	return err
}

// checkHTTP never repeats the URL, which may carry a password.
func checkHTTP(u string) error {
	p, err := url.Parse(u)
	if err != nil || p.Host == "" {
		return errors.New("not a URL of a stream; it must look like xp2p+https://HOST/PATH.flv")
	}
	return nil
}
