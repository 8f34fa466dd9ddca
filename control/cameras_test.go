// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/session"
)

// Cameras come, change and go; recordings are asked for; events happen.
func TestCameraMethods(t *testing.T) {
	s := serve(t)
	w := dial(t, s)
	yard := `"name":"yard","url":"http://127.0.0.1:9/live.flv"`
	for _, c := range []struct {
		method, params, want string
		code                 session.Code
	}{
		{"camera.add", `{` + yard + `,"record":{"when":"events","pre-roll":"0s"}}`, `"name":"yard","source":"http-flv"`, 0},
		{"camera.add", `{` + yard + `}`, `already`, session.BadArgument},
		{"camera.add", `{"name":"barn"}`, `needs xp2p-info or url`, session.BadArgument},
		{"camera.add", `{"name":"barn","adress":"x"}`, `unknown key`, session.BadArgument},
		{"camera.add", ``, `needs name`, session.BadArgument},
		{"camera.add", `{"name":"barn","xp2p-info":"XP2Px%1.0.0"}`, `rendezvous`, session.BadArgument},
		{"camera.status", `{"camera":"yard"}`, `"state":"idle"`, 0},
		{"event.trigger", `{"camera":"yard","kind":"doorbell","for":3600}`, `"done":true`, 0},
		{"camera.status", `{"camera":"yard"}`, `"recording":"event"`, 0},
		{"event.end", `{"camera":"yard","kind":"doorbell"}`, `"done":true`, 0},
		{"record.events", `{"camera":"nobody"}`, `[]`, 0},
		{"record.events", `{"last":-1}`, `last`, session.BadArgument},
		{"event.begin", `{"camera":"yard","kind":""}`, `kind`, session.BadArgument},
		{"event.trigger", `{"camera":"yard","kind":"x","for":-1}`, `seconds`, session.BadArgument},
		{"camera.set", `{` + yard + `,"record":{"when":"request"}}`, `"recording":""`, 0},
		{"record.start", `{"camera":"yard"}`, `"recording":"request"`, 0},
		{"record.stop", `{"camera":"yard"}`, `"recording":""`, 0},
		{"record.start", `{"camera":"gate","for":10}`, `"recording":"always"`, 0},
		{"record.start", `{"camera":"nobody"}`, `nobody`, session.NoService},
		{"record.stop", `{}`, `no camera`, session.NoService},
		{"camera.remove", `{"camera":"yard"}`, `"done":true`, 0},
		{"camera.remove", `{"camera":"yard"}`, `yard`, session.NoService},
		{"camera.list", ``, `[{"name":"gate"`, 0},
		{"record.events", `{"camera":"yard"}`, `[{"camera":"yard","kind":"doorbell","from":"20`, 0},
		{"talk.play", `{"camera":"gate","file":"/nowhere.wav"}`, `no such file`, session.BadArgument},
		{"talk.play", `{"camera":"gate","file":"x.wav"}`, `absolute`, session.BadArgument},
		{"talk.play", `{"camera":"gate"}`, `needs file`, session.BadArgument},
		{"talk.play", `{"camera":"gate","file":"/dev/null"}`, `neither a file nor a FIFO`, session.BadArgument},
		{"talk.play", `{"camera":"gate","data":"AAAA","format":"alaw"}`, `speaker`, session.NotSupported},
		{"config.reload", ``, `no method`, session.NotSupported}, // of this server
	} {
		params := ""
		if c.params != "" {
			params = `,"params":` + c.params
		}
		a := w.ask(`{"jsonrpc":"2.0","id":1,"method":"` + c.method + `"` + params + `}`)
		switch {
		case c.code != 0 && (a.Error == nil || a.xp2pCode() != c.code || !strings.Contains(a.Error.Message, c.want)):
			t.Errorf("%s %s: %+v %s", c.method, c.params, a.Error, a.Result)
		case c.code == 0 && (a.Error != nil || !strings.Contains(string(a.Result), c.want)):
			t.Errorf("%s %s: %+v %s", c.method, c.params, a.Error, a.Result)
		}
	}
}

// A FIFO that nobody writes to hinders no end, before it is open and after.
func TestSoundFromFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := openSound(ctx, path); err != context.DeadlineExceeded {
		t.Errorf("nobody writes: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	writer := make(chan *os.File)
	go func() {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
		}
		w.WriteString("hello")
		writer <- w
	}()
	r, err := openSound(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w := <-writer
	defer w.Close()
	buf := make([]byte, 10)
	if n, err := r.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("%q %v", buf[:n], err)
	}
	time.AfterFunc(20*time.Millisecond, cancel)
	if n, err := r.Read(buf); err == nil {
		t.Errorf("read %d bytes of nothing", n)
	}
}
