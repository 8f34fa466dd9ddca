// SPDX-License-Identifier: LGPL-2.1-or-later

package launch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"a ! b":                        {"a", "!", "b"},
		"  a\t!\n b  ":                 {"a", "!", "b"},
		`filesrc location="a b.mp4"`:   {"filesrc", "location=a b.mp4"},
		`filesrc location='a "b.mp4'`:  {"filesrc", `location=a "b.mp4`},
		`filesrc location=a\ b.mp4 ''`: {"filesrc", "location=a b.mp4", ""},
		"":                             nil,
	} {
		got, err := Words(line)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`a "b`, `a 'b`, `a\`} {
		if got, err := Words(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
}

func TestTail(t *testing.T) {
	var b Tail
	for range 100 {
		b.Write([]byte(strings.Repeat("x", 100)))
	}
	b.Write([]byte("\n  the  end\xff\n"))
	if got := b.String(); len(got) > TailSize || !strings.HasSuffix(got, "x the end") {
		t.Errorf("%d bytes: ...%s", len(got), got[max(0, len(got)-20):])
	}
	b.Write([]byte(strings.Repeat("y", 3*TailSize)))
	if got := b.String(); got != strings.Repeat("y", TailSize) {
		t.Errorf("%d bytes", len(got))
	}
}

func TestMissing(t *testing.T) {
	for said, want := range map[string]string{
		`WARNING: erroneous pipeline: no element "x264enc"`: "gstreamer1.0-plugins-ugly",
		`WARNING: erroneous pipeline: no element "foo"`:     "apt-get install",
		`WARNING: erroneous pipeline: syntax error`:         "",
	} {
		if got := Missing(said); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q", said, got)
		}
	}
}
