// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// natKind says how a router treats UDP (the terms of RFC 4787).
type natKind string

const (
	// fullCone lets in whoever sends to a mapped port: endpoint-independent mapping and filtering.
	fullCone natKind = "full cone"
	// portRestricted maps alike for all, and lets in whom was sent to: what most homes have.
	portRestricted natKind = "port-restricted"
	// symmetric has another mapping for each destination.
	symmetric natKind = "symmetric"
	// noUDP lets nothing through but TCP.
	noUDP natKind = "no UDP"
)

// nats is a small internet: a public network on which the rendezvous is, and two
// private ones, each behind a NAT of its own.
//
//	camera 192.168.1.2 - natA 203.0.113.10 \
//	                                         203.0.113.1 rendezvous
//	viewer 192.168.2.2 - natB 203.0.113.20 /
type nats struct{ machines }

func newNATs(t *testing.T) nats {
	t.Helper()
	n := nats{newMachines(t, "pub", "natA", "natB", "camera", "viewer")}
	n.in("pub", "ip", "link", "add", "br0", "type", "bridge")
	n.in("pub", "ip", "link", "set", "br0", "up")
	n.in("pub", "ip", "addr", "add", "203.0.113.1/24", "dev", "br0")
	for i, side := range []struct{ nat, peer string }{{"natA", "camera"}, {"natB", "viewer"}} {
		net := fmt.Sprintf("192.168.%d.", i+1)
		n.cable(port{side.nat, "ext", fmt.Sprintf("203.0.113.%d0/24", i+1)}, port{"pub", side.nat, ""})
		n.in("pub", "ip", "link", "set", side.nat, "master", "br0")
		n.cable(port{side.nat, "int", net + "1/24"}, port{side.peer, "eth0", net + "2/24"})
		n.route(side.peer, net+"1")
		n.forward(side.nat)
	}
	return n
}

// set makes a router of that kind of it, which has seen nobody yet. inside is the
// host behind it.
func (n nats) set(nat string, kind natKind, inside string) {
	n.t.Helper()
	masquerade, dnat, udp, fresh := "masquerade", "", "", "drop"
	switch kind {
	case fullCone:
		dnat = `iifname "ext" udp dport 1024-65535 dnat to ` + inside + ";"
		fresh = "accept"
	case symmetric:
		masquerade = "masquerade random,fully-random"
	case noUDP:
		udp = "meta l4proto udp drop;"
	}
	n.rules(nat, fmt.Sprintf(`table ip n {
	chain behind { type nat hook postrouting priority 100; oifname "ext" %s; }
	chain before { type nat hook prerouting priority -100; %s }
	chain to { type filter hook input priority 0; iifname "ext" ct state established,related accept; iifname "ext" drop; }
	chain through { type filter hook forward priority 0; %s iifname "ext" ct state new %s; }
}
`, masquerade, dnat, udp, fresh))
}

// Two peers behind any two NATs meet: directly where the NATs can be passed, else
// by the relay, and where no UDP gets out at all, by the relay on TCP.
func TestNATs(t *testing.T) {
	n := newNATs(t)
	state := t.TempDir()
	rendezvous := spawn(t, "rendezvous", n.on("pub", xp2p(t), "rendezvous", "--listen", "203.0.113.1:4222", "--state", state, "--log", "info")...)
	url, app := rendezvous.ready("rendezvous ready "), filepath.Join(state, "app.json")
	file := testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: testmedia.FrameRate})
	want := readFLV(t, file, whole)
	for i, c := range []struct {
		camera, viewer natKind
		path           string
	}{
		{portRestricted, portRestricted, "direct"},
		{fullCone, symmetric, "direct"},
		{symmetric, fullCone, "direct"},
		{portRestricted, symmetric, "relay"},
		{symmetric, portRestricted, "relay"},
		{symmetric, symmetric, "relay"},
		{portRestricted, noUDP, "relay"},
		{noUDP, symmetric, "relay"},
	} {
		t.Run(fmt.Sprintf("%s x %s", c.camera, c.viewer), func(t *testing.T) {
			n.set("natA", c.camera, "192.168.1.2")
			n.set("natB", c.viewer, "192.168.2.2")
			account := []string{"--rendezvous", url, "--app", app}
			cam := spawn(t, "camera", n.on("camera", append([]string{xp2p(t), "camera", "--product", product, "--device", fmt.Sprint("c", i),
				"--input", "flv:" + file, "--state", t.TempDir(), "--log", "info"}, account...)...)...)
			info := cam.ready("camera ready ")
			out := filepath.Join(t.TempDir(), "out.flv")
			r := run(t, patience, n.on("viewer", append([]string{xp2p(t), "pull", "--xp2p-info", info, "--timeout", "20s", "--seconds", "2",
				"--json", "-o", out}, account...)...)...)
			var sum struct{ Path string }
			lines := strings.Split(strings.TrimSpace(r.stderr), "\n") // a network without UDP is worth a warning before it
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &sum); err != nil || r.code != 0 {
				t.Fatalf("exit status %d: %s", r.code, r.stderr)
			}
			if sum.Path != c.path {
				t.Errorf("path %s, want %s", sum.Path, c.path)
			}
			m := readFLV(t, out, whole)
			sameRun(t, want.pictures, m.pictures)
			cam.stop()
		})
	}
}
