// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// The configuration is decoded from yaml nodes by hand, since they know their
// lines: a mistake is reported as `line 12: storage[0].segment: …`.

func wrong(n *yaml.Node, key, say string) error {
	return fmt.Errorf("line %d: %s: %s", n.Line, key, say)
}

// fields decodes a mapping whose keys are those of known.
func fields(n *yaml.Node, at string, known map[string]func(*yaml.Node, string) error) error {
	if n.Kind != yaml.MappingNode {
		return wrong(n, max(at, "configuration"), "must be a mapping (key: value)")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := k.Value
		if at != "" {
			key = at + "." + k.Value
		}
		decode := known[k.Value]
		if decode == nil {
			return wrong(k, key, "unknown key; known are "+strings.Join(names(known), ", "))
		}
		if seen[k.Value] {
			return wrong(k, key, "is there twice")
		}
		seen[k.Value] = true
		if err := decode(v, key); err != nil {
			return err
		}
	}
	return nil
}

func names(m map[string]func(*yaml.Node, string) error) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	sort.Strings(list)
	return list
}

// value is the node of a key of a mapping, or the mapping itself where it is missing.
func value(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return n
}

// items decodes a sequence, element by element.
func items(f func(*yaml.Node, string) error) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		if n.Kind != yaml.SequenceNode {
			return wrong(n, key, "must be a list (lines that begin with '-')")
		}
		for i, e := range n.Content {
			if err := f(e, fmt.Sprintf("%s[%d]", key, i)); err != nil {
				return err
			}
		}
		return nil
	}
}

func text(dst *string) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			return wrong(n, key, "must be a text")
		}
		*dst = n.Value
		return nil
	}
}

func texts(dst *[]string) func(*yaml.Node, string) error {
	return items(func(n *yaml.Node, key string) error {
		*dst = append(*dst, "")
		return text(&(*dst)[len(*dst)-1])(n, key)
	})
}

// pairs decodes a mapping of texts.
func pairs(dst *map[string]string) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		if n.Kind != yaml.MappingNode {
			return wrong(n, key, "must be a mapping (name: value)")
		}
		*dst = map[string]string{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			at := key + "." + k.Value
			if _, twice := (*dst)[k.Value]; twice {
				return wrong(k, at, "is there twice")
			}
			var s string
			if err := text(&s)(v, at); err != nil {
				return err
			}
			(*dst)[k.Value] = s
		}
		return nil
	}
}

func choice(dst *string, of ...string) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		if n.Kind != yaml.ScalarNode || !slices.Contains(of, n.Value) {
			return wrong(n, key, fmt.Sprintf("%q must be one of: %s", n.Value, strings.Join(of, ", ")))
		}
		*dst = n.Value
		return nil
	}
}

func boolean(dst *bool) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
			return wrong(n, key, fmt.Sprintf("%q must be true or false", n.Value))
		}
		*dst = n.Value == "true"
		return nil
	}
}

// unless is boolean for what is on by default: dst is whether it is off.
func unless(dst *bool) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		var on bool
		err := boolean(&on)(n, key)
		*dst = !on
		return err
	}
}

func duration(dst *time.Duration, least, most time.Duration) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		d, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			return wrong(n, key, fmt.Sprintf("%q must be a duration with its unit, such as 60s or 500ms", n.Value))
		}
		if d < least || d > most {
			return wrong(n, key, fmt.Sprintf("%v is not between %v and %v", d, least, most))
		}
		*dst = d
		return nil
	}
}

func count(dst *int, least, most int) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		v, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || v < least || v > most {
			return wrong(n, key, fmt.Sprintf("%q must be a number from %d to %d", n.Value, least, most))
		}
		*dst = v
		return nil
	}
}

// size takes bytes, or a number with KiB, MiB, GiB or TiB.
func size(dst *int64) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		number, unit := n.Value, int64(1)
		for i, suffix := range []string{"KiB", "MiB", "GiB", "TiB"} {
			if s, ok := strings.CutSuffix(number, suffix); ok {
				number, unit = strings.TrimSpace(s), 1<<(10*(i+1))
			}
		}
		v, err := strconv.ParseInt(number, 10, 64)
		if n.Kind != yaml.ScalarNode || err != nil || v < 0 || v > math.MaxInt64/unit {
			return wrong(n, key, fmt.Sprintf("%q must be a number of bytes, or one with KiB, MiB, GiB or TiB", n.Value))
		}
		*dst = v * unit
		return nil
	}
}
