// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/session"
)

func TestGuard(t *testing.T) {
	s := start(t, Config{Hosts: []string{"nvr.example"}})
	token := s.auth.token
	none := func(r *http.Request) { r.Header.Del("Authorization") }
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	cookie := func(v string) func(*http.Request) {
		return func(r *http.Request) {
			none(r)
			r.AddCookie(&http.Cookie{Name: cookieName, Value: v})
		}
	}
	const api = "/api/v1/cameras"
	for _, c := range []struct {
		name   string
		path   string
		change func(*http.Request)
		status int
	}{
		{"bearer", api, nil, 200},
		{"nothing", api, none, 401},
		{"wrong bearer", api, header("Authorization", "Bearer "+token+"x"), 401},
		{"empty bearer", api, header("Authorization", "Bearer "), 401},
		{"basic", api, header("Authorization", "Basic "+token), 401},
		{"parameter", api + "?token=" + token, none, 200},
		{"wrong parameter", api + "?token=" + token[1:], none, 401},
		{"cookie", api, cookie(s.auth.cookie), 200},
		{"the token is no cookie", api, cookie(token), 401},
		{"page without", "/", none, 401},
		{"page logs in", "/?token=" + token, none, 303},
		{"metrics without", "/metrics", none, 401},
		{"live without", "/live/gate.flv", none, 401},
		{"own name", api, host("localhost:1"), 200},
		{"own address", api, host("[::1]:8420"), 200},
		{"configured name", api, host("NVR.example"), 200},
		{"another name, as by DNS rebinding", api, host("evil.example"), 403},
		{"no name", api, host("a b"), 403},
		{"from another site", api, header("Sec-Fetch-Site", "cross-site"), 403},
		{"from a sibling site", api, header("Sec-Fetch-Site", "same-site"), 403},
		{"from the page", api, header("Sec-Fetch-Site", "same-origin"), 200},
		{"another origin", api, header("Origin", "http://evil.example"), 403},
		{"no origin", api, header("Origin", "null"), 403},
		{"a link from elsewhere", "/", func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
		}, 200},
		{"unknown", "/api/v1/nothing", nil, 404},
		{"not by that method", "/api/v1/exports/x/files", nil, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := s.request("GET", c.path, nil, c.change)
			if res.StatusCode != c.status {
				t.Errorf("%s, want %d", res.Status, c.status)
			}
			if res.Header.Get("Content-Security-Policy") == "" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers: %v", res.Header)
			}
			if h := res.Header.Get("Access-Control-Allow-Origin"); h != "" {
				t.Errorf("CORS: %s", h)
			}
		})
	}
}

// Who opens the URL that is printed gets a cookie and an address without the token.
func TestLogin(t *testing.T) {
	s := start(t, Config{})
	res := s.request("GET", strings.TrimPrefix(s.LoginURL(), strings.TrimSuffix(s.URL(), "/")), nil, func(r *http.Request) { r.Header.Del("Authorization") })
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" {
		t.Errorf("%s to %q", res.Status, res.Header.Get("Location"))
	}
	cookies := res.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || strings.Contains(cookies[0].Value, s.auth.token) {
		t.Errorf("%+v", cookies)
	}
}

func TestTokenFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	a, err := openAuth(dir)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(a.file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	again, err := openAuth(dir)
	if err != nil || again.token != a.token || len(a.token) < 50 {
		t.Errorf("%q, then %q (%v)", a.token, again.token, err)
	}
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"own":      {"a-token-of-my-own\n", 0o600, ""},
		"readable": {"a-token-of-my-own\n", 0o644, "chmod 600"},
		"short":    {"short\n", 0o600, "no token"},
		"two":      {"a-token-of-my-own another-one\n", 0o600, "no token"},
		"empty":    {"", 0o600, "no token"},
	} {
		t.Run(name, func(t *testing.T) {
			os.Remove(a.file)
			if err := os.WriteFile(a.file, []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := openAuth(dir)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A server that cannot start says why, with its code, and leaves nothing behind.
func TestStartFails(t *testing.T) {
	s := start(t, Config{})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg  Config
		code session.Code
		say  string
	}{
		"address":         {Config{Listen: "nowhere", State: t.TempDir()}, session.BadArgument, "is not HOST:PORT"},
		"port is taken":   {Config{Listen: s.Addr().String(), State: t.TempDir()}, session.LocalServerFailed, "address already in use"},
		"state is a file": {Config{Listen: "127.0.0.1:0", State: file}, session.LocalServerFailed, "state directory"},
	} {
		_, err := Start(c.cfg)
		if code, _ := session.CodeOf(err); code != c.code || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v (code %d), want %q and %d", name, err, code, c.say, c.code)
		}
	}
}

func TestListenAddress(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:8420": "127.0.0.1:8420", "8420": "127.0.0.1:8420", ":8420": "127.0.0.1:8420", "0.0.0.0:1": "0.0.0.0:1", "[::]:1": "[::]:1",
		"host": "", "": "", "99999": "",
	} {
		got, err := listenAddress(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}
