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

// lanCamera is an `xp2p camera --lan` without a rendezvous.
type lanCamera struct {
	*program
	state, info, at string // at: HOST:PORT, as the camera says it
}

// newLANCamera starts a camera; by begins its command line.
func newLANCamera(t *testing.T, name, lan string, by ...string) *lanCamera {
	t.Helper()
	c := &lanCamera{state: t.TempDir()}
	c.program = spawn(t, "camera "+name, append(by, xp2p(t), "camera", "--product", product, "--device", name, "--lan", lan,
		"--input", "flv:"+testmedia.FLV(t, testmedia.H264AAC, originSeconds, testmedia.Options{}), "--state", c.state, "--log", "info")...)
	c.at = c.ready("camera lan ")
	c.info = c.ready("camera ready ")
	return c
}

// A viewer on another machine of the network finds the camera, watches and
// commands it; there is no server anywhere.
func TestLANBetweenMachines(t *testing.T) {
	n := newMachines(t, "a", "b")
	n.cable(port{"a", "cable", "10.77.0.1/24"}, port{"b", "cable", "10.77.0.2/24"})
	c := newLANCamera(t, "lan", "0.0.0.0:0", n.on("a")...)
	_, port, _ := strings.Cut(c.at, ":")
	viewer := func(args ...string) result {
		return run(t, 2*patience, n.on("b", append([]string{xp2p(t)}, args...)...)...)
	}
	r := viewer("discover", "--product", product, "--device", "lan", "--timeout", patience.String())
	if want := product + "/lan 10.77.0.1:" + port + "\n"; r.code != 0 || r.stdout != want {
		t.Fatalf("discover: status %d, %q, wanted %q\n%s", r.code, r.stdout, want, r.stderr)
	}
	_, at, _ := strings.Cut(strings.TrimSpace(r.stdout), " ")
	r = viewer("discover", "--json", "--device", "lan", "--address", "10.77.0.1")
	var found struct{ ProductID, DeviceName, Address string }
	if err := json.Unmarshal([]byte(r.stdout), &found); err != nil || found.Address != at || found.ProductID != product || found.DeviceName != "lan" {
		t.Errorf("discover --address: %+v, %v\n%s", found, err, r.stderr)
	}
	r = viewer("discover", "--product", "NOBODYS", "--timeout", "300ms")
	if r.code == 0 || r.stdout != "" || !strings.Contains(r.stderr, "--lan") {
		t.Errorf("another product: status %d, %q, %s", r.code, r.stdout, r.stderr)
	}
	file := filepath.Join(t.TempDir(), "lan.flv")
	if r = viewer("pull", "--xp2p-info", c.info, "--lan", at, "--seconds", "3", "-o", file); r.code != 0 {
		t.Fatalf("pull: status %d\n%s", r.code, r.stderr)
	}
	sameRun(t, readFLV(t, testmedia.FLV(t, testmedia.H264AAC, originSeconds, testmedia.Options{}), whole).pictures, readFLV(t, file, whole).pictures)
	if r = viewer("command", "--xp2p-info", c.info, "--lan", at, "action=inner_define&channel=0&cmd=get_device_st&type=live"); r.code != 0 || !strings.Contains(r.stdout, "appConnectNum") {
		t.Errorf("command: status %d, %s%s", r.code, r.stdout, r.stderr)
	}
	// A camera of one machine alone is not seen from the other.
	newLANCamera(t, "hidden", "127.0.0.1:0", n.on("a")...)
	if r = viewer("discover", "--device", "hidden", "--timeout", "500ms"); r.code == 0 || r.stdout != "" {
		t.Errorf("a camera on loopback was found: %s", r.stdout)
	}
}

// The owner makes, binds, lists and revokes grants while the camera runs.
func TestGrants(t *testing.T) {
	c := newLANCamera(t, "grants", "127.0.0.1:0")
	xp := func(args ...string) result { return run(t, patience, append([]string{xp2p(t)}, args...)...) }
	must := func(args ...string) string {
		t.Helper()
		r := xp(args...)
		if r.code != 0 {
			t.Fatalf("xp2p %v: status %d\n%s", args, r.code, r.stderr)
		}
		return strings.TrimSpace(r.stdout)
	}
	const state = "action=inner_define&channel=0&cmd=get_device_st&type=live"
	dir := t.TempDir()
	mine, theirs := filepath.Join(dir, "mine.pem"), filepath.Join(dir, "theirs.pem")
	must("grant", "viewer-key", "--key", theirs)
	bound := must("grant", "create", "--state", c.state, "--rights", "command", "--for", "1h", "--viewer", must("grant", "viewer-key", "--key", mine))
	must("command", "--xp2p-info", bound, "--lan", c.at, "--key", mine, state)

	refused := func(name, says string, args ...string) {
		t.Helper()
		r := xp(args...)
		if r.code == 0 || !strings.Contains(r.stderr, says) || !strings.Contains(r.stderr, "(code -2001)") {
			t.Errorf("%s: status %d, %s%s", name, r.code, r.stdout, r.stderr)
		}
	}
	refused("another viewer's key", "another viewer's key", "command", "--xp2p-info", bound, "--lan", c.at, "--key", theirs, state)
	if r := xp("pull", "--xp2p-info", bound, "--lan", c.at, "--key", mine, "--seconds", "1", "-o", filepath.Join(dir, "x.flv")); r.code == 0 || !strings.Contains(r.stderr, "403") {
		t.Errorf("a right that was not granted: status %d, %s", r.code, r.stderr)
	}

	lent := must("grant", "create", "--state", c.state, "--rights", "live,command", "--note", "lent")
	pull := spawn(t, "pull", xp2p(t), "pull", "--xp2p-info", lent, "--lan", c.at, "-o", filepath.Join(dir, "lent.flv"))
	pull.unwanted = true
	await(t, "the stream begins", func() bool {
		info, err := os.Stat(filepath.Join(dir, "lent.flv"))
		return err == nil && info.Size() > 0
	})
	must("grant", "revoke", "--state", c.state, lent)
	if code := pull.wait(patience); code == 0 {
		t.Errorf("a stream whose grant was revoked ended well: %s", pull.stderr)
	}
	refused("revoked", "revoked", "command", "--xp2p-info", lent, "--lan", c.at, state)
	must("command", "--xp2p-info", c.info, "--lan", c.at, state) // others do not notice

	short := must("grant", "create", "--state", c.state, "--for", "1ns")
	refused("expired", "expired", "command", "--xp2p-info", short, "--lan", c.at, state)
	refused("garbage", "xp2pInfo", "command", "--xp2p-info", "XP2Pgarbage%1.0.0", "--lan", c.at, state)

	var list []struct {
		State, Note, Viewer string
		Rights              []string
	}
	if err := json.Unmarshal([]byte(must("grant", "list", "--state", c.state, "--json")), &list); err != nil || len(list) != 4 {
		t.Fatalf("list: %+v, %v", list, err)
	}
	for i, want := range []string{"valid", "valid", "revoked", "expired"} {
		if list[i].State != want {
			t.Errorf("grant %d: %+v, wanted %s", i, list[i], want)
		}
	}
	if s := must("grant", "show", bound); !strings.Contains(s, product+"/grants") || !strings.Contains(s, "command") {
		t.Errorf("show: %s", s)
	}
	if r := xp("grant", "show", "XP2PAAAA==%2.4.46"); r.code == 0 || !strings.Contains(r.stdout, "Tencent") {
		t.Errorf("show of the original's: status %d, %s", r.code, r.stdout)
	}
	for name, args := range map[string][]string{
		"no such right":  {"grant", "create", "--state", c.state, "--rights", "everything"},
		"no pin":         {"grant", "create", "--state", c.state, "--viewer", "somebody"},
		"no such state":  {"grant", "list", "--state", filepath.Join(dir, "nowhere")},
		"no such grant":  {"grant", "revoke", "--state", c.state, "unknown"},
		"a new camera's": {"grant", "create", "--state", dir},
		"another name":   {"grant", "create", "--state", c.state, "--device", "other"},
	} {
		if r := xp(args...); r.code == 0 || !strings.Contains(r.stderr, "(code -2000)") {
			t.Errorf("%s: status %d, %s%s", name, r.code, r.stdout, r.stderr)
		}
	}
	// The camera's own grant can be revoked too: it prints another one then.
	must("grant", "revoke", "--state", c.state, c.info)
	refused("its own", "revoked", "command", "--xp2p-info", c.info, "--lan", c.at, state)
	c.stop()
	again := spawn(t, "camera again", c.cmd.Args...)
	if info := again.ready("camera ready "); info == c.info {
		t.Error("the camera still hands out what was revoked")
	} else if at := again.ready("camera lan "); at != "" {
		must("command", "--xp2p-info", info, "--lan", at, state)
	}
}

// One camera is reached through the rendezvous and on the LAN at once, and what is
// revoked ends on both ways.
func TestBothWays(t *testing.T) {
	w := newWorld(t)
	c := w.camera("both", "flv:"+testmedia.FLV(t, testmedia.H264AAC, originSeconds, testmedia.Options{}), "--lan", "127.0.0.1:0")
	at := c.ready("camera lan ")
	r := run(t, patience, xp2p(t), "grant", "create", "--state", c.state)
	lent := strings.TrimSpace(r.stdout)
	if r.code != 0 {
		t.Fatalf("grant create: %s", r.stderr)
	}
	dir := t.TempDir()
	pulls := map[string]*program{
		"rendezvous": spawn(t, "by rendezvous", w.pull(lent, "-o", filepath.Join(dir, "rendezvous"))...),
		"lan":        spawn(t, "on the LAN", xp2p(t), "pull", "--xp2p-info", lent, "--lan", at, "-o", filepath.Join(dir, "lan")),
		"other":      spawn(t, "by another grant", w.pull(c.info, "-o", filepath.Join(dir, "other"))...),
	}
	size := func(name string) int64 {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for name, p := range pulls {
		p.unwanted = true
		await(t, name+" streams", func() bool { return size(name) > 0 })
	}
	if r := run(t, patience, xp2p(t), "grant", "revoke", "--state", c.state, lent); r.code != 0 {
		t.Fatalf("grant revoke: %s", r.stderr)
	}
	for _, name := range []string{"rendezvous", "lan"} {
		if code := pulls[name].wait(patience); code == 0 {
			t.Errorf("%s: a stream whose grant was revoked ended well: %s", name, pulls[name].stderr)
		}
	}
	before := size("other")
	await(t, "the other goes on", func() bool { return size("other") > before })
	r = run(t, patience, w.pull(lent, "--seconds", "1", "-o", filepath.Join(dir, "again"))...)
	if r.code == 0 || !strings.Contains(r.stderr, "revoked") || !strings.Contains(r.stderr, "(code -2001)") {
		t.Errorf("again: status %d, %s", r.code, r.stderr)
	}
}

// A bad address or port is told as such, with what to do.
func TestLANBadInput(t *testing.T) {
	dir := t.TempDir()
	info := newLANCamera(t, "bad", "127.0.0.1:0").info
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"no rendezvous and no LAN": {[]string{"camera", "--product", "P", "--device", "D", "--input", "flv:x", "--state", dir}, "XP2P_RENDEZVOUS"},
		"viewer without either":    {[]string{"command", "--xp2p-info", info, "x"}, "XP2P_RENDEZVOUS"},
		"no port":                  {[]string{"command", "--xp2p-info", info, "--lan", "127.0.0.1", "x"}, "HOST:PORT"},
		"port 0":                   {[]string{"command", "--xp2p-info", info, "--lan", "127.0.0.1:0", "x"}, "xp2p discover"},
		"no time":                  {[]string{"discover", "--timeout", "0s"}, "--timeout"},
		"product no name":          {[]string{"discover", "--product", "a b"}, "product"},
		"address":                  {[]string{"discover", "--address", "127.0.0.1:x"}, "no port"},
		"serve nothing":            {[]string{"serve"}, "--xp2p-info"},
		"serve the world":          {[]string{"serve", "--xp2p-info", info, "--local", "0.0.0.0:0", "--rendezvous", "nats://127.0.0.1:1"}, "--app"},
	} {
		if r := run(t, patience, append([]string{xp2p(t)}, tt.args...)...); r.code == 0 || !strings.Contains(r.stderr, tt.says) || !strings.Contains(r.stderr, "(code -2000)") {
			t.Errorf("%s: status %d, %s%s", name, r.code, r.stdout, r.stderr)
		}
	}
}
