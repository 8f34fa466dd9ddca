// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withCamera is a configuration with one camera and more text.
func withCamera(more string) string {
	return "storage:\n  - dir: /archive\ncameras:\n  - name: gate\n    url: http://192.0.2.7/live.flv\n" + more
}

func TestHookConfig(t *testing.T) {
	text := withCamera(`hooks:
  - on: [camera.down, "record.*"]
    cameras: [gate]
    run: [scripts/notify, --loud]
    timeout: 2s
  - {on: [x], run: [true-ly]}
  - {on: [export.done], url: "https://user:secret@h.example/x", headers: {X-A: b}}
`)
	cfg, err := ParseConfig([]byte(text), "/etc/xp2p")
	if err != nil {
		t.Fatal(err)
	}
	want := []HookConfig{
		{Name: "notify", On: []string{"camera.down", "record.*"}, Cameras: []string{"gate"}, Run: []string{"/etc/xp2p/scripts/notify", "--loud"}, Timeout: 2 * time.Second},
		{Name: "true-ly", On: []string{"x"}, Run: []string{"true-ly"}, Timeout: defaultHookTimeout},
		{Name: "h.example", On: []string{"export.done"}, URL: "https://user:secret@h.example/x", Headers: map[string]string{"X-A": "b"}, Timeout: defaultHookTimeout},
	}
	if d := cmp.Diff(want, cfg.Hooks); d != "" {
		t.Error(d)
	}
	for hook, say := range map[string]string{
		"{run: [x]}":                              "line 7: hooks[0].on: is missing",
		"{on: [x]}":                               "needs run",
		"{on: [x], run: [x], url: http://h/}":     "one of them",
		"{on: [x], url: ftp://h/}":                "http:// or https://",
		`{on: ["a*b"], run: [x]}`:                 "hooks[0].on[0]",
		"{on: [x], run: [x], headers: {a: b}}":    "go with url",
		"{on: [x], run: [x], cameras: [yard]}":    `"yard" is no camera`,
		"{on: [x], run: x}":                       "must be a list",
		"{on: [x], run: [x], timeout: 1h}":        "not between",
		"{on: [x], url: http://h/, headers: [a]}": "must be a mapping",
	} {
		if _, err := ParseConfig([]byte(withCamera("hooks:\n  - "+hook+"\n")), "/"); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want %q", hook, err, say)
		}
	}
}

func TestRemoteConfig(t *testing.T) {
	cfg, err := ParseConfig([]byte(withCamera("remote: {endpoint: 'https://s3.example', bucket: b, prefix: home, rate: 2MiB, max-age: 365d, cameras: [gate]}\n")), "/")
	if err != nil || cfg.Remote.Bucket != "b" || cfg.Remote.Rate != 2<<20 || cfg.Remote.MaxAge != 365*24*time.Hour || len(cfg.Remote.Cameras) != 1 {
		t.Errorf("%+v %v", cfg.Remote, err)
	}
	for remote, say := range map[string]string{
		"{bucket: b}":                                         "line 6: remote: endpoint",
		"{endpoint: 'https://h'}":                             "remote.bucket: is missing",
		"{endpoint: 'https://h/b', bucket: b}":                "wanted https://",
		"{endpoint: 'https://h', bucket: b, access-key: x}":   "go together",
		"{endpoint: 'https://h', bucket: b, cameras: [yard]}": `"yard" is no camera`,
		"{endpoint: 'https://h', bucket: b, max-age: 3}":      "must be a time",
	} {
		if _, err := ParseConfig([]byte(withCamera("remote: "+remote+"\n")), "/"); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want %q", remote, err, say)
		}
	}
}

func TestRecordConfig(t *testing.T) {
	for record, want := range map[string]RecordConfig{
		"{}":                             {When: RecordAlways, PostRoll: defaultPostRoll},
		"{when: events}":                 {When: RecordEvents, PreRoll: defaultPreRoll, PostRoll: defaultPostRoll},
		"{when: request, post-roll: 0s}": {When: RecordRequest, PreRoll: defaultPreRoll},
		`{schedule: ["mon 08:00-18:00"], pre-roll: 1s}`: {When: RecordAlways, PreRoll: time.Second, PostRoll: defaultPostRoll,
			Schedule: Schedule{{Days: [7]bool{1: true}, From: 480, To: 1080}}},
	} {
		cfg, err := ParseConfig([]byte(withCamera("    record: "+record+"\n")), "/")
		if err != nil || !cmp.Equal(cfg.Cameras[0].Record, want) {
			t.Errorf("%s: %v\n%s", record, err, cmp.Diff(want, cfg.Cameras[0].Record))
		}
	}
	for record, say := range map[string]string{
		"{when: events, events-of: [yard]}": `line 6: cameras[0].record.events-of[0]: "yard" is no other camera`,
		"{when: events, events-of: [gate]}": "is no other camera",
		"{events-of: [gate]}":               "go with when: events",
	} {
		if _, err := ParseConfig([]byte(withCamera("    record: "+record+"\n")), "/"); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want %q", record, err, say)
		}
	}
}
