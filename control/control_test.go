// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits for what is to happen soon.
const patience = 20 * time.Second

// serve runs a recorder of one http-flv camera, "gate", behind a control socket.
func serve(t *testing.T) *Server { return serveKind(t, testmedia.H264AAC) }

// serveKind is serve for a camera that sends that.
func serveKind(t *testing.T, kind testmedia.Kind) *Server {
	t.Helper()
	file := testmedia.FLV(t, kind, 2, testmedia.Options{GOP: 25})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, file)
	}))
	t.Cleanup(origin.Close)
	n, err := nvr.Open(nvr.Config{
		Storage: []nvr.StorageConfig{{Dir: t.TempDir()}},
		Cameras: []nvr.CameraConfig{{Name: "gate", URL: origin.URL + "/live.flv"}},
	}, nvr.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	dir, err := os.MkdirTemp("", "xp2p-ctl-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := Listen(Config{Path: filepath.Join(dir, "run", "c.sock"), Cameras: n, Recordings: n.Archive()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	deadline := time.Now().Add(patience)
	for n.Cameras()[0].Recorded.Parts == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is recorded: %+v", n.Cameras())
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := n.Archive().Flush(context.Background()); err != nil { // written is not yet listed
		t.Fatal(err)
	}
	return s
}

// wire is a client that knows nothing but lines, as a script with socat does.
type wire struct {
	t *testing.T
	net.Conn
	in *bufio.Scanner
}

func dial(t *testing.T, s *Server) *wire {
	t.Helper()
	c, err := net.Dial("unix", s.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	w := &wire{t: t, Conn: c, in: bufio.NewScanner(c)}
	w.in.Buffer(nil, 4<<20)
	return w
}

// answer is any line that the server sends.
type answer struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
		Data    json.RawMessage
	}
}

// xp2pCode is error.data.code; 0: there is none.
func (a answer) xp2pCode() session.Code {
	var d errorData
	if a.Error != nil {
		json.Unmarshal(a.Error.Data, &d)
	}
	return d.Code
}

func (w *wire) read() (a answer) {
	w.t.Helper()
	if !w.in.Scan() {
		w.t.Fatalf("the connection ended: %v", w.in.Err())
	}
	if err := json.Unmarshal(w.in.Bytes(), &a); err != nil {
		w.t.Fatalf("%v in %s", err, w.in.Bytes())
	}
	return a
}

func (w *wire) ask(line string) answer {
	w.t.Helper()
	if _, err := fmt.Fprintln(w, line); err != nil {
		w.t.Fatal(err)
	}
	return w.read()
}

func TestMethods(t *testing.T) {
	s := serve(t)
	w := dial(t, s)
	for _, c := range []struct {
		name, request string
		want          string       // in the result
		code          session.Code // or that of the error, whose message has want
	}{
		{"info", `{"jsonrpc":"2.0","id":1,"method":"system.info"}`, `"methods":["camera.add","camera.list","camera.remove"`, 0},
		{"list", `{"jsonrpc":"2.0","id":1,"method":"camera.list"}`, `[{"name":"gate","source":"http-flv","state":"`, 0},
		{"status of all", `{"jsonrpc":"2.0","id":"a","method":"camera.status"}`, `[{"name":"gate"`, 0},
		{"status of one", `{"jsonrpc":"2.0","id":1,"method":"camera.status","params":{"camera":"gate"}}`, `{"name":"gate"`, 0},
		{"status of nobody", `{"jsonrpc":"2.0","id":1,"method":"camera.status","params":{"camera":"yard"}}`, `yard`, session.NoService},
		{"record status", `{"jsonrpc":"2.0","id":1,"method":"record.status"}`, `"storages":[{"dir":"`, 0},
		{"record status of nobody", `{"jsonrpc":"2.0","id":1,"method":"record.status","params":{"camera":"yard"}}`, `yard`, session.NoService},
		{"record list", `{"jsonrpc":"2.0","id":1,"method":"record.list","params":{"camera":"gate","from":"2026-01-01T00:00:00Z"}}`, `"tracks":"h264 320x180, aac 44100x1"`, 0},
		{"record list in another age", `{"jsonrpc":"2.0","id":1,"method":"record.list","params":{"from":0,"to":1000}}`, `{"segments":[],"gaps":[]}`, 0},
		{"no time", `{"jsonrpc":"2.0","id":1,"method":"record.list","params":{"from":"yesterday"}}`, `RFC 3339`, session.BadArgument},
		{"unknown parameter", `{"jsonrpc":"2.0","id":1,"method":"record.list","params":{"cam":"gate"}}`, `cam`, session.BadArgument},
		{"command to a URL", `{"jsonrpc":"2.0","id":1,"method":"command.send","params":{"camera":"gate","command":"action=user_define&cmd=ptz_left"}}`, `xp2p-info`, session.NotSupported},
		{"spans", `{"jsonrpc":"2.0","id":1,"method":"record.spans","params":{"camera":"gate","join":1}}`, `[{"camera":"gate","from":"`, 0},
		{"spans of nobody", `{"jsonrpc":"2.0","id":1,"method":"record.spans","params":{"camera":"yard"}}`, `[]`, 0},
		{"totals", `{"jsonrpc":"2.0","id":1,"method":"record.totals"}`, `[{"camera":"gate","bytes":`, 0},
		{"days", `{"jsonrpc":"2.0","id":1,"method":"record.days","params":{"tz":"Europe/Berlin"}}`, `[{"camera":"gate","day":"20`, 0},
		{"days nowhere", `{"jsonrpc":"2.0","id":1,"method":"record.days","params":{"tz":"Mars/Base"}}`, `no time zone`, session.BadArgument},
		{"calendar", `{"jsonrpc":"2.0","id":1,"method":"record.calendar","params":{"camera":"gate","month":"` + time.Now().Format("2006-01") + `"}}`, `[`, 0},
		{"calendar of an empty month", `{"jsonrpc":"2.0","id":1,"method":"record.calendar","params":{"month":"1999-01"}}`, `[]`, 0},
		{"no month", `{"jsonrpc":"2.0","id":1,"method":"record.calendar","params":{"month":"June"}}`, `no month`, session.BadArgument},
		{"forecast", `{"jsonrpc":"2.0","id":1,"method":"record.forecast"}`, `"measured":`, 0},
		{"no locks", `{"jsonrpc":"2.0","id":1,"method":"record.locks"}`, `[]`, 0},
		{"lock", `{"jsonrpc":"2.0","id":1,"method":"record.lock","params":{"camera":"gate","from":1000,"to":2000,"note":"evidence"}}`, `"note":"evidence"`, 0},
		{"locks", `{"jsonrpc":"2.0","id":1,"method":"record.locks","params":{"camera":"gate"}}`, `[{"id":"`, 0},
		{"lock of nobody", `{"jsonrpc":"2.0","id":1,"method":"record.lock","params":{"camera":"yard","from":1000,"to":2000}}`, `yard`, session.NoService},
		{"lock of nothing", `{"jsonrpc":"2.0","id":1,"method":"record.lock","params":{"camera":"gate","from":2000,"to":1000}}`, `not behind`, session.BadArgument},
		{"unlock of nothing", `{"jsonrpc":"2.0","id":1,"method":"record.unlock","params":{"id":"x"}}`, `no such lock`, session.BadArgument},
		{"export nothing", `{"jsonrpc":"2.0","id":1,"method":"record.export","params":{"camera":"gate","from":1,"to":100,"file":"/nowhere/x.mp4"}}`, `record.list`, session.BadArgument},
		{"export to a relative path", `{"jsonrpc":"2.0","id":1,"method":"record.export","params":{"camera":"gate","from":1,"to":100,"file":"x.mp4"}}`, `absolute`, session.BadArgument},
		{"export of nobody", `{"jsonrpc":"2.0","id":1,"method":"record.export","params":{"camera":"yard","from":1,"to":100,"file":"/x.mp4"}}`, `yard`, session.NoService},
		{"no command", `{"jsonrpc":"2.0","id":1,"method":"command.send","params":{"camera":"gate"}}`, `command`, session.BadArgument},
		{"long command", `{"jsonrpc":"2.0","id":1,"method":"command.send","params":{"camera":"gate","command":"` + strings.Repeat("x", maxCommand+1) + `"}}`, `bytes`, session.BadArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			a := w.ask(c.request)
			switch {
			case c.code != 0 && (a.Error == nil || a.xp2pCode() != c.code || !strings.Contains(a.Error.Message, c.want)):
				t.Errorf("%+v", a.Error)
			case c.code == 0 && (a.Error != nil || !strings.Contains(string(a.Result), c.want)):
				t.Errorf("%+v %s", a.Error, a.Result)
			}
		})
	}
}

// An export is a file that plays, and those who subscribed hear of it.
func TestExport(t *testing.T) {
	s := serve(t)
	listener := dial(t, s)
	listener.ask(`{"jsonrpc":"2.0","id":1,"method":"events.subscribe"}`)
	file := filepath.Join(t.TempDir(), "clip.mp4")
	a := dial(t, s).ask(`{"jsonrpc":"2.0","id":1,"method":"record.export","params":{"camera":"gate","from":"2026-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z","exact":true,"sign":true,"file":"` + file + `"}}`)
	var files []exportedFile
	if a.Error != nil || json.Unmarshal(a.Result, &files) != nil || len(files) != 1 {
		t.Fatalf("%+v %s", a.Error, a.Result)
	}
	f := files[0]
	if st, err := os.Stat(file); err != nil || st.Size() != f.Bytes || f.Path != file || f.Duration < 0.5 || len(f.SHA256) != 64 || len(f.Stretches) == 0 || f.Stretches[0].Start.IsZero() {
		t.Errorf("%+v, %v", f, err)
	}
	if _, _, err := recorder.VerifyManifest(t.Context(), file+recorder.ManifestSuffix, nil); err != nil {
		t.Error(err)
	}
	if again := dial(t, s).ask(`{"jsonrpc":"2.0","id":1,"method":"record.export","params":{"camera":"gate","from":"2026-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z","file":"` + file + `"}}`); again.xp2pCode() != session.BadArgument {
		t.Errorf("over a file that is there: %+v", again.Error)
	}
	for {
		a := listener.read()
		var e nvr.Event
		if err := json.Unmarshal(a.Params, &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == "export.done" {
			return
		}
	}
}

// Sound as AAC where there is no encoder is refused with the code of what is not
// supported; without it the same export is made.
func TestExportWithoutAnEncoder(t *testing.T) {
	s := serveKind(t, testmedia.H264ALaw)
	file := filepath.Join(t.TempDir(), "clip.mp4")
	ask := func(more string) answer {
		return dial(t, s).ask(`{"jsonrpc":"2.0","id":1,"method":"record.export","params":{"camera":"gate","from":"2026-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z","file":"` + file + `"` + more + `}}`)
	}
	if a := ask(`,"aac":true`); a.xp2pCode() != session.NotSupported || !strings.Contains(a.Error.Message, "no encoder for AAC") {
		t.Errorf("%+v %s", a.Error, a.Result)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file is left")
	}
	if a := ask(""); a.Error != nil {
		t.Errorf("%+v", a.Error)
	}
}

// What is no request is answered as JSON-RPC says, and only what cannot be told
// from the next one ends the connection.
func TestBadLines(t *testing.T) {
	s := serve(t)
	w := dial(t, s)
	for _, c := range []struct {
		name, line string
		code       int
	}{
		{"no JSON", `hello`, -32700},
		{"no request", `{"id":1}`, -32600},
		{"unknown method", `{"jsonrpc":"2.0","id":1,"method":"camera.explode"}`, -32601},
		{"parameters of another shape", `{"jsonrpc":"2.0","id":1,"method":"camera.status","params":[1,2,3]}`, -32602},
		{"invalid UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}", -32601},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			if a := w.ask(c.line); a.Error == nil || a.Error.Code != c.code {
				t.Errorf("%+v", a.Error)
			}
		})
	}
	w.t = t
	if a := w.ask("\n\n" + `{"jsonrpc":"2.0","id":9,"method":"camera.list"}`); a.Error != nil || string(a.ID) != "9" {
		t.Errorf("the connection is of no use behind them: %+v", a)
	}
	long := dial(t, s)
	go long.Write([]byte(strings.Repeat(" ", maxLine) + "x\n"))
	if a := long.read(); a.Error == nil || a.xp2pCode() != session.BadArgument {
		t.Errorf("a line that is too long: %+v", a.Error)
	}
	if long.in.Scan() {
		t.Errorf("it goes on with %s", long.in.Bytes())
	}
	if a := w.ask(`{"jsonrpc":"2.0","id":1,"method":"camera.list"}`); a.Error != nil {
		t.Errorf("another client noticed: %+v", a.Error)
	}
}

// The camera's file ends soon and it is tried again: there is something to hear.
func TestEvents(t *testing.T) {
	s := serve(t)
	w := dial(t, s)
	for range 2 { // the second changes nothing
		if a := w.ask(`{"jsonrpc":"2.0","id":1,"method":"events.subscribe"}`); a.Method == "" && !strings.Contains(string(a.Result), "true") {
			t.Fatalf("%+v", a)
		}
	}
	for {
		a := w.read()
		if a.Method == "" {
			continue // the answer to the second
		}
		var e nvr.Event
		if err := json.Unmarshal(a.Params, &e); err != nil || a.Method != "event" || e.Type != "camera.state" || e.Camera != "gate" || e.Time.IsZero() {
			t.Fatalf("%v %+v", err, a)
		}
		break
	}
}

func TestClient(t *testing.T) {
	s := serve(t)
	events := make(chan json.RawMessage, 100)
	c, err := Dial(context.Background(), s.Path(), func(e json.RawMessage) {
		select {
		case events <- e:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var list []cameraEntry
	if err := c.Call(context.Background(), "camera.list", nil, &list); err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
	var coded *CodeError
	if err := c.Call(context.Background(), "camera.status", cameraParams{"yard"}, nil); !errors.As(err, &coded) || coded.Code != session.NoService {
		t.Errorf("%v", err)
	}
	if err := c.Call(context.Background(), "events.subscribe", nil, nil); err != nil {
		t.Error(err)
	}
	select {
	case <-events:
	case <-time.After(patience):
		t.Error("no event")
	}
	s.Close()
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Error("the client does not notice the end")
	}
	if _, err := Dial(context.Background(), s.Path(), nil); err == nil || !strings.Contains(err.Error(), "xp2p nvr") {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestSocketFile(t *testing.T) {
	s := serve(t)
	st, err := os.Stat(s.Path())
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	if _, err := Listen(Config{Path: s.Path()}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a socket that is served: %v", err)
	}
	s.Close()
	if _, err := os.Stat(s.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
	// What a killed recorder leaves: a socket on which nobody listens.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.Path(), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := Listen(Config{Path: s.Path()})
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if err := os.WriteFile(s.Path(), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(Config{Path: s.Path()}); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file in its place: %v", err)
	}
}

// FuzzLine gives a server whatever bytes: it answers lines with lines and stays
// up.
func FuzzLine(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"system.info"}`))
	f.Add([]byte(`[{"jsonrpc":"2.0","id":1,"method":"record.list","params":{"from":1e300}}]`))
	f.Add([]byte("\x00\xff\n{\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go func() {
			theirs.Write(append(b, '\n'))
			theirs.Close()
		}()
		c := newLineChannel(ours, maxLine)
		for {
			line, err := c.Recv()
			if err != nil {
				return
			}
			if len(line) == 0 || len(line) > maxLine || strings.ContainsRune(string(line), '\n') {
				t.Fatalf("%q", line)
			}
			var i instant
			json.Unmarshal(line, &i)
		}
	})
}
