// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"os"
	"strings"
	"testing"
)

// section is the part of the guide below a heading.
func section(guide, heading string) string {
	_, s, _ := strings.Cut(guide, "\n## "+heading+"\n")
	s, _, _ = strings.Cut(s, "\n## ")
	return s
}

// The guide has every pipeline with each of its parameters, their defaults, units,
// meanings and choices, and a command that can be made into a line.
func TestGuide(t *testing.T) {
	b, err := os.ReadFile("../docs/guide/pipelines.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range List() {
		text := section(string(b), p.Name)
		for _, param := range p.Params {
			def := "required"
			if !param.Required {
				def = "`" + param.Default + "`" + blankBefore(param.Unit)
			}
			if row := "| `" + param.Name + "` | " + def + " | " + param.About; !strings.Contains(text, row) {
				t.Errorf("%s has no row\n%s", p.Name, row)
			}
			for _, a := range param.Choices {
				if !strings.Contains(text, "`"+a.Value+"`") {
					t.Errorf("%s: %s=%s is not mentioned", p.Name, param.Name, a.Value)
				}
			}
		}
		_, command, found := strings.Cut(text, "    xp2p pipeline run "+p.Name)
		if !found {
			t.Errorf("%s has no example", p.Name)
			continue
		}
		command, _, _ = strings.Cut(command, "\n")
		values := map[string]string{}
		for _, w := range strings.Fields(command) {
			if name, v, ok := strings.Cut(w, "="); ok && name != "source" {
				values[name] = v
			}
		}
		if _, err := p.Expand(values, Bindings{Sources: sources(p, 2)}); err != nil {
			t.Errorf("%s: the example %s: %v", p.Name, command, err)
		}
	}
}
