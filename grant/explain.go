// SPDX-License-Identifier: LGPL-2.1-or-later

package grant

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Explain says in plain words what a string is that somebody calls an xp2pInfo,
// and what is wrong with it where it is none, one line per statement. ok: it is
// one, and it holds at now. It says nothing that the string does not: whether the
// camera has revoked it, the camera alone knows.
func Explain(info string, now time.Time) (lines []string, ok bool) {
	info = strings.TrimSpace(info)
	g, err := Parse(info)
	switch {
	case errors.Is(err, ErrForged):
		return []string{
			"This has the form of an xp2pInfo, but it was changed or is damaged: its signature does not match.",
			"No camera accepts it. Ask the camera's owner for a new one.",
		}, false
	case err != nil:
		return explainForm(info), false
	}
	return g.explain(now)
}

func (g *Grant) explain(now time.Time) (lines []string, ok bool) {
	say := func(format string, a ...any) { lines = append(lines, fmt.Sprintf(format, a...)) }
	say("This is an xp2pInfo of the camera %s/%s (version %s%s), signed by it and unchanged.", plain(g.Product), plain(g.Device), g.Version, g.Flags)
	if len(g.Rights) == 0 {
		say("It allows nothing.")
	} else {
		say("It allows: %s.", join(g.Rights))
	}
	if g.Viewer == "" {
		say("Whoever holds it may use it: treat it as a key.")
	} else {
		say("Only the viewer with the key %s may use it.", plain(g.Viewer))
	}
	say("It was issued at %s.", g.Issued.UTC().Format(time.RFC3339))
	err := g.Check(now)
	switch {
	case errors.Is(err, ErrExpired):
		say("It expired at %s: no camera accepts it any more.", g.Expires.UTC().Format(time.RFC3339))
	case err != nil:
		say("That is in the future: %v.", err)
	case g.Expires.IsZero():
		say("It does not expire.")
	default:
		say("It expires at %s, in %s.", g.Expires.UTC().Format(time.RFC3339), roughly(g.Expires.Sub(now)))
	}
	say("Its id is %s. Whether it was revoked, the camera alone knows.", plain(g.ID))
	if pin, e := g.Pin(); e == nil {
		say("The camera must have the key %s.", base64.RawURLEncoding.EncodeToString(pin[:]))
	}
	return lines, err == nil
}

// explainForm says what a string is that has not our form.
func explainForm(s string) []string {
	const form = "An xp2pInfo of xp2p is XP2P, base64 of a signed token, % and a version, such as XP2PZXlK…%1.0.0."
	body, version, cut := strings.Cut(s, "%")
	b64, isXP2P := strings.CutPrefix(body, prefix)
	switch {
	case s == "":
		return []string{"This is empty.", form}
	case len(s) > maxInfo:
		return []string{fmt.Sprintf("This is no xp2pInfo: it has %d characters, more than %d.", len(s), maxInfo), form}
	case strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://"):
		return []string{"This is a URL, not an xp2pInfo. The original's stream URLs hold one between http:// and .xnet.", form}
	case !isXP2P:
		return []string{"This is no xp2pInfo: it does not begin with XP2P.", form}
	case !cut:
		return []string{"This is no whole xp2pInfo: % and the version at its end are missing. Was it cut off?", form}
	case !validVersion(version):
		return []string{"This is no xp2pInfo: what is behind the % is no version such as 1.0.0 (in a URL the % is written %25).", form}
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(b64, "="))
	if err != nil {
		raw, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(b64, "="))
	}
	switch {
	case err != nil:
		return []string{"This is no xp2pInfo: what is between XP2P and % is no base64. Was it cut off or changed?", form}
	case strings.HasPrefix(string(raw), "eyJ"): // how a token's JSON begins
		return []string{"This has the form of an xp2pInfo, but the token in it is damaged or not one of a camera's.", form}
	}
	return []string{
		fmt.Sprintf("This has the outer form of the original's (Tencent's) xp2pInfo, of a device of version %s.", plain(version)),
		"It is not one of xp2p's: there is no signed grant in it, so it cannot be checked or used here.",
		form,
	}
}

// plain keeps control characters of a string from somebody else off the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

func join(rights []Right) string {
	s := make([]string, len(rights))
	for i, r := range rights {
		s[i] = plain(string(r))
	}
	return strings.Join(s, ", ")
}

// roughly is a duration to read: days where it has some, else to the second.
func roughly(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.Round(time.Second).String()
}
