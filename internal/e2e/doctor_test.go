// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// findings are what `xp2p doctor --json` says, by look.
func findings(t *testing.T, status int, args ...string) map[string]struct{ Level, Say, Do string } {
	t.Helper()
	r := run(t, patience, append([]string{xp2p(t), "doctor", "--json"}, args...)...)
	var list []struct {
		Check, Level, Say, Do string
		Code                  int
	}
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || r.code != status {
		t.Fatalf("xp2p doctor %v: status %d, want %d; %v\n%s%s", args, r.code, status, err, r.stdout, r.stderr)
	}
	m := map[string]struct{ Level, Say, Do string }{}
	for _, f := range list {
		m[f.Check] = struct{ Level, Say, Do string }{f.Level, f.Say, f.Do}
		if f.Level == "fail" && f.Do == "" {
			t.Errorf("%s: nothing says what to do about %s", f.Check, f.Say)
		}
	}
	return m
}

// The doctor tells what works from what does not, with a recorder that runs and without.
func TestDoctor(t *testing.T) {
	w := newWorld(t)
	short := testmedia.Options{GOP: testmedia.FrameRate}
	gate := w.camera("gate", "flv:"+testmedia.FLV(t, testmedia.H264AAC, 4, short))
	url := origin(t, testmedia.FLV(t, testmedia.H265Legacy, originSeconds, short))
	want := func(m map[string]struct{ Level, Say, Do string }, check, level, say string) {
		t.Helper()
		if f := m[check]; f.Level != level || !strings.Contains(f.Say, say) {
			t.Errorf("%s: %+v, want %s with %q", check, f, level, say)
		}
	}
	m := findings(t, 0, append(w.account(), "--xp2p-info", gate.info)...)
	want(m, "rendezvous", "ok", "answers")
	want(m, "network", "ok", "no NAT")
	want(m, "camera", "ok", "over a direct path; h264")

	forged := strings.Replace(gate.info, "%", "x%", 1)
	m = findings(t, 1, append(w.account(), "--xp2p-info", forged)...)
	want(m, "camera", "fail", "damaged")

	other := filepath.Join(t.TempDir(), "app.json")
	if err := os.WriteFile(other, []byte(`{"appOauthId":"x","appKey":"UAAA","appSecretKey":"SUAAA","appPackage":"p"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	m = findings(t, 1, "--rendezvous", w.rendezvous, "--app", other, "--xp2p-info", gate.info)
	if m["account"].Level != "fail" && m["rendezvous"].Level != "fail" {
		t.Errorf("a wrong account: %+v", m)
	}

	many := spawn(t, "source", xp2p(t), "source", "--origin", "/live/a.flv=flv:"+testmedia.FLV(t, testmedia.H264AAC, 4, short), "--listen", "127.0.0.1:0", "--seal", "--state", t.TempDir())
	square, code, _ := strings.Cut(many.ready("source ready "), " code-url ")
	n := w.nvr(segment, source{name: "gate", info: gate.info}, source{name: "yard", url: url}, source{name: "gone", url: "http://127.0.0.1:9/live.flv"})
	n.awaitPictures(2*testmedia.FrameRate, "gate", "yard")
	m = findings(t, 1, "--config", n.config)
	want(m, "recorder", "ok", "runs")
	want(m, "storage", "ok", "files")
	want(m, "camera gate", "ok", "recorded")
	want(m, "camera gone", "fail", "connection refused")
	n.stop()

	appendTo(t, n.config, "  - {name: square, url: '"+square+"', code-url: '"+code+"'}\n  - {name: sealed, url: '"+square+"', swarm: true}\n")
	m = findings(t, 1, "--config", n.config)
	want(m, "camera square", "ok", "joined a swarm; h264")
	want(m, "camera sealed", "fail", "(code -2502)")
	want(m, "recorder", "note", "does not run")
	want(m, "storage", "ok", "are on the disk in")
	want(m, "camera gate", "ok", "direct path")
	want(m, "camera yard", "ok", "h265")
	want(m, "camera gone", "fail", "refused")
	if left, _ := filepath.Glob(filepath.Join(n.dir, ".xp2p-doctor*")); len(left) > 0 {
		t.Errorf("%v are left in the storage", left)
	}
	appendTo(t, n.config, "nonsense: 1\n")
	want(findings(t, 1, "--config", n.config), "configuration", "fail", "nonsense")
}
