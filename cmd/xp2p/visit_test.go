// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/demux/g711"
	"github.com/xp2p/xp2p/internal/testcamera"
	"github.com/xp2p/xp2p/session"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.init.0.func1"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/pse.ProcUsage"),
	)
}

// visitor runs commands against a scripted camera.
type visitor struct {
	t   *testing.T
	cam *testcamera.Camera
	app string
}

func newVisitor(t *testing.T, h http.Handler) *visitor {
	t.Helper()
	v := &visitor{t: t, cam: testcamera.New(t, h), app: filepath.Join(t.TempDir(), "app.json")}
	b, err := json.Marshal(v.cam.Rendezvous.App())
	if err == nil {
		err = os.WriteFile(v.app, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// run runs the program's command with the account and the camera's xp2pInfo.
func (v *visitor) run(ctx context.Context, stdin io.Reader, args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	root := newRootCommand()
	root.SetArgs(append(args, "--rendezvous", v.cam.Rendezvous.URL(), "--app", v.app, "--xp2p-info", v.cam.Info(nil)))
	root.SetIn(stdin)
	root.SetOut(&out)
	root.SetErr(&errOut)
	err = root.ExecuteContext(ctx)
	return out.String(), errOut.String(), err
}

// ear hears what is said to a camera.
type ear struct {
	format string
	heard  chan []byte
	began  chan struct{}
	stop   chan struct{}
}

func newEar(format string) *ear {
	return &ear{format, make(chan []byte, 1), make(chan struct{}, 1), make(chan struct{})}
}

func (e *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Xp2p-Audio", e.format)
	w.WriteHeader(http.StatusOK)
	http.NewResponseController(w).Flush()
	e.began <- struct{}{}
	all := make(chan []byte, 1)
	go func() { b, _ := io.ReadAll(r.Body); all <- b }()
	select {
	case b := <-all:
		e.heard <- b
	case <-e.stop:
		r.Body.Close()
		e.heard <- <-all
	}
}

// sound is the sound of an FLV stream that must be whole.
func sound(t *testing.T, b []byte) (all []byte, codec demux.Codec) {
	t.Helper()
	r := flv.NewReader(bytes.NewReader(b), flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for {
		err := r.Next(&tag, &u)
		if err == io.EOF {
			return all, codec
		}
		if err != nil {
			t.Fatal(err)
		}
		all, codec = append(all, u.Data...), u.Codec
	}
}

func TestTalk(t *testing.T) {
	pcm := make([]byte, 8000) // half a second
	for i := range pcm {
		pcm[i] = byte(i * 7)
	}
	file := filepath.Join(t.TempDir(), "bare")
	if err := os.WriteFile(file, pcm, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		format string
		input  string
		want   []byte
		codec  demux.Codec
	}{
		{"alaw;rate=8000;channels=1", "-", g711.ALaw.Encode(nil, pcm), demux.ALaw},
		{"mulaw;rate=8000;channels=1", file, g711.MuLaw.Encode(nil, pcm), demux.MuLaw},
	} {
		e := newEar(tt.format)
		v := newVisitor(t, e)
		_, stderr, err := v.run(t.Context(), bytes.NewReader(pcm), "talk", "--input", tt.input, "--format", "s16le", "--json")
		if err != nil {
			t.Fatal(err)
		}
		if got, codec := sound(t, <-e.heard); !bytes.Equal(got, tt.want) || codec != tt.codec {
			t.Errorf("%s: the camera heard %d bytes of %v", tt.format, len(got), codec)
		}
		var sum talkSummary
		if err := json.Unmarshal([]byte(stderr), &sum); err != nil || sum.Bytes != len(tt.want) || sum.Format != tt.format || sum.Path != "direct" {
			t.Errorf("%s: summary %s, %v", tt.format, stderr, err)
		}
	}
}

func TestTalkRefused(t *testing.T) {
	e := newEar("alaw;rate=8000;channels=1")
	v := newVisitor(t, e)
	for _, tt := range []struct {
		args []string
		text string
		code session.Code
	}{
		{[]string{"--input", "-", "--format", "s16le", "--rate", "44100"}, "ffmpeg -i INPUT -vn -ar 8000 -ac 1", session.BadArgument},
		{[]string{"--input", "-", "--format", "mp3"}, "s16le, alaw or mulaw", session.BadArgument},
		{[]string{"--input", "-", "--format", "s16le", "--rate", "1"}, "1000 to 192000", session.BadArgument},
		{[]string{"--input", "-", "--format", "s16le", "--channels", "6"}, "1 or 2", session.BadArgument},
		{[]string{"--input", "/does/not/exist"}, "no such file", session.BadArgument},
		{[]string{"--input", "-"}, "neither WAV nor FLV", session.BadArgument},
		{[]string{"--input", "-", "--channel", "-1"}, "channel -1", session.BadArgument},
	} {
		_, _, err := v.run(t.Context(), strings.NewReader("this is text"), append([]string{"talk"}, tt.args...)...)
		if err == nil || !strings.Contains(errorText(err), tt.text) || !strings.HasSuffix(errorText(err), fmt.Sprintf("(code %d)", tt.code)) {
			t.Errorf("%v: %v", tt.args, err)
		}
		select { // what was begun has ended
		case <-e.began:
			<-e.heard
		default:
		}
	}
}

// Ctrl-C while somebody talks, and a camera that has heard enough.
func TestTalkEnds(t *testing.T) {
	e := newEar("alaw;rate=8000;channels=1")
	v := newVisitor(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-e.began; time.Sleep(50 * time.Millisecond); cancel() }()
	if _, _, err := v.run(ctx, endless{}, "talk", "--input", "-", "--format", "s16le"); err != nil {
		t.Errorf("ended by Ctrl-C: %v", err)
	}
	if got, _ := sound(t, <-e.heard); len(got) == 0 {
		t.Error("nothing was said before")
	}
	go func() { <-e.began; close(e.stop) }()
	_, _, err := v.run(t.Context(), endless{}, "talk", "--input", "-", "--format", "s16le")
	if code, _ := session.CodeOf(err); code != session.VoiceFailed {
		t.Errorf("the camera stopped to listen: %v", err)
	}
	<-e.heard
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// files is a camera's files; breaks counts how often a download breaks off.
type files struct {
	b      []byte
	mu     sync.Mutex
	breaks int
	asked  []string
}

func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f.mu.Lock()
	f.asked = append(f.asked, q.Get("offset"))
	cut := f.breaks > 0
	f.breaks--
	f.mu.Unlock()
	offset, err := strconv.Atoi(q.Get("offset"))
	if q.Get("file_name") != "clip.mp4" || err != nil || offset > len(f.b) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"status":"404","error":"no such file"}`)
		return
	}
	w.Header().Set("X-Xp2p-Size", strconv.Itoa(len(f.b)))
	w.WriteHeader(http.StatusOK)
	rest := f.b[offset:]
	if cut {
		w.Write(rest[:min(1000, len(rest))])
		return
	}
	w.Write(rest)
}

func TestDownloadCommand(t *testing.T) {
	whole := bytes.Repeat([]byte("0123456789"), 30000)
	f := &files{b: whole}
	v := newVisitor(t, f)
	out := filepath.Join(t.TempDir(), "clip.mp4")
	get := func(args ...string) (string, string, error) {
		return v.run(t.Context(), nil, append([]string{"download", "--file", "clip.mp4"}, args...)...)
	}
	is := func(want []byte) {
		t.Helper()
		if b, err := os.ReadFile(out); err != nil || !bytes.Equal(b, want) {
			t.Errorf("the file has %d bytes, want %d; %v", len(b), len(want), err)
		}
	}
	if _, stderr, err := get("-o", out); err != nil || !strings.Contains(stderr, "fetched 0.3 MB of 0.3 MB") {
		t.Errorf("%s, %v", stderr, err)
	}
	is(whole)
	if _, _, err := get("-o", out, "--offset", "299000"); err != nil {
		t.Error(err)
	}
	is(whole[299000:])
	if err := os.WriteFile(out, whole[:1234], 0o600); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.breaks = 2
	f.mu.Unlock()
	_, stderr, err := get("-o", out, "--continue", "--json")
	if err != nil {
		t.Error(err)
	}
	is(whole)
	var last progressLine
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || !last.Done || last.Bytes != int64(len(whole)) || last.Size != last.Bytes {
		t.Errorf("the last line is %s, %v", lines[len(lines)-1], err)
	}
	f.mu.Lock()
	asked := strings.Join(f.asked[2:], " ")
	f.mu.Unlock()
	if got := asked; got != "1234 2234 3234" {
		t.Errorf("asked for offsets %s", got)
	}
	if _, _, err := get("-o", out, "--continue"); err != nil { // there is nothing left to do
		t.Error(err)
	}
	is(whole)
	if stdout, _, err := get("-o", "-", "--offset", "299990"); err != nil || stdout != "0123456789" {
		t.Errorf("to standard output: %.40q, %v", stdout, err)
	}

	for _, tt := range []struct {
		args []string
		text string
	}{
		{[]string{"-o", "-", "--continue"}, "--continue needs a file (code -2000)"},
		{[]string{"-o", out, "--continue", "--offset", "1"}, "leave --offset out (code -2000)"},
		{[]string{"-o", out, "--offset", "-1"}, "cannot be negative (code -2000)"},
		{[]string{"-o", out, "--offset", "400000"}, "no such file (code -2701)"},
		{[]string{"-o", "/does/not/exist", "--offset", "1"}, "no such file or directory (code -2000)"},
	} {
		_, _, err := get(tt.args...)
		if words := strings.Split(tt.text, " ("); err == nil || !strings.Contains(errorText(err), words[0]) || !strings.HasSuffix(errorText(err), "("+words[1]) {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
	is(whole) // a download that was refused leaves the file as it was
}

// Ctrl-C leaves what has arrived, and says how to go on.
func TestDownloadEnds(t *testing.T) {
	v := newVisitor(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Xp2p-Size", "1000000")
		w.Write(make([]byte, 5000))
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	out := filepath.Join(t.TempDir(), "clip.mp4")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if st, err := os.Stat(out); err == nil && st.Size() == 5000 {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, _, err := v.run(ctx, nil, "download", "--file", "clip.mp4", "-o", out)
	if err == nil || err.Error() != "ended at 5000 of 1000000 bytes; --continue fetches the rest" {
		t.Errorf("ended by Ctrl-C: %v", err)
	}
}

// The bar ends with the download, however that ends.
func TestBarEnds(t *testing.T) {
	for _, tt := range []struct {
		name         string
		at, n, size  int64
		err          error
		wantsPercent string
	}{
		{"all", 0, 1 << 20, 1 << 20, nil, "100 %"},
		{"the rest", 1 << 19, 1 << 19, 1 << 20, nil, "100 %"},
		{"nothing left", 1 << 20, 0, 1 << 20, nil, "100 %"},
		{"an empty file", 0, 0, 0, nil, ""},
		{"half", 0, 1 << 19, 1 << 20, io.ErrUnexpectedEOF, "50 %"},
	} {
		var screen bytes.Buffer
		p := newProgress(&screen, false, true, "clip.mp4", tt.at, tt.size)
		if n, err := io.Copy(p.writer(io.Discard), io.LimitReader(endless{}, tt.n)); n != tt.n || err != nil {
			t.Fatal(n, err)
		}
		p.end(tt.err)
		if s := screen.String(); !strings.Contains(s, "clip.mp4") || !strings.Contains(s, tt.wantsPercent) {
			t.Errorf("%s: %q", tt.name, s)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, name := range []string{"talk", "download"} {
		var out bytes.Buffer
		root := newRootCommand()
		root.SetArgs([]string{name, "--help"})
		root.SetOut(&out)
		if err := root.Execute(); err != nil || !strings.Contains(out.String(), "Examples:\n  xp2p ") {
			t.Errorf("%s: %v\n%s", name, err, &out)
		}
	}
}
