// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// localServer is a running `xp2p serve` with one camera on the LAN.
type localServer struct {
	*program
	url string // of the camera, without a slash at its end
}

func serveCamera(t *testing.T, c *lanCamera, name string) *localServer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "serve.yaml")
	yaml := fmt.Sprintf("local: 127.0.0.1:0\nidle: 1s\ncameras:\n  - xp2p-info: %s\n    lan: %s\n", filepath.Join(c.state, "xp2p-info"), c.at)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &localServer{program: spawn(t, "serve", xp2p(t), "serve", "--config", file, "--log", "info")}
	s.url = s.ready("serve ready ") + product + "_" + name
	return s
}

// Players and curl, which know nothing of peers, get the camera's picture from a
// plain URL, at the same time.
func TestPlayersOfTheLocalServer(t *testing.T) {
	c := newLANCamera(t, "played", "127.0.0.1:0")
	s := serveCamera(t, c, "played")
	live := s.url + "/ipc.flv?action=live&channel=0&quality=high"

	t.Run("ffprobe", func(t *testing.T) {
		t.Parallel()
		codecs := probe(t, live)
		slices.Sort(codecs)
		if !slices.Equal(codecs, []string{"aac", "h264"}) {
			t.Errorf("ffprobe finds %v", codecs)
		}
	})
	t.Run("ffplay", func(t *testing.T) {
		t.Parallel()
		ffplay(t, live)
	})
	t.Run("curl", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "curl.flv")
		p := spawn(t, "curl", "curl", "-sS", "-g", "-o", file, live)
		p.unwanted = true
		await(t, "curl gets 100 kB", func() bool {
			info, err := os.Stat(file)
			return err == nil && info.Size() > 100_000
		})
		p.stop()
		b, err := os.ReadFile(file)
		if err != nil || string(b[:3]) != "FLV" {
			t.Errorf("it begins with %q, %v", b[:3], err)
		}
		out := tool(t, "curl", "curl", "-sS", "-g", s.url+"/command?action=inner_define&channel=0&cmd=get_device_st&type=live")
		var st []struct{ Status string }
		if err := json.Unmarshal([]byte(out), &st); err != nil || len(st) != 1 || st[0].Status != "0" {
			t.Errorf("command: %q, %v", out, err)
		}
	})
	t.Run("vlc", func(t *testing.T) {
		t.Parallel()
		vlc(t, live)
	})
}

// played is the clock of what ffplay shows, in seconds.
var played = regexp.MustCompile(`([1-9][0-9]*)\.[0-9]+ A-V:`)

// ffplay plays picture and sound, to nowhere, until a second of both went by.
func ffplay(t *testing.T, url string) {
	t.Helper()
	if _, err := exec.LookPath("ffplay"); err != nil {
		t.Fatal("ffplay is not installed: apt-get install -y ffmpeg")
	}
	p := spawn(t, "ffplay", "env", "SDL_VIDEODRIVER=dummy", "SDL_AUDIODRIVER=dummy", "ffplay", "-hide_banner", "-stats", url)
	p.unwanted = true
	await(t, "ffplay plays", func() bool {
		if !p.running() {
			t.Fatalf("ffplay ended: %s", p.cmd.ProcessState)
		}
		return played.MatchString(p.stderr.String())
	})
}

// vlc has VLC take the stream apart and write it again; each picture must decode.
// As root, VLC does not run: it is run as nobody.
func vlc(t *testing.T, url string) {
	t.Helper()
	if _, err := exec.LookPath("cvlc"); err != nil {
		t.Fatal("cvlc is not installed: apt-get install -y vlc-bin vlc-plugin-base")
	}
	// Not the test's own directory, which nobody else may enter.
	dir, err := os.MkdirTemp("", "xp2p-vlc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "vlc.mkv")
	argv := []string{"env", "HOME=" + dir, "cvlc", "-q", "-I", "dummy", "--run-time=3",
		"--sout", "#std{access=file,mux=avformat{mux=matroska},dst=" + file + "}", url, "vlc://quit"}
	if os.Getuid() == 0 {
		argv = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, argv...)
	}
	if r := run(t, 2*patience, argv...); r.code != 0 {
		t.Fatalf("VLC: status %d\n%s", r.code, tail(r.stderr))
	}
	out := tool(t, "ffmpeg", "ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", file)
	if n, err := strconv.Atoi(strings.TrimSpace(out)); err != nil || n < testmedia.FrameRate {
		t.Errorf("VLC gave %q pictures, %v", out, err)
	}
}

// The server starts without its cameras, keeps to this machine, and says why it
// does not start.
func TestLocalServerRefuses(t *testing.T) {
	c := newLANCamera(t, "kept", "127.0.0.1:0")
	s := serveCamera(t, c, "kept")
	curl := func(args ...string) string {
		return tool(t, "curl", append([]string{"curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}"}, args...)...)
	}
	if got := curl("-H", "Host: evil.example", s.url+"/ipc.flv"); got != "403" {
		t.Errorf("DNS rebinding: %s", got)
	}
	if got := curl("-H", "Origin: http://evil.example", "-X", "POST", "-d", "x", s.url+"/command"); got != "403" {
		t.Errorf("a page of another site: %s", got)
	}
	taken := strings.TrimSuffix(strings.TrimPrefix(s.ready("serve ready "), "http://"), "/")
	file := filepath.Join(t.TempDir(), "serve.yaml")
	for name, tt := range map[string]struct {
		yaml, local, code, says string
	}{
		"port in use":   {"", taken, "(code -2301)", "in use"},
		"to the world":  {"", "0.0.0.0:0", "(code -2000)", "token"},
		"unknown key":   {"tokken: x\n", "127.0.0.1:0", "(code -2000)", "tokken"},
		"same name":     {fmt.Sprintf("  - xp2p-info: %s\n    lan: %s\n", c.info, c.at), "127.0.0.1:0", "(code -2000)", "two cameras"},
		"not xp2p-info": {"  - xp2p-info: XP2Pgarbage%1.0.0\n    lan: 127.0.0.1:1\n", "127.0.0.1:0", "(code -2001)", "xp2pInfo"},
	} {
		yaml := fmt.Sprintf("cameras:\n  - xp2p-info: %s\n    lan: %s\n%s", c.info, c.at, tt.yaml)
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		r := run(t, patience, xp2p(t), "serve", "--config", file, "--local", tt.local)
		if r.code == 0 || !strings.Contains(r.stderr, tt.says) || !strings.Contains(r.stderr, tt.code) {
			t.Errorf("%s: status %d, %s%s", name, r.code, r.stdout, r.stderr)
		}
	}
	c.stop() // and a player is told that the camera is gone
	if got := curl(s.url + "/ipc.flv?action=live"); got != "502" {
		t.Errorf("without the camera: %s", got)
	}
}
