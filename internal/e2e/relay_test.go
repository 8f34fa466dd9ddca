// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// A camera behind any NAT feeds its stream to the source of a swarm, while somebody
// watches there, and keeps its places for viewers of its own.
func TestRelay(t *testing.T) {
	n := newNATs(t)
	state := t.TempDir()
	rendezvous := spawn(t, "rendezvous", n.on("pub", xp2p(t), "rendezvous", "--listen", "203.0.113.1:4222", "--state", state, "--log", "info")...)
	account := []string{"--rendezvous", rendezvous.ready("rendezvous ready "), "--app", filepath.Join(state, "app.json")}
	file := testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: testmedia.FrameRate})
	want := readFLV(t, file, whole)
	own := t.TempDir() // the camera's
	const token = "XP2P_FEED_TOKEN=a token of cameras"
	source := spawn(t, "source", n.on("pub", "env", token, xp2p(t), "source", "--feed", "/live/E2E_shy.flv", "--listen", "203.0.113.1:8350",
		"--state", t.TempDir(), "--linger", "1", "--log", "info")...)
	url := source.ready("source ready ")
	for _, kind := range []natKind{symmetric, noUDP} {
		t.Run(string(kind), func(t *testing.T) {
			n.set("natA", kind, "192.168.1.2")
			n.set("natB", portRestricted, "192.168.2.2")
			cam := spawn(t, "camera", n.on("camera", append([]string{"env", token, xp2p(t), "camera", "--product", product, "--device", "shy",
				"--input", "flv:" + file, "--state", own, "--max-viewers", "1", "--relay", url, "--log", "info"}, account...)...)...)
			info := cam.ready("camera ready ")
			if out := cam.stderr.String(); strings.Contains(out, "somebody watches") {
				t.Error("it sends before anybody watches")
			}
			out := filepath.Join(t.TempDir(), "far.flv")
			r := run(t, patience, n.on("viewer", xp2p(t), "swarm", "pull", url, "--seconds", "3", "-o", out)...)
			if r.code != 0 {
				t.Fatalf("exit status %d: %s", r.code, r.stderr)
			}
			sameRun(t, want.pictures, readFLV(t, out, whole).pictures)
			command := run(t, patience, n.on("viewer", append([]string{xp2p(t), "command", "--xp2p-info", info,
				"action=inner_define&channel=0&cmd=get_device_st&type=live"}, account...)...)...)
			if !strings.Contains(command.stdout, `status\":\"0\"`) {
				t.Errorf("the camera has no place left: %s%s", command.stdout, command.stderr)
			}
			await(t, "the camera ends its stream", func() bool { return strings.Contains(cam.stderr.String(), "nobody watches") })
			cam.stop()
		})
	}
	// A camera with another token is refused, and says what to do.
	cam := spawn(t, "stranger", n.on("camera", append([]string{"env", token + "!", xp2p(t), "camera", "--product", product, "--device", "shy",
		"--input", "flv:" + file, "--state", own, "--relay", url, "--log", "info"}, account...)...)...)
	await(t, "the source refuses it", func() bool { return strings.Contains(cam.stderr.String(), "XP2P_FEED_TOKEN must be the source's") })
	for say, relay := range map[string]string{"no channel 3": "3=" + url, "must look like": "shy.flv"} {
		r := run(t, patience, "env", token, xp2p(t), "camera", "--product", product, "--device", "x", "--input", "flv:"+file, "--state", t.TempDir(),
			"--lan", "127.0.0.1:0", "--relay", relay)
		if r.code == 0 || !strings.Contains(r.stderr, say) || !strings.Contains(r.stderr, "(code -2000)") {
			t.Errorf("--relay %s: %d %s", relay, r.code, r.stderr)
		}
	}
}
