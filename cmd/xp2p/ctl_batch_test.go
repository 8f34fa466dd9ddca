// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"strings"
	"testing"
)

func TestReadBatch(t *testing.T) {
	calls, err := readBatch(strings.NewReader("# a comment\n\n  system.info\r\ncamera.status   {\"camera\": \"gate\"} \n"), "x")
	if err != nil || len(calls) != 2 {
		t.Fatalf("%+v %v", calls, err)
	}
	if c := calls[0]; c.line != 3 || c.method != "system.info" || c.params != nil {
		t.Errorf("%+v", c)
	}
	if c := calls[1]; c.line != 4 || c.method != "camera.status" || string(c.params) != `{"camera": "gate"}` {
		t.Errorf("%+v %s", c, c.params)
	}
	for text, say := range map[string]string{
		"a.b {":                           "line 1",
		"\na.b gate":                      "line 2: the parameters of a.b are not JSON",
		"events.subscribe":                "no end",
		strings.Repeat("x", maxBatchLine): "too long",
	} {
		if _, err := readBatch(strings.NewReader(text), "x"); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%.20q: %v, want %q", text, err, say)
		}
	}
}
