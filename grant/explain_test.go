// SPDX-License-Identifier: LGPL-2.1-or-later

package grant

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestExplain(t *testing.T) {
	now := time.Now()
	good := issue(t, testKey(1), Grant{Product: "PROD", Device: "front", Rights: []Right{Live, Voice}, Expires: now.Add(100 * time.Hour), Version: "2.4.1", Flags: "m"})
	bound := issue(t, testKey(1), Grant{Product: "PROD", Device: "front", Viewer: "somebody"})
	old := issue(t, testKey(1), Grant{Product: "PROD", Device: "front", Expires: now.Add(-time.Hour)})
	for name, tt := range map[string]struct {
		info string
		ok   bool
		says []string
	}{
		"good":            {good, true, []string{"PROD/front (version 2.4.1m)", "live, voice", "Whoever holds it", "4 days", "id is"}},
		"for one viewer":  {bound, true, []string{"Only the viewer with the key somebody", "allows nothing", "does not expire"}},
		"expired":         {old, false, []string{"expired at"}},
		"changed":         {forge(t, good), false, []string{"signature does not match"}},
		"cut":             {good[:100], false, []string{"Was it cut off?"}},
		"cut in between":  {good[:100] + "%1.0.0", false, []string{"damaged"}},
		"the original's":  {"XP2PAAAA==%2.4.46", false, []string{"Tencent", "2.4.46"}},
		"escaped":         {strings.Replace(good, "%", "%25x", 1), false, []string{"%25"}},
		"a stream's URL":  {"http://" + good + ".xnet/ipc.p2p.com/ipc.flv", false, []string{"URL"}},
		"nothing":         {"  ", false, []string{"empty"}},
		"something else":  {"hello\x1b[2J", false, []string{"does not begin with XP2P"}},
		"not base64":      {"XP2P!!%1.0.0", false, []string{"no base64"}},
		"much of it":      {strings.Repeat("x", 1<<20), false, []string{"1048576 characters"}},
		"no version":      {"XP2PAAAA%new", false, []string{"no version"}},
		"from the future": {good, false, []string{"in the future"}},
	} {
		at := now
		if name == "from the future" {
			at = now.Add(-time.Hour)
		}
		lines, ok := Explain(tt.info, at)
		text := strings.Join(lines, "\n")
		for _, want := range tt.says {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", name, want, text)
			}
		}
		if ok != tt.ok {
			t.Errorf("%s: ok is %v\n%s", name, ok, text)
		}
	}
}

// forge changes what a grant says and leaves its signature.
func forge(t *testing.T, info string) string {
	t.Helper()
	body, version, _ := strings.Cut(strings.TrimPrefix(info, prefix), "%")
	token, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(token), ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), `"live"`, `"voice"`, 1)))
	return prefix + base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "."))) + "%" + version
}

func TestParseRights(t *testing.T) {
	for in, want := range map[string][]Right{"live": {Live}, "live, voice,live": {Live, Voice}, "all": AllRights} {
		if got, err := ParseRights(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "everything", "live,"} {
		if got, err := ParseRights(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

// FuzzExplain: whatever the string, it is explained, briefly and in print.
func FuzzExplain(f *testing.F) {
	f.Add(issue(f, testKey(1), Grant{Product: "P", Device: "D", Rights: AllRights}))
	f.Add("XP2PAAAA==%2.4.46")
	f.Add("http://XP2PAAAA==%2.4.46.xnet/ipc.p2p.com/ipc.flv")
	f.Fuzz(func(t *testing.T, s string) {
		lines, ok := Explain(s, time.Unix(1, 0))
		text := strings.Join(lines, " ")
		if len(lines) < 2 || len(text) > 4*maxInfo || strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
			t.Errorf("%q", lines)
		}
		if _, err := Parse(s); err != nil && ok {
			t.Errorf("a string that cannot be read is called good: %q", lines)
		}
	})
}
