// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// swarmNet is a public network with a source and a rendezvous, and four private ones with
// two viewers each, behind NATs of their own:
//
//	a1 a2 192.168.1.x - natA 203.0.113.10 (port-restricted) \
//	b1 b2 192.168.2.x - natB 203.0.113.20 (port-restricted) - 203.0.113.1 source, rendezvous
//	c1 c2 192.168.3.x - natC 203.0.113.30 (symmetric)       -
//	d1 d2 192.168.4.x - natD 203.0.113.40 (symmetric)      /
type swarmNet struct {
	nats
	url     string // of the stream
	account []string
	truth   *program // a plain player at the source
	seen    string   // what it has
}

func newSwarmNet(t *testing.T) *swarmNet {
	t.Helper()
	names := []string{"pub"}
	for _, side := range []string{"a", "b", "c", "d"} {
		names = append(names, "nat"+strings.ToUpper(side), side+"1", side+"2")
	}
	n := &swarmNet{nats: nats{newMachines(t, names...)}}
	bridge := func(machine, addr string) {
		n.in(machine, "ip", "link", "add", "br0", "type", "bridge")
		n.in(machine, "ip", "addr", "add", addr, "dev", "br0")
		n.in(machine, "ip", "link", "set", "br0", "up")
	}
	bridge("pub", "203.0.113.1/24")
	for i, side := range []string{"a", "b", "c", "d"} {
		nat, net := "nat"+strings.ToUpper(side), fmt.Sprintf("192.168.%d.", i+1)
		n.cable(port{nat, "ext", fmt.Sprintf("203.0.113.%d0/24", i+1)}, port{"pub", nat, ""})
		n.in("pub", "ip", "link", "set", nat, "master", "br0")
		bridge(nat, net+"1/24")
		n.forward(nat)
		for k := 1; k <= 2; k++ {
			viewer := side + strconv.Itoa(k)
			n.cable(port{nat, viewer, ""}, port{viewer, "eth0", fmt.Sprintf("%s%d/24", net, k+1)})
			n.in(nat, "ip", "link", "set", viewer, "master", "br0")
			n.route(viewer, net+"1")
		}
		kind := portRestricted
		if side >= "c" {
			kind = symmetric
		}
		n.set(nat, kind, "")
	}
	return n
}

// start starts the source and the rendezvous, and a player whose tags are what all must see.
func (n *swarmNet) start(file string) {
	n.t.Helper()
	bin, state := xp2p(n.t), n.t.TempDir()
	rv := spawn(n.t, "rendezvous", n.on("pub", bin, "rendezvous", "--listen", "203.0.113.1:4222", "--state", state, "--log", "info")...)
	n.account = []string{"--rendezvous", rv.ready("rendezvous ready "), "--app", filepath.Join(state, "app.json")}
	src := spawn(n.t, "source", n.on("pub", bin, "source", "--origin", "/live/a.flv=flv:"+file, "--listen", "203.0.113.1:8350",
		"--state", n.t.TempDir(), "--log", "info")...)
	n.url = src.ready("source ready ")
	n.seen = filepath.Join(n.t.TempDir(), "truth.flv")
	n.truth = spawn(n.t, "player", n.on("pub", "curl", "-sN", "-o", n.seen, n.url)...)
	n.truth.unwanted = true // it is in the middle of a stream
	await(n.t, "the player at the source plays; it needs: apt-get install -y curl", func() bool {
		st, err := os.Stat(n.seen)
		return err == nil && st.Size() > 10<<10
	})
}

// swarmViewer is a running `xp2p swarm pull`.
type swarmViewer struct {
	*program
	name, out string
}

func (n *swarmNet) view(t *testing.T, names ...string) (l []*swarmViewer) {
	t.Helper()
	for _, name := range names {
		v := &swarmViewer{name: name, out: filepath.Join(t.TempDir(), name+".flv")}
		v.program = spawn(t, name, n.on(name, append([]string{xp2p(t), "swarm", "pull", n.url, "-o", v.out, "--max-upload", "10",
			"--log", "debug"}, n.account...)...)...)
		l = append(l, v)
	}
	for _, v := range l {
		await(t, v.name+" joins", func() bool { return v.id() != "" })
	}
	return l
}

var (
	selfLog   = regexp.MustCompile(`msg="joined the swarm" .*self=([0-9a-f]{16})`)
	parentLog = regexp.MustCompile(`msg="stripe moved" .*stripe=(\d) parent=(\w+)`)
	linkLog   = regexp.MustCompile(`msg="link stands" .*peer=([0-9a-f]{16}) .*path=(\w+)`)
)

// id is how the others know the viewer; empty: it has not joined yet.
func (v *swarmViewer) id() string {
	if m := selfLog.FindStringSubmatch(v.stderr.String()); m != nil {
		return m[1]
	}
	return ""
}

// parents are whom its stripes come from now.
func (v *swarmViewer) parents() (p [4]string) {
	for _, m := range parentLog.FindAllStringSubmatch(v.stderr.String(), -1) {
		p[m[1][0]-'0'] = m[2]
	}
	return p
}

// links are the kinds of paths to others, by their IDs.
func (v *swarmViewer) links() map[string]string {
	l := map[string]string{}
	for _, m := range linkLog.FindAllStringSubmatch(v.stderr.String(), -1) {
		l[m[1]] = m[2]
	}
	return l
}

// watched waits until viewers have seen some seconds more.
func watched(t *testing.T, viewers []*swarmViewer) {
	t.Helper()
	const some = 300 // tags, of about 70 in a second
	from := map[*swarmViewer]int{}
	for _, v := range viewers {
		from[v] = len(tagsOf(t, v.out, true))
	}
	for _, v := range viewers {
		await(t, v.name+" goes on", func() bool { return len(tagsOf(t, v.out, true)) > from[v]+some })
	}
}

// check ends viewers and compares all that they saw, tag by tag, with what the player at
// the source saw.
func (n *swarmNet) check(t *testing.T, viewers []*swarmViewer) {
	t.Helper()
	for _, v := range viewers {
		v.stop()
	}
	tags := map[*swarmViewer][][32]byte{}
	for _, v := range viewers {
		tags[v] = tagsOf(t, v.out, false)
	}
	await(t, "the player at the source has it all too", func() bool {
		truth := tagsOf(t, n.seen, true)
		return !slices.ContainsFunc(viewers, func(v *swarmViewer) bool {
			return len(tags[v]) > 0 && !slices.Contains(truth, tags[v][len(tags[v])-1])
		})
	})
	truth := tagsOf(t, n.seen, true)
	for _, v := range viewers {
		got := tags[v]
		if len(got) == 0 {
			t.Errorf("%s saw nothing", v.name)
			continue
		}
		at := slices.Index(truth, got[0])
		if at < 0 {
			t.Errorf("%s: its first tag is not the source's", v.name)
			continue
		}
		for i := range got {
			if got[i] != truth[at+i] {
				t.Errorf("%s: tag %d of %d is not the source's, which is number %d there", v.name, i, len(got), slices.Index(truth, got[i]))
				break
			}
		}
	}
}

// carries says whether one of some viewers has a stripe from one of some others.
func carries(from, to []*swarmViewer) bool {
	for _, v := range to {
		for _, p := range v.parents() {
			if slices.ContainsFunc(from, func(o *swarmViewer) bool { return o.id() == p }) {
				return true
			}
		}
	}
	return false
}

// Viewers behind two port-restricted NATs carry each other, those behind two symmetric
// ones, which cannot meet, are fed by the source, and those behind one are on the same
// network: what all of them see is what the source sends, tag by tag.
func TestSwarmBehindNATs(t *testing.T) {
	n := newSwarmNet(t)
	n.start(testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: testmedia.FrameRate}))
	knows := func(t *testing.T, l []*swarmViewer, kind string) {
		t.Helper()
		for _, v := range l {
			await(t, v.name+" knows its NAT", func() bool { return strings.Contains(v.stderr.String(), "msg=network nat="+kind+" ") })
		}
	}

	t.Run("port-restricted x port-restricted", func(t *testing.T) {
		l := n.view(t, "a1", "b1")
		knows(t, l, "endpoint-independent")
		await(t, "each has a stripe from the other", func() bool { return carries(l[:1], l[1:]) && carries(l[1:], l[:1]) })
		watched(t, l)
		if p := l[0].links()[l[1].id()]; p != "direct" {
			t.Errorf("the path is %q, want direct", p)
		}
		n.check(t, l)
	})

	t.Run("symmetric x symmetric", func(t *testing.T) {
		l := n.view(t, "c1", "d1")
		knows(t, l, "symmetric")
		watched(t, l)
		for _, v := range l {
			if len(v.links()) > 0 {
				t.Errorf("%s has links %v through NATs that cannot be passed", v.name, v.links())
			}
			for s, p := range v.parents() {
				if p != "" && p != "source" {
					t.Errorf("%s has stripe %d from %s", v.name, s, p)
				}
			}
		}
		n.check(t, l)
	})

	t.Run("two behind one symmetric NAT", func(t *testing.T) {
		l := n.view(t, "c1", "c2")
		knows(t, l, "symmetric")
		await(t, "each has a stripe from the other", func() bool { return carries(l[:1], l[1:]) && carries(l[1:], l[:1]) })
		watched(t, l)
		n.check(t, l)
	})

	t.Run("eight behind four", func(t *testing.T) {
		l := n.view(t, "a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2")
		knows(t, l[:4], "endpoint-independent")
		knows(t, l[4:], "symmetric")
		t.Cleanup(func() {
			if t.Failed() {
				for _, v := range l {
					t.Logf("%s is %s, has links %v and stripes from %v", v.name, v.id(), v.links(), v.parents())
				}
			}
		})
		await(t, "each has stripes from others", func() bool {
			for i := range l {
				if !carries(slices.Delete(slices.Clone(l), i, i+1), l[i:i+1]) {
					return false
				}
			}
			return true
		})
		watched(t, l)
		for _, v := range l {
			for peer, path := range v.links() {
				if path != "direct" {
					t.Errorf("%s meets %s by way of %s", v.name, peer, path)
				}
			}
		}
		for _, c := range l[4:6] {
			for _, d := range l[6:] {
				if p, ok := c.links()[d.id()]; ok {
					t.Errorf("%s and %s have a %s link through two symmetric NATs", c.name, d.name, p)
				}
			}
		}
		n.check(t, l)
	})
}
