// SPDX-License-Identifier: LGPL-2.1-or-later

package grant

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

func testKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func issue(t testing.TB, key ed25519.PrivateKey, g Grant) string {
	t.Helper()
	if g.Version == "" {
		g.Version = "1.0.0"
	}
	s, err := Issue(key, g)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	exp := time.Now().Add(time.Hour).Truncate(time.Second)
	want := Grant{Product: "PROD", Device: "front-door", Rights: []Right{Live, Command}, Expires: exp, Viewer: "pin", Version: "2.4.33", Flags: "m"}
	s := issue(t, testKey(1), want)
	if !strings.HasPrefix(s, "XP2P") || !strings.HasSuffix(s, "%2.4.33m") {
		t.Errorf("form: %s", s)
	}
	got, err := Parse(s + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if got.ID == "" || got.Issued.IsZero() {
		t.Errorf("no id or time: %+v", got)
	}
	want.ID, want.Issued, want.Key = got.ID, got.Issued, testKey(1).Public().(ed25519.PublicKey)
	if d := cmp.Diff(want, *got); d != "" {
		t.Error(d)
	}
	if !got.Allows(Live) || got.Allows(Voice) {
		t.Error("rights")
	}
}

func TestParseRefuses(t *testing.T) {
	good := issue(t, testKey(1), Grant{Product: "P", Device: "D"})
	body, _, _ := strings.Cut(good[4:], "%")
	token, _ := base64.RawURLEncoding.DecodeString(body)
	parts := strings.Split(string(token), ".")
	wrap := func(token string) string {
		return "XP2P" + base64.RawURLEncoding.EncodeToString([]byte(token)) + "%1.0.0"
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	forged := base64.RawURLEncoding.EncodeToString(bytes.Replace(payload, []byte("P/D"), []byte("P/E"), 1))
	none := jwt.NewWithClaims(jwt.SigningMethodNone, claims{Key: base64.RawURLEncoding.EncodeToString(testKey(1).Public().(ed25519.PublicKey))})
	noneToken, _ := none.SignedString(jwt.UnsafeAllowNoneSignatureType)
	for name, tt := range map[string]struct {
		info string
		want error
	}{
		"empty":           {"", ErrForm},
		"the original's":  {"XP2PAAAA==%2.4.46", ErrForm},
		"no version":      {good[:strings.Index(good, "%")], ErrForm},
		"odd version":     {good + "../", ErrForm},
		"other prefix":    {"YP2P" + good[4:], ErrForm},
		"not base64":      {"XP2P!!!!%1.0.0", ErrForm},
		"too long":        {"XP2P" + strings.Repeat("A", 5000) + "%1.0.0", ErrForm},
		"cut":             {good[:40] + "%1.0.0", ErrForm},
		"changed payload": {wrap(parts[0] + "." + forged + "." + parts[2]), ErrForged},
		"no signature":    {wrap(noneToken), ErrForged},
		"empty signature": {wrap(parts[0] + "." + parts[1] + "."), ErrForged},
	} {
		if g, err := Parse(tt.info); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v", name, g, err)
		}
	}
}

func TestVerify(t *testing.T) {
	key := testKey(1)
	now := time.Now()
	for name, tt := range map[string]struct {
		g       Grant
		own     ed25519.PrivateKey
		viewer  string
		now     time.Time
		revoked bool
		want    error
	}{
		"good":            {Grant{}, key, "v", now, false, nil},
		"for this viewer": {Grant{Viewer: "v"}, key, "v", now, false, nil},
		"another viewer":  {Grant{Viewer: "w"}, key, "v", now, false, ErrViewer},
		"expired":         {Grant{Expires: now.Add(-time.Second)}, key, "v", now, false, ErrExpired},
		"future":          {Grant{}, key, "v", now.Add(-time.Hour), false, ErrEarly},
		"another camera":  {Grant{}, testKey(2), "v", now, false, ErrForged},
		"another name":    {Grant{Device: "E"}, key, "v", now, false, ErrDevice},
		"revoked":         {Grant{}, key, "v", now, true, ErrRevoked},
	} {
		tt.g.Product = "P"
		if tt.g.Device == "" {
			tt.g.Device = "D"
		}
		g, err := Parse(issue(t, key, tt.g))
		if err != nil {
			t.Fatal(err)
		}
		err = g.Verify(tt.own.Public().(ed25519.PublicKey), "P", "D", tt.now, tt.viewer, func(id string) bool { return tt.revoked && id == g.ID })
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	for _, g := range []Grant{
		{Device: "D", Version: "1.0"},
		{Product: "P", Version: "1.0"},
		{Product: "P/Q", Device: "D", Version: "1.0"},
		{Product: "P", Device: "D", Version: "new"},
		{Product: "P", Device: "D", Version: "1.0", Rights: []Right{"everything"}},
	} {
		if s, err := Issue(testKey(1), g); err == nil {
			t.Errorf("%+v: %s", g, s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(issue(f, testKey(1), Grant{Product: "P", Device: "D", Rights: AllRights}))
	f.Add("XP2PAAAA==%2.4.46")
	f.Fuzz(func(t *testing.T, s string) {
		g, err := Parse(s)
		if err != nil {
			if !errors.Is(err, ErrForm) && !errors.Is(err, ErrForged) {
				t.Errorf("error without a kind: %v", err)
			}
			return
		}
		if len(g.Key) != ed25519.PublicKeySize || g.ID == "" {
			t.Errorf("accepted %+v", g)
		}
	})
}
