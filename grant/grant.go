// SPDX-License-Identifier: LGPL-2.1-or-later

// Package grant is the xp2pInfo: the string that lets a viewer use a camera.
//
// Its outer form is the original's (reference/xp2p.md §2, "xp2pInfo"):
//
//	XP2P<base64url>%<version><flags>
//
// What is behind the base64 is a signed token (RFC 7519, EdDSA per RFC 8037) that
// the camera's own key signs:
//
//	sub  "PRODUCT/DEVICE"           jti  the grant's id, by which it is revoked
//	key  the camera's public key    iat  when it was issued
//	may  what is allowed            exp  until when; absent: for ever
//	vwr  the only viewer's key pin; absent: whoever holds the string
//
// Anyone can read a grant and check that it was not changed; only the camera
// can say that the key in it is its own.
package grant

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// ParseRights reads a list such as "live,command"; "all" is every right.
func ParseRights(s string) ([]Right, error) {
	if s == "all" {
		return slices.Clone(AllRights), nil
	}
	var rights []Right
	for f := range strings.SplitSeq(s, ",") {
		r := Right(strings.TrimSpace(f))
		if !slices.Contains(AllRights, r) {
			return nil, fmt.Errorf("unknown right %q: known are %s, and all", r, join(AllRights))
		}
		if !slices.Contains(rights, r) {
			rights = append(rights, r)
		}
	}
	return rights, nil
}

// Right is one thing that a grant may allow.
type Right string

const (
	Live     Right = "live"
	Playback Right = "playback"
	Download Right = "download"
	Voice    Right = "voice"
	Command  Right = "command"
)

// AllRights in the order in which they are shown.
var AllRights = []Right{Live, Playback, Download, Voice, Command}

// Grant is what an xp2pInfo says.
type Grant struct {
	ID      string
	Product string
	Device  string
	Key     ed25519.PublicKey // the camera's
	Rights  []Right
	Issued  time.Time
	Expires time.Time // zero: never
	Viewer  string    // pin of the only viewer's key; empty: anyone
	Version string    // the device's, "1.0.0"
	Flags   string    // letters behind the version ("m": a JPEG device)
}

// Every way in which a grant can be of no use. The X-P2P code of all is -2001.
var (
	ErrForm    = errors.New("not an xp2pInfo (its form is XP2P<base64>%<version>)")
	ErrForged  = errors.New("the xp2pInfo was changed or is damaged: its signature does not match")
	ErrExpired = errors.New("the xp2pInfo has expired: ask the camera's owner for a new one")
	ErrEarly   = errors.New("the xp2pInfo was issued in the future: is the clock of this machine right?")
	ErrDevice  = errors.New("the xp2pInfo is for another camera")
	ErrViewer  = errors.New("the xp2pInfo is for another viewer's key")
	ErrRevoked = errors.New("the xp2pInfo was revoked by the camera's owner")
)

const (
	prefix  = "XP2P"
	maxInfo = 4096 // characters; ours have about 600
	// clockSkew is how far a camera's clock may be ahead of ours.
	clockSkew = 5 * time.Minute
)

type claims struct {
	jwt.RegisteredClaims
	Key    string  `json:"key"`
	May    []Right `json:"may"`
	Viewer string  `json:"vwr,omitempty"`
}

// Issue signs g with the camera's key and returns the xp2pInfo. ID, Key and
// Issued are filled in.
func Issue(key ed25519.PrivateKey, g Grant) (string, error) {
	if g.Product == "" || g.Device == "" || strings.Contains(g.Product, "/") {
		return "", errors.New("grant: product and device are needed")
	}
	if !validVersion(g.Version + g.Flags) {
		return "", fmt.Errorf("grant: version %q is not of the form 1.2.3", g.Version)
	}
	for _, r := range g.Rights {
		if !slices.Contains(AllRights, r) {
			return "", fmt.Errorf("grant: unknown right %q (known are %v)", r, AllRights)
		}
	}
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:  g.Product + "/" + g.Device,
			ID:       newID(),
			IssuedAt: jwt.NewNumericDate(time.Now()),
		},
		Key:    base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey)),
		May:    g.Rights,
		Viewer: g.Viewer,
	}
	if !g.Expires.IsZero() {
		c.ExpiresAt = jwt.NewNumericDate(g.Expires)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("grant: %w", err)
	}
	return prefix + base64.RawURLEncoding.EncodeToString([]byte(token)) + "%" + g.Version + g.Flags, nil
}

// newID is a grant's id: 72 random bits. None begins with a hyphen, which a command
// line would take for a flag.
func newID() string {
	var b [9]byte
	for {
		rand.Read(b[:])
		if id := base64.RawURLEncoding.EncodeToString(b[:]); id[0] != '-' {
			return id
		}
	}
}

// Parse reads an xp2pInfo and checks that it was not changed. Whether it still
// holds, and for whom, is Check's business. The error is ErrForm or ErrForged.
func Parse(info string) (*Grant, error) {
	info = strings.TrimSpace(info)
	if len(info) > maxInfo {
		return nil, fmt.Errorf("%w: it is longer than %d characters", ErrForm, maxInfo)
	}
	body, version, ok := strings.Cut(info, "%")
	if !ok || !strings.HasPrefix(body, prefix) || !validVersion(version) {
		return nil, ErrForm
	}
	token, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(body[len(prefix):], "="))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	var c claims
	p := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithoutClaimsValidation())
	var key ed25519.PublicKey
	_, err = p.ParseWithClaims(string(token), &c, func(*jwt.Token) (any, error) {
		k, err := base64.RawURLEncoding.DecodeString(c.Key)
		if err != nil || len(k) != ed25519.PublicKeySize {
			return nil, errors.New("no camera key")
		}
		key = k
		return key, nil
	})
	switch {
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return nil, ErrForged
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	product, device, ok := strings.Cut(c.Subject, "/")
	if !ok || c.ID == "" || c.IssuedAt == nil {
		return nil, fmt.Errorf("%w: it names no camera", ErrForm)
	}
	n := strings.LastIndexAny(version, "0123456789") + 1
	g := &Grant{ID: c.ID, Product: product, Device: device, Key: key, Rights: c.May, Issued: c.IssuedAt.Time,
		Viewer: c.Viewer, Version: version[:n], Flags: version[n:]}
	if c.ExpiresAt != nil {
		g.Expires = c.ExpiresAt.Time
	}
	return g, nil
}

// validVersion: digits and dots, then letters.
func validVersion(s string) bool {
	n := len(strings.TrimLeft(s, "0123456789."))
	v, flags := s[:len(s)-n], s[len(s)-n:]
	return v != "" && len(s) <= 32 && v[0] != '.' && v[len(v)-1] != '.' &&
		strings.Trim(flags, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// Check says whether the grant holds at now; the viewer asks it before it connects.
func (g *Grant) Check(now time.Time) error {
	switch {
	case !g.Expires.IsZero() && !now.Before(g.Expires):
		return fmt.Errorf("%w (it held until %s)", ErrExpired, g.Expires.Format(time.RFC3339))
	case g.Issued.After(now.Add(clockSkew)):
		return ErrEarly
	}
	return nil
}

// Verify is the camera's decision: is the grant mine, does it hold at now, may
// viewer (the pin of a proven key) use it, was it not revoked?
func (g *Grant) Verify(own ed25519.PublicKey, product, device string, now time.Time, viewer string, revoked func(id string) bool) error {
	switch {
	case !g.Key.Equal(own):
		return ErrForged
	case g.Product != product || g.Device != device:
		return ErrDevice
	case g.Viewer != "" && g.Viewer != viewer:
		return ErrViewer
	case revoked != nil && revoked(g.ID):
		return ErrRevoked
	}
	return g.Check(now)
}

// Allows says whether the grant includes a right.
func (g *Grant) Allows(r Right) bool { return slices.Contains(g.Rights, r) }

// Pin is the pin of the camera's key: the SHA-256 of its SubjectPublicKeyInfo.
func (g *Grant) Pin() ([sha256.Size]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(g.Key)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	return sha256.Sum256(spki), nil
}
