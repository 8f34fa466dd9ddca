// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"encoding/json"
	"testing"
)

var cameraEvents = []struct {
	line string
	want cameraEvent
	ok   bool
}{
	{`{"type":"message","id":"17","data":"who are you?"}`, cameraEvent{Type: "message", ID: "17", Data: "who are you?"}, true},
	{`{"type":"message","data":""}`, cameraEvent{Type: "message"}, true},
	{`{"type":"level","channel":3,"level":"WARN"}`, cameraEvent{Type: "level", Channel: 3, Level: "WARN"}, true},
	{`{"type":"keepalive"}`, cameraEvent{Type: "keepalive"}, true},
	{`{"type":"of later times","id":17,"data":[1,2],"level":{}}`, cameraEvent{Type: "of later times"}, true},
	{`{}`, cameraEvent{}, true},
	{`{"type":"message","id":17}`, cameraEvent{}, false},
	{`{"type":"level","channel":"one"}`, cameraEvent{}, false},
	{`{"type":17}`, cameraEvent{}, false},
	{`[]`, cameraEvent{}, false},
	{`{"type":"message"`, cameraEvent{}, false},
	{``, cameraEvent{}, false},
}

func TestParseCameraEvent(t *testing.T) {
	for _, tt := range cameraEvents {
		if got, err := parseCameraEvent([]byte(tt.line)); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s: %+v, %v", tt.line, got, err)
		}
	}
}

func FuzzParseCameraEvent(f *testing.F) {
	for _, tt := range cameraEvents {
		f.Add([]byte(tt.line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parseCameraEvent(line)
		if err != nil {
			return
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseCameraEvent(b); err != nil || again != e {
			t.Errorf("%q: %+v, and again %+v, %v", line, e, again, err)
		}
	})
}
