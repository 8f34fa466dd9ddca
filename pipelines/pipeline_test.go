// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const small = `# demo: for tests
# More about it.
#
# int size=10 px 1..20: how big
# text location: where
# choice sound=off: whether
#   on: d. ! fakesink name=${name}
#   off:
# text name=n: of it
# line sink=fakesink: shows it
# example: xp2p pipeline run demo

${source} ! a size=${size}
  ! b location=${location}/%d ! ${sink}
  ${sound}
`

func TestExpand(t *testing.T) {
	p, err := Parse(small)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		values map[string]string
		want   string // words, joined by |
		err    string
	}{
		{"defaults", map[string]string{"location": "/tmp"}, "src|!|a|size=10|!|b|location=/tmp/%d|!|fakesink", ""},
		{"all", map[string]string{"location": "/tmp", "size": "20", "sound": "on", "name": "x", "sink": "f sync=true"},
			"src|!|a|size=20|!|b|location=/tmp/%d|!|f|sync=true|d.|!|fakesink|name=x", ""},
		{"a value is no piece of the line", map[string]string{"location": "a ! filesink location=b"},
			`src|!|a|size=10|!|b|location="a ! filesink location=b/%d"|!|fakesink`, ""},
		{"missing", nil, "", "parameter location: is missing: where"},
		{"unknown", map[string]string{"loc": "x"}, "", "parameter loc: there is none; there are size, location, sound, name, sink"},
		{"builtin", map[string]string{"source": "x"}, "", "parameter source: is filled in"},
		{"too big", map[string]string{"size": "21"}, "", `parameter size: "21" must be a number from 1 to 20 px`},
		{"no number", map[string]string{"size": "x"}, "", "must be a number"},
		{"no choice", map[string]string{"sound": "x"}, "", `parameter sound: "x" must be one of: on, off`},
		{"quotation", map[string]string{"location": `a"b`}, "", "quotation marks"},
		{"line end", map[string]string{"location": "a\nb"}, "", "control characters"},
		{"parameters in a line", map[string]string{"sink": "${location}"}, "", "cannot have parameters"},
	} {
		words, err := p.Expand(c.values, Bindings{Sources: []string{"src"}})
		if got := strings.Join(words, "|"); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %s", c.name, err, c.err)
		}
		var param *ParamError
		if err != nil && (!errors.As(err, &param) || codeOf(err) != -2000) {
			t.Errorf("%s: %v is no ParamError", c.name, err)
		}
	}
	for n := range 3 {
		if _, err := p.Expand(map[string]string{"location": "x"}, Bindings{Sources: make([]string, n)}); (err == nil) != (n == 1) {
			t.Errorf("%d sources: %v", n, err)
		}
	}
}

// A line of the user's own has the parameters that it names.
func TestFreeLine(t *testing.T) {
	p, err := Parse("# a comment\nvideotestsrc num-buffers=${n-buffers} ! filesink location=\"${file}\"")
	if err != nil {
		t.Fatal(err)
	}
	words, err := p.Expand(map[string]string{"n-buffers": "5", "file": "a b"}, Bindings{})
	want := []string{"videotestsrc", "num-buffers=5", "!", "filesink", `location="a b"`}
	if d := cmp.Diff(want, words); d != "" || err != nil {
		t.Error(d, err)
	}
	for name, values := range map[string]map[string]string{
		"one is missing":         {"n-buffers": "5"},
		"one is not in the line": {"n-buffers": "5", "file": "x", "more": "y"},
		"a line end":             {"n-buffers": "5", "file": "x\ny"},
		"what a runner fills in": {"n-buffers": "5", "file": "x", "source": "y"},
	} {
		if words, err := p.Expand(values, Bindings{}); err == nil {
			t.Errorf("%s: %q", name, words)
		}
	}
	if _, err := p.Expand(map[string]string{"n-buffers": "5", "file": "x"}, Bindings{Sources: []string{"src"}}); err == nil {
		t.Error("a source without a place is taken")
	}
}

func TestParseMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "no launch line",
		"# a: b\n# int x=1: y\na b=${x}":      "line 2: parameter x: an int needs bounds",
		"# a: b\na b=${x}":                    "${x} is no parameter",
		"# a: b\n# text x: y\na":              "parameter x is not used",
		"# a: b\n# int x=9 1..5: y\na b=${x}": "must be a number from 1 to 5",
		"# a: b\n# text x: y\n#   k: v\na b=${x}":     "line 3: x: only a choice",
		"# a: b\n# text x: y\n# text x: z\na b=${x}":  "line 3: parameter x is there already",
		"# a: b\n# text source: y\na b=${source}":     "line 2: parameter source: what runs the pipeline fills that name in",
		"# a: b\n# choice x=c: y\n#   d: e\na b=${x}": "must be one of: d",
		"${each} a":                       "${each} and ${end}",
		"a ${end} b ${each}":              "${each} and ${end}",
		"${each} ${each} a ${end} ${end}": "${each} and ${end}",
		strings.Repeat("x", maxText+1):    "are no pipeline",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small, "x")
	for _, p := range List() {
		f.Add(p.Text, "a b")
	}
	f.Add("${each}${n}${end}", "1")
	f.Fuzz(func(t *testing.T, text, value string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		values := map[string]string{}
		for _, param := range p.Params {
			values[param.Name] = value
		}
		words, err := p.Expand(values, Bindings{Sources: []string{"a", "b"}})
		if err != nil || len(values) == 0 {
			return
		}
		if len(words) == 0 {
			t.Fatalf("no words of %q", text)
		}
	})
}
