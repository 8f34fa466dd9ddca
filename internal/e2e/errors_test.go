// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// refused checks that a program ended as scripts expect of a failure: a status
// other than 0, and one line that says why and ends with the code.
func refused(t *testing.T, r result, code int, words string) {
	t.Helper()
	line := strings.TrimSpace(r.stderr)
	if i := strings.LastIndexByte(line, '\n'); i >= 0 {
		line = line[i+1:]
	}
	if r.code == 0 || !strings.HasSuffix(line, fmt.Sprintf("(code %d)", code)) || !strings.Contains(line, words) {
		t.Errorf("exit status %d, want code %d and %q:\n%s", r.code, code, words, r.stderr)
	}
}

// What a viewer can do wrong, or meet, ends in bounded time with its code.
func TestPullFails(t *testing.T) {
	w := newWorld(t)
	file := testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: testmedia.FrameRate})
	c := w.camera("here", "flv:"+file, "--max-viewers", "1")
	gone := w.camera("gone", "flv:"+file)
	gone.stop()
	other := newWorld(t)

	account := func(rendezvous, app string) []string {
		return []string{xp2p(t), "pull", "--rendezvous", rendezvous, "--app", app, "--timeout", "5s", "-o", os.DevNull, "--xp2p-info"}
	}
	own := account(w.rendezvous, w.app)
	changed := []byte(c.info)
	changed[len(changed)/2] ^= 1
	cases := []struct {
		name  string
		argv  []string
		code  int
		words string
	}{
		{"no xp2pInfo", append(own, "front door"), -2001, "XP2P"},
		{"a vendor's xp2pInfo", append(own, "XP2PAAAA==%2.4.46"), -2001, ""},
		{"a changed xp2pInfo", append(own, string(changed)), -2001, ""},
		{"a camera that is not there", append(own, gone.info), -2402, "online"},
		{"no rendezvous there", append(account("nats://127.0.0.1:1", w.app), c.info), -2202, "rendezvous"},
		{"another rendezvous' account", append(account(w.rendezvous, other.app), c.info), -2000, ""},
		{"no account", append(account(w.rendezvous, filepath.Join(t.TempDir(), "app.json")), c.info), -2000, "app.json"},
		{"no such channel", append(own, c.info, "--params", "action=live&channel=7"), -2402, "channel"},
		{"no such action", append(own, c.info, "--params", "action=dance"), -2004, "dance"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) { refused(t, run(t, patience, tc.argv...), tc.code, tc.words) })
	}

	t.Run("one viewer too many", func(t *testing.T) {
		first := spawn(t, "first viewer", w.pull(c.info, "-o", filepath.Join(t.TempDir(), "first.flv"))...)
		var state string
		await(t, "the first viewer is served", func() bool {
			state = run(t, patience, append([]string{xp2p(t), "command", "--xp2p-info", c.info, "action=inner_define&channel=0&cmd=get_device_st&type=live"}, w.account()...)...).stdout
			return strings.Contains(state, "405")
		})
		refused(t, run(t, patience, append(own, c.info)...), -2402, "405")
		first.stop()
	})

	t.Run("a camera that goes", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "cut.flv")
		p := spawn(t, "viewer", w.pull(c.info, "-o", out)...)
		await(t, "it has pictures", func() bool { st, err := os.Stat(out); return err == nil && st.Size() > 50<<10 })
		c.kill()
		code := p.wait(patience)
		refused(t, result{code, "", p.stderr.String()}, -2402, "")
		if m := readFLV(t, out, whole); len(m.pictures) == 0 {
			t.Error("what had come is not there")
		}
	})
}

// A command's answer is JSON, and the exit status says how it went.
func TestCommand(t *testing.T) {
	w := newWorld(t)
	hook := filepath.Join(t.TempDir(), "hook.sh")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\nread -r c || :\ncase $c in *ptz_left*) echo \"moved: $c\";; *) echo 'no such move' >&2; exit 3;; esac\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: testmedia.FrameRate})
	with := w.camera("with", "flv:"+file, "--command-hook", hook)
	without := w.camera("without", "flv:"+file)
	for _, c := range []struct {
		name, info, command string
		kind, data, reason  string
		ok                  bool
	}{
		{"the device's own", without.info, "action=inner_define&channel=0&cmd=get_device_st&type=live", "success", `"status":"0"`, "", true},
		{"the hook's", with.info, "action=user_define&cmd=ptz_left", "success", "moved: action=user_define&cmd=ptz_left", "", true},
		{"JSON", with.info, `action=user_define&cmd={"topic":"ptz","data":{"ptz_cmd":"ptz_left"},"message_id":"1"}`, "success", `"ptz_cmd":"ptz_left"`, "", true},
		{"the hook's no", with.info, "action=user_define&cmd=jump", "failure", "", "no such move", false},
		{"no hook", without.info, "action=user_define&cmd=ptz_left", "failure", "", "--command-hook", false},
		{"unknown", without.info, "action=inner_define&cmd=fly", "failure", "", "fly", false},
		{"no action", without.info, "hello", "failure", "", "inner_define or user_define", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := run(t, patience, append([]string{xp2p(t), "command", "--xp2p-info", c.info, c.command}, w.account()...)...)
			var got struct {
				Type, Data, ErrMsg string
				Status, ErrCode    *int
			}
			if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || got.Status == nil || got.ErrCode == nil {
				t.Fatalf("%v in %q (%s)", err, r.stdout, r.stderr)
			}
			if got.Type != c.kind || !strings.Contains(got.Data, c.data) || !strings.Contains(got.ErrMsg, c.reason) || (r.code == 0) != c.ok {
				t.Errorf("exit status %d: %s", r.code, r.stdout)
			}
		})
	}
}

// A configuration with a mistake is refused with the key and the line.
func TestConfigurationMistakes(t *testing.T) {
	const good = "storage:\n  - dir: archive\ncameras:\n  - name: gate\n    url: http://127.0.0.1:1/live.flv\n"
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", strings.Replace(good, "    url:", "    uri: x\n    url:", 1), "line 5: cameras[0].uri"},
		{"no URL", strings.Replace(good, "http://127.0.0.1:1/live.flv", "gate", 1), "line 5: cameras[0].url"},
		{"no unit", strings.Replace(good, "dir: archive\n", "dir: archive\n    segment: 60\n", 1), "line 3: storage[0].segment"},
		{"a name that is a path", strings.Replace(good, "gate", "../gate", 1), "line 4: cameras[0].name"},
		{"no YAML", good + "  - name: [\n", "line 6"},
		{"twice", good + "  - name: gate\n    url: http://127.0.0.1:1/b.flv\n", "line 6: cameras[1].name"},
		{"no rendezvous", good + "  - name: far\n    xp2p-info: XP2PAAAA%1.0\n", "rendezvous"},
		{"no storage", "cameras: []\n", "storage"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "nvr.yaml")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, run(t, patience, xp2p(t), "nvr", "--config", file), -2000, c.want)
		})
	}
	missing := run(t, patience, xp2p(t), "nvr", "--config", filepath.Join(t.TempDir(), "none.yaml"))
	refused(t, missing, -2000, "none.yaml")
}

// The recorder is there before the rendezvous is, and waits for it.
func TestRendezvousComesLater(t *testing.T) {
	w := newWorld(t)
	f := feed{file: testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: testmedia.FrameRate})}
	c := w.camera("gate", "flv:"+f.file)
	w.server.kill()
	n := w.nvr(segment, source{name: "gate", info: c.info})
	await(t, "the recorder says what is wrong", func() bool { s := n.status()["gate"]; return s.Code == -2202 && s.Error != "" })
	w.serve()
	n.awaitPictures(testmedia.FrameRate, "gate")
}
