// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/pipelines"
)

// A pipeline is listed, shown, started and stopped; what happens to it are events.
func TestPipelineMethods(t *testing.T) {
	n, err := nvr.Open(nvr.Config{Storage: []nvr.StorageConfig{{Dir: t.TempDir()}}}, nvr.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	fake := filepath.Join(t.TempDir(), "fake")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\ntrap 'exit 0' INT\nwhile :; do sleep 0.05; done\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := pipelines.Parse("fakesrc ! fakesink")
	if err != nil {
		t.Fatal(err)
	}
	set, err := pipelines.NewSet([]pipelines.Job{{Name: "own", Pipeline: p}}, pipelines.Options{Program: fake, Events: func(e pipelines.Event) {
		n.Publish(nvr.Event{Type: "pipeline." + e.Type, Detail: e})
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	dir, err := os.MkdirTemp("", "xp2p-ctl-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := Listen(Config{Path: filepath.Join(dir, "c.sock"), Cameras: n, Recordings: n.Archive(), Pipelines: set})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := dial(t, s)
	for _, c := range []struct{ method, params, want string }{
		{"pipeline.list", ``, `"result":[{"name":"own","run":"manual","state":"stopped"}]`},
		{"pipeline.show", `{"pipeline":"own"}`, `"text":"fakesrc ! fakesink"`},
		{"pipeline.start", `{"pipeline":"own"}`, `"state":"st`},
		{"pipeline.start", `{"pipeline":"own"}`, `"data":{"code":-2401}`},
		{"pipeline.status", ``, `"result":[{"name":"own"`},
		{"pipeline.stop", `{"pipeline":"own"}`, `"state":"stopped"`},
		{"pipeline.status", `{"pipeline":"nobody"}`, `"data":{"code":-2403}`},
		{"pipeline.stop", `{}`, `needs pipeline`},
		{"pipeline.start", `{"name":"own"}`, `"data":{"code":-2000}`},
		{"system.info", ``, `"pipeline.start"`},
	} {
		line := `{"jsonrpc":"2.0","id":1,"method":"` + c.method + `"`
		if c.params != "" {
			line += `,"params":` + c.params
		}
		fmt.Fprintln(w, line+"}")
		if !w.in.Scan() {
			t.Fatal(w.in.Err())
		}
		if got := w.in.Text(); !strings.Contains(got, c.want) {
			t.Errorf("%s %s:\n%s\nwant %s", c.method, c.params, got, c.want)
		}
	}
	sub := n.Subscribe()
	defer sub.Close()
	if err := set.Start("own"); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-sub.C:
		if d, ok := e.Detail.(pipelines.Event); !ok || e.Type != "pipeline.state" || d.Pipeline != "own" {
			t.Errorf("%+v", e)
		}
	case <-time.After(patience):
		t.Error("no event")
	}
	if err := set.Stop(context.Background(), "own"); err != nil {
		t.Error(err)
	}
}
