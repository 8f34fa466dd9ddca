// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"strings"
	"testing"
)

// A command line that is wrong says how, where it is explained, and with which code.
func TestUsageErrors(t *testing.T) {
	for line, want := range map[string]string{
		"nope":                 `unknown command "nope"; see xp2p --help`,
		"pul":                  `unknown command "pul" (ctl, pull?); see xp2p --help`,
		"pull extra":           `see xp2p pull --help`,
		"pull --nope":          "unknown flag: --nope; see xp2p pull --help",
		"pull --seconds 5x":    `"5x" is no time: want seconds, or a time with a unit, as 90s or 2m; see xp2p pull --help`,
		"command":              "see xp2p command --help",
		"swarm nope":           `unknown command "nope"; see xp2p swarm --help`,
		"pipeline shwo a":      `unknown command "shwo" (show?); see xp2p pipeline --help`,
		"grant revoke":         "see xp2p grant revoke --help",
		"nvr --config":         "flag needs an argument: --config; see xp2p nvr --help",
		"camera --max-viewers": "see xp2p camera --help",
	} {
		root := newRootCommand()
		root.SetArgs(strings.Fields(line))
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		err := root.Execute()
		if err == nil {
			t.Errorf("%s: no error", line)
			continue
		}
		if text := errorText(err); !strings.HasSuffix(text, want+" (code -2000)") || out.Len() > 0 {
			t.Errorf("%s: %s\n%s", line, text, &out)
		}
	}
	for _, line := range []string{"", "swarm", "pipeline", "pull --help", "help pull"} {
		root := newRootCommand()
		root.SetArgs(strings.Fields(line))
		var out bytes.Buffer
		root.SetOut(&out)
		if err := root.Execute(); err != nil || !strings.Contains(out.String(), "Usage:") {
			t.Errorf("%q: %v\n%s", line, err, &out)
		}
	}
}
