// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// machines are network namespaces, by the names that a test gives them: computers
// and routers with cables between them, and nothing else.
type machines struct {
	t      *testing.T
	prefix string // of the namespaces' own names
}

func newMachines(t *testing.T, names ...string) machines {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root: run this test as root, as continuous integration does")
	}
	for _, x := range []struct{ program, deb string }{{"ip", "iproute2"}, {"nft", "nftables"}, {"conntrack", "conntrack"}} {
		if _, err := exec.LookPath(x.program); err != nil {
			t.Fatalf("%s is not installed: apt-get install -y %s", x.program, x.deb)
		}
	}
	m := machines{t, fmt.Sprintf("xp2p-%d-", os.Getpid())}
	for _, n := range names {
		m.do("ip", "netns", "add", m.prefix+n)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", m.prefix+n).Run() })
		m.in(n, "ip", "link", "set", "lo", "up")
	}
	return m
}

func (m machines) do(argv ...string) {
	m.t.Helper()
	tool(m.t, "iproute2", argv...)
}

// on is the command line that runs argv on a machine.
func (m machines) on(name string, argv ...string) []string {
	return append([]string{"ip", "netns", "exec", m.prefix + name}, argv...)
}

// in runs argv on a machine to its end.
func (m machines) in(name string, argv ...string) {
	m.t.Helper()
	m.do(m.on(name, argv...)...)
}

// port is one end of a cable. An empty address: the other side of it is a switch.
type port struct{ machine, device, addr string }

// cable joins two machines.
func (m machines) cable(a, b port) {
	m.t.Helper()
	m.do("ip", "link", "add", a.device, "netns", m.prefix+a.machine, "type", "veth", "peer", "name", b.device, "netns", m.prefix+b.machine)
	for _, p := range []port{a, b} {
		if p.addr != "" {
			m.in(p.machine, "ip", "addr", "add", p.addr, "brd", "+", "dev", p.device)
		}
		m.in(p.machine, "ip", "link", "set", p.device, "up")
	}
}

// route is a machine's default route.
func (m machines) route(name, via string) {
	m.t.Helper()
	m.in(name, "ip", "route", "add", "default", "via", via)
}

// forward makes a machine a router.
func (m machines) forward(name string) {
	m.t.Helper()
	m.in(name, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
}

// rules replaces what a router does to packets, and makes it forget whom it has seen.
func (m machines) rules(name, nft string) {
	m.t.Helper()
	file := filepath.Join(m.t.TempDir(), "rules")
	if err := os.WriteFile(file, []byte("flush ruleset\n"+nft), 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.in(name, "nft", "-f", file)
	exec.Command("ip", "netns", "exec", m.prefix+name, "conntrack", "-F").Run() // says how many on standard error
}
