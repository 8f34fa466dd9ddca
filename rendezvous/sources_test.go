// SPDX-License-Identifier: LGPL-2.1-or-later

package rendezvous

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"
)

var sourceKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

func goodNews() SourceNews {
	return SourceNews{Stream: "/live/a.flv", Want: Lead, At: 1, Source: Source{ID: "one", URL: "https://one.example/live/a.flv", Viewers: 3, Most: 10, High: 1 << 40, Number: 7}}
}

func TestNews(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*SourceNews)
		say    string // "": it is good
	}{
		{"as it should be", func(*SourceNews) {}, ""},
		{"no stream", func(n *SourceNews) { n.Stream = "" }, "not a path"},
		{"a long stream", func(n *SourceNews) { n.Stream = "/" + strings.Repeat("a", 200) }, "not a path"},
		{"no URL", func(n *SourceNews) { n.URL = "" }, "URL"},
		{"a file", func(n *SourceNews) { n.URL = "file:///etc/passwd" }, "URL"},
		{"a query", func(n *SourceNews) { n.URL += "?x=1" }, "URL"},
		{"no such role", func(n *SourceNews) { n.Want = "emperor" }, "no role"},
		{"less than none", func(n *SourceNews) { n.Viewers = -1 }, "less than none"},
		{"no name", func(n *SourceNews) { n.ID = "a.b" }, "letters"},
		{"too long", func(n *SourceNews) { n.URL += strings.Repeat("a", maxNews) }, "more than"},
	} {
		n := goodNews()
		tt.change(&n)
		b, err := SignNews(sourceKey, n)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := ReadNews(b)
		if (err == nil) != (tt.say == "") || err != nil && !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.say)
		}
		if err == nil && got != n {
			t.Errorf("%s: %+v, want %+v", tt.name, got, n)
		}
	}
}

// Only who has the key speaks for a stream, and what is signed for one is not good for another.
func TestNewsOfOthers(t *testing.T) {
	b, err := SignNews(sourceKey, goodNews())
	if err != nil {
		t.Fatal(err)
	}
	_, group, err := ReadNews(b)
	if err != nil {
		t.Fatal(err)
	}
	n := goodNews()
	n.Stream = "/live/b.flv"
	other, _ := SignNews(sourceKey, n)
	if _, g, _ := ReadNews(other); g == group || g == "" {
		t.Errorf("another stream's group is %q", g)
	}
	stranger, _ := SignNews(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize)), goodNews())
	if _, g, _ := ReadNews(stranger); g == group || g == "" {
		t.Errorf("another key's group is %q", g)
	}
	var s signedNews
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	s.News = bytes.Replace(s.News, []byte("one.example"), []byte("two.example"), 1)
	forged, _ := json.Marshal(s)
	if _, _, err := ReadNews(forged); err == nil {
		t.Error("news that were changed are believed")
	}
}

func FuzzReadNews(f *testing.F) {
	b, err := SignNews(sourceKey, goodNews())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"key":"","news":"e30=","signature":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, group, err := ReadNews(b)
		if err == nil && (len(group) != 32 || n.validate() != nil) {
			t.Errorf("news %+v of group %q are taken", n, group)
		}
	})
}
