// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// nats is a small internet: a public network on which the rendezvous is, and two
// private ones, each behind a NAT of its own, in network namespaces.
//
//	camera 192.168.1.2 - natA 203.0.113.10 \
//	                                         203.0.113.1 rendezvous
//	viewer 192.168.2.2 - natB 203.0.113.20 /
type nats struct {
	t      *testing.T
	prefix string // of the namespaces' names
}

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

func newNATs(t *testing.T) *nats {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root: run this test as root")
	}
	for _, x := range []struct{ program, deb string }{{"ip", "iproute2"}, {"nft", "nftables"}, {"conntrack", "conntrack"}} {
		if _, err := exec.LookPath(x.program); err != nil {
			t.Fatalf("%s is not installed: apt-get install -y %s", x.program, x.deb)
		}
	}
	n := &nats{t: t, prefix: fmt.Sprintf("xp2p%d", os.Getpid())}
	for _, ns := range []string{"pub", "natA", "natB", "camera", "viewer"} {
		n.do("ip", "netns", "add", n.prefix+ns)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", n.prefix+ns).Run() })
		n.in(ns, "ip", "link", "set", "lo", "up")
	}
	n.in("pub", "ip", "link", "add", "br0", "type", "bridge")
	n.in("pub", "ip", "link", "set", "br0", "up")
	n.in("pub", "ip", "addr", "add", "203.0.113.1/24", "dev", "br0")
	for i, side := range []struct{ nat, peer string }{{"natA", "camera"}, {"natB", "viewer"}} {
		net := fmt.Sprintf("192.168.%d.", i+1)
		veth := "v" + side.nat
		n.do("ip", "link", "add", "ext", "netns", n.prefix+side.nat, "type", "veth", "peer", "name", veth, "netns", n.prefix+"pub")
		n.in("pub", "ip", "link", "set", veth, "master", "br0", "up")
		n.in(side.nat, "ip", "addr", "add", fmt.Sprintf("203.0.113.%d0/24", i+1), "dev", "ext")
		n.in(side.nat, "ip", "link", "set", "ext", "up")
		n.do("ip", "link", "add", "int", "netns", n.prefix+side.nat, "type", "veth", "peer", "name", "eth0", "netns", n.prefix+side.peer)
		n.in(side.nat, "ip", "addr", "add", net+"1/24", "dev", "int")
		n.in(side.nat, "ip", "link", "set", "int", "up")
		n.in(side.peer, "ip", "addr", "add", net+"2/24", "dev", "eth0")
		n.in(side.peer, "ip", "link", "set", "eth0", "up")
		n.in(side.peer, "ip", "route", "add", "default", "via", net+"1")
		n.in(side.nat, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	}
	return n
}

func (n *nats) do(argv ...string) {
	n.t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

// exec is the command line that runs argv in a namespace.
func (n *nats) exec(ns string, argv ...string) []string {
	return append([]string{"ip", "netns", "exec", n.prefix + ns}, argv...)
}

func (n *nats) in(ns string, argv ...string) {
	n.t.Helper()
	n.do(n.exec(ns, argv...)...)
}

// set makes a router of that kind of it, which has seen nobody yet. inside is the
// host behind it.
func (n *nats) set(nat string, kind natKind, inside string) {
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
	rules := fmt.Sprintf(`flush ruleset
table ip n {
	chain behind { type nat hook postrouting priority 100; oifname "ext" %s; }
	chain before { type nat hook prerouting priority -100; %s }
	chain to { type filter hook input priority 0; iifname "ext" ct state established,related accept; iifname "ext" drop; }
	chain through { type filter hook forward priority 0; %s iifname "ext" ct state new %s; }
}
`, masquerade, dnat, udp, fresh)
	file := filepath.Join(n.t.TempDir(), "rules")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		n.t.Fatal(err)
	}
	n.in(nat, "nft", "-f", file)
	exec.Command("ip", "netns", "exec", n.prefix+nat, "conntrack", "-F").Run() // it says what it forgot on stderr
}

// Two peers behind any two NATs meet: directly where the NATs can be passed, else
// by the relay, and where no UDP gets out at all, by the relay on TCP.
func TestNATs(t *testing.T) {
	n := newNATs(t)
	state := t.TempDir()
	rendezvous := spawn(t, "rendezvous", n.exec("pub", xp2p(t), "rendezvous", "--listen", "203.0.113.1:4222", "--state", state, "--log", "info")...)
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
			cam := spawn(t, "camera", n.exec("camera", append([]string{xp2p(t), "camera", "--product", product, "--device", fmt.Sprint("c", i),
				"--input", "flv:" + file, "--state", t.TempDir(), "--log", "info"}, account...)...)...)
			info := cam.ready("camera ready ")
			out := filepath.Join(t.TempDir(), "out.flv")
			r := run(t, patience, n.exec("viewer", append([]string{xp2p(t), "pull", "--xp2p-info", info, "--timeout", "20s", "--seconds", "2",
				"--json", "-o", out}, account...)...)...)
			var sum struct{ Path string }
			if err := json.Unmarshal([]byte(r.stderr), &sum); err != nil || r.code != 0 {
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
