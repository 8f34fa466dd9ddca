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

// network is a camera's place (with the rendezvous) and a viewer's, and between them a
// router:
//
//	camera 10.77.1.1 ---- 10.77.1.9 router 192.168.77.9 ---- 192.168.77.2 viewer
type network struct{ machines }

func newNetwork(t *testing.T) network {
	t.Helper()
	n := network{newMachines(t, "camera", "router", "viewer")}
	n.cable(port{"camera", "eth0", "10.77.1.1/24"}, port{"router", "wan", "10.77.1.9/24"})
	n.cable(port{"viewer", "eth0", "192.168.77.2/24"}, port{"router", "lan", "192.168.77.9/24"})
	n.route("viewer", "192.168.77.9")
	n.route("camera", "10.77.1.9")
	n.forward("router")
	return n
}

// start starts a rendezvous and a camera at the camera's place and gives the flags by
// which the viewer finds them.
func (n network) start(file string) []string {
	n.t.Helper()
	bin, dir := xp2p(n.t), n.t.TempDir()
	rv := spawn(n.t, "rendezvous", n.on("camera", bin, "rendezvous", "--listen", "10.77.1.1:4222", "--state", filepath.Join(dir, "rv"), "--log", "info")...)
	at := []string{"--rendezvous", rv.ready("rendezvous ready "), "--app", filepath.Join(dir, "rv", "app.json")}
	cam := spawn(n.t, "camera", n.on("camera", append([]string{bin, "camera", "--product", product, "--device", "far",
		"--input", "flv:" + file, "--state", filepath.Join(dir, "cam"), "--log", "info"}, at...)...)...)
	return append(at, "--xp2p-info", cam.ready("camera ready "))
}

func (n network) pull(at []string, more ...string) []string {
	return n.on("viewer", append(append([]string{xp2p(n.t), "pull", "--log", "info"}, at...), more...)...)
}

// natRules makes the router a NAT whose mapping is as the word behind masquerade says.
func natRules(how string) string {
	return "table ip nat {\n chain post {\n  type nat hook postrouting priority 100;\n  oifname \"wan\" masquerade " + how + "\n }\n}\n"
}

const dropUDP = "table ip filter {\n chain f {\n  type filter hook forward priority 0;\n  meta l4proto udp drop\n }\n}\n"

// Behind every kind of NAT the viewer knows which it is, and has its pictures.
func TestKindsOfNAT(t *testing.T) {
	n := newNetwork(t)
	at := n.start(testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{}))
	for _, tt := range []struct{ kind, rules, path string }{
		{"none", "", "direct"},
		{"endpoint-independent", natRules(""), "direct"},
		{"symmetric", natRules("fully-random"), "direct"},
		{"blocked", natRules("") + dropUDP, "relay"},
	} {
		n.rules("router", tt.rules)
		r := run(t, patience, n.pull(at, "--seconds", "2", "--json", "-o", filepath.Join(t.TempDir(), "out.flv"))...)
		lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
		var sum struct {
			Frames int
			Path   string
		}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &sum); err != nil || r.code != 0 || sum.Frames == 0 || sum.Path != tt.path {
			t.Errorf("%s: exit status %d, %+v, %v", tt.kind, r.code, sum, err)
		}
		if !strings.Contains(r.stderr, "msg=network nat="+tt.kind+" ") {
			t.Errorf("%s: %s", tt.kind, tail(r.stderr))
		}
	}
}

// A viewer whose address changes in mid-stream goes on with it: no picture is lost.
func TestViewerMoves(t *testing.T) {
	n := newNetwork(t)
	file := testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{})
	at := n.start(file)
	for _, behind := range []struct{ name, rules string }{{"no NAT", ""}, {"a NAT", natRules("")}} {
		n.rules("router", behind.rules)
		out := filepath.Join(t.TempDir(), "out.flv")
		p := spawn(t, "pull", n.pull(at, "--seconds", "8", "--json", "-o", out)...)
		flowing := func() bool {
			st, err := os.Stat(out)
			return err == nil && st.Size() > 50<<10
		}
		await(t, "a stream", flowing)
		for i, addr := range []string{"192.168.77.3/24", "192.168.77.2/24"} {
			n.in("viewer", "ip", "addr", "flush", "dev", "eth0")
			n.in("viewer", "ip", "addr", "add", addr, "dev", "eth0")
			n.route("viewer", "192.168.77.9")
			await(t, fmt.Sprintf("path %d", i+1), func() bool { return strings.Count(p.stderr.String(), "msg=network nat=") >= i+2 })
		}
		if code := p.wait(patience); code != 0 {
			t.Fatalf("%s: exit status %d", behind.name, code)
		}
		want, got := readFLV(t, file, whole), readFLV(t, out, whole)
		sameRun(t, want.pictures, got.pictures)
		if len(got.pictures) < 6*testmedia.FrameRate {
			t.Errorf("%s: %d pictures in 8 s", behind.name, len(got.pictures))
		}
		if said := p.stderr.String(); strings.Contains(said, "link lost") || strings.Count(said, "msg=connected") != 1 {
			t.Errorf("%s: the link did not last: %s", behind.name, tail(said))
		}
	}
}
