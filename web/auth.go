// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/xp2p/xp2p/internal/bearer"
)

const (
	tokenName  = "token"
	tokenParam = "token"
	minToken   = 16
	maxToken   = 256
	// cookieName has the prefix by which browsers bind a cookie to the very host that set
	// it only under TLS, so it has none: HttpOnly and SameSite=Strict do the work.
	cookieName = "xp2p_session"
	cookieLife = 30 * 24 * time.Hour
)

// auth knows the token. A browser that has shown it once gets a cookie, which is
// derived from it: who changes the token ends every browser's session.
type auth struct {
	file   string
	token  string
	cookie string
}

// openAuth reads the token of a state directory, or makes one of 256 bits.
func openAuth(dir string) (*auth, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	a := &auth{file: filepath.Join(dir, tokenName)}
	b, err := os.ReadFile(a.file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeToken(a.file); err != nil {
			return nil, fmt.Errorf("make the token: %w", err)
		}
		b, err = os.ReadFile(a.file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	if st, err := os.Stat(a.file); err == nil && st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: chmod 600 it, or remove it for a new one", a.file)
	}
	a.token = strings.TrimSpace(string(b))
	if n := len(a.token); n < minToken || n > maxToken || strings.ContainsFunc(a.token, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`%&#+";,\`, r) }) {
		return nil, fmt.Errorf("%s holds no token: %d to %d letters and digits, or remove it for a new one", a.file, minToken, maxToken)
	}
	m := hmac.New(sha256.New, []byte(a.token))
	m.Write([]byte("xp2p web session"))
	a.cookie = hex.EncodeToString(m.Sum(nil))
	return a, nil
}

// makeToken writes a new token under a temporary name first: it is there whole or not.
func makeToken(file string) error {
	f, err := os.CreateTemp(filepath.Dir(file), tokenName+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintln(f, rand.Text()+rand.Text())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// admitted says whether a request may be served: by the cookie, by Authorization:
// Bearer, or by the parameter token, for players that can send neither; then shown
// is true.
func (a *auth) admitted(r *http.Request) (ok, shown bool) {
	if t, found := bearer.Token(r); found {
		return bearer.Same(t, a.token), false
	}
	if r.URL.RawQuery != "" {
		if t := r.URL.Query().Get(tokenParam); t != "" {
			return bearer.Same(t, a.token), true
		}
	}
	c, err := r.Cookie(cookieName)
	return err == nil && bearer.Same(c.Value, a.cookie), false
}

// remember gives the browser the cookie.
func (a *auth) remember(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: a.cookie, Path: "/", MaxAge: int(cookieLife.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"})
}
