// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// command runs one of the program's until the test ends, and gives its output line by line.
func command(t *testing.T, args ...string) (line func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(w)
	root.SetErr(io.Discard)
	done := make(chan error, 1)
	go func() {
		err := root.ExecuteContext(ctx)
		w.CloseWithError(io.EOF)
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		go io.Copy(io.Discard, r)
		if err := <-done; err != nil {
			t.Errorf("xp2p %s: %v", args[0], err)
		}
	})
	s := bufio.NewScanner(r)
	return func() string {
		t.Helper()
		if !s.Scan() {
			t.Fatalf("xp2p %s said no more: %v", args[0], <-done)
		}
		return s.Text()
	}
}

func once(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errOut)
	err = root.ExecuteContext(ctx)
	return out.String(), errOut.String(), err
}

func TestSimulate(t *testing.T) {
	dir := t.TempDir()
	out, _, err := once(t.Context(), "swarm", "simulate", "--out", dir, "--peers", "4,8")
	if err != nil || strings.Count(out, "\n") != 8 {
		t.Errorf("%q, %v", out, err)
	}
	for _, name := range []string{"runs.csv", "offload.svg", "lag.svg", "continuity.svg"} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A sealed stream from a file, with its codes at the rendezvous' key service: pulled,
// watched, had by a plain player, and refused without its code.
func TestSourceAndSwarm(t *testing.T) {
	file := testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25})
	dir := t.TempDir()
	rendezvous := command(t, "rendezvous", "--listen", "127.0.0.1:0", "--turn-tcp", "-1", "--state", filepath.Join(dir, "rv"), "--codes", "127.0.0.1:0")
	service, ok := strings.CutPrefix(rendezvous(), "codes ready ")
	if !ok {
		t.Fatal("the key service does not say where it is")
	}
	line := command(t, "source", "--origin", "/live/a.flv=flv:"+file, "--listen", "127.0.0.1:0", "--seal", "--key-service", service,
		"--state", filepath.Join(dir, "source"))()
	words := strings.Fields(line)
	if len(words) != 5 || words[0] != "source" || words[3] != "code-url" || !strings.HasPrefix(words[4], service+"/") {
		t.Fatalf("the source says %q", line)
	}
	url, codeURL := words[2], words[4]
	code := codeURL[strings.LastIndex(codeURL, "/")+1:]

	out := filepath.Join(dir, "clip.flv")
	_, summary, err := once(t.Context(), "swarm", "pull", url, "--code-url", codeURL, "--seconds", "2", "-o", out, "--json")
	if err != nil {
		t.Fatal(err)
	}
	var sum pullSummary
	if err := json.Unmarshal([]byte(summary), &sum); err != nil || sum.Path != "swarm" || sum.Frames < 20 || sum.Resyncs != 0 {
		t.Errorf("summary %s, %v", summary, err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	r := flv.NewReader(bytes.NewReader(b), flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	n := 0
	for ; err == nil; n++ {
		err = r.Next(&tag, &u)
	}
	if err != io.EOF || n < 50 {
		t.Errorf("%d tags, %v", n, err)
	}
	mirror := strings.Fields(command(t, "source", "--mirror", url, "--listen", "127.0.0.1:0", "--state", filepath.Join(dir, "mirror"))())
	_, summary, err = once(t.Context(), "swarm", "pull", mirror[2], "--code-url", codeURL, "--seconds", "2", "-o", out, "--json")
	if err == nil {
		err = json.Unmarshal([]byte(summary), &sum)
	}
	if err != nil || sum.Path != "swarm" || sum.Frames < 20 || sum.Resyncs != 0 {
		t.Errorf("at a mirror: summary %s, %v", summary, err)
	}
	shown, _, err := once(t.Context(), "swarm", "watch", url, "--code-url", codeURL, "--seconds", "2.5", "--no-upload")
	if err != nil || !strings.Contains(shown, "continuity") {
		t.Errorf("watch shows %q, %v", shown, err)
	}
	res, err := http.Get(url + "?code=" + code)
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 3)
	if _, err := io.ReadFull(res.Body, head); err != nil || string(head) != "FLV" {
		t.Errorf("a player gets %q, %v", head, err)
	}
	res.Body.Close()
	if res, err = http.Get(mirror[2] + "?code=" + code); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("a player of a sealed stream at a mirror: %s", res.Status)
	}
	http.DefaultClient.CloseIdleConnections()

	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"swarm", "pull", url}, "(code -2502)"},
		{[]string{"swarm", "pull", url, "--code-url", service + "/00000000-0000-4000-8000-000000000000"}, "(code -2502)"},
		{[]string{"swarm", "pull", url[:strings.LastIndex(url, "/")] + "/none.flv"}, "(code -2000)"},
		{[]string{"swarm", "pull", "http://127.0.0.1:1/live/a.flv"}, "(code -2402)"},
		{[]string{"swarm", "pull", "rtmp://127.0.0.1/live/a"}, "(code -2404)"},
		{[]string{"swarm", "pull", url, "--seconds", "-1"}, "(code -2000)"},
		{[]string{"swarm", "pull", url, "--code-url", codeURL, "-o", out, "--metrics", "0.0.0.0:0"}, "XP2P_TOKEN"},
		{[]string{"source", "--state", dir, "--origin", "/a=test:", "--metrics", "9350"}, "not HOST:PORT"},
		{[]string{"swarm", "simulate", "--out", dir, "--peers", "0"}, "(code -2000)"},
		{[]string{"source", "--state", dir}, "no stream given"},
		{[]string{"source", "--state", dir, "--mirror", "x"}, "not the URL of a stream"},
		{[]string{"source", "--state", dir, "--mirror", "ftp://x/a.flv"}, "not an http or https URL"},
		{[]string{"source", "--state", dir, "--origin", "flv:" + file}, "give the stream a path"},
		{[]string{"source", "--state", dir, "--origin", "/a=ftp://x"}, "unknown kind"},
		{[]string{"source", "--state", dir, "--origin", "/a=test:", "--tls-cert", "x"}, "go together"},
		{[]string{"source", "--state", dir, "--origin", "/a=test:", "--linger", "0"}, "--linger"},
		{[]string{"source", "--state", dir, "--origin", "/a=test:", "--code", "x"}, "PATH=CODE"},
		{[]string{"source", "--state", dir, "--feed", "/live/a.flv"}, "XP2P_FEED_TOKEN"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		_, _, err := once(ctx, tt.args...)
		cancel()
		if err == nil || !strings.Contains(errorText(err), tt.want) {
			t.Errorf("%q: %v, want %s", tt.args, err, tt.want)
		}
	}
}
