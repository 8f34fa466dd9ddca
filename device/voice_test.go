// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

var alaw = Sound{Codec: demux.ALaw, Rate: 8000, Channels: 1}

// ear is a speaker that keeps what it hears.
type ear struct {
	sound Sound
	err   error // of Open
	broke error // of Play

	mu     sync.Mutex
	heard  []demux.Unit
	talks  int
	closed int
	peer   Peer
}

func (e *ear) Sound() Sound { return e.sound }

func (e *ear) Open(ctx context.Context) (Talk, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.talks++
	e.peer = PeerFrom(ctx)
	return e, e.err
}

func (e *ear) Play(u *demux.Unit) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := *u
	c.Data = bytes.Clone(u.Data)
	e.heard = append(e.heard, c)
	return e.broke
}

func (e *ear) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed++
	return nil
}

func (e *ear) got() []demux.Unit {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard
}

// sound is n tags of 20 ms of A-law.
func sounds(n int) []byte {
	var b []byte
	for i := range n {
		b, _ = flv.AppendUnit(b, &demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Key: true, DTS: time.Duration(i) * 20 * time.Millisecond,
			Rate: 8000, Channels: 1, Data: bytes.Repeat([]byte{byte(i)}, 160)}, flv.WriteOptions{})
	}
	return b
}

// talk starts a POST /voice whose body is what is written to the pipe.
func talk(t *testing.T, url string) (*io.PipeWriter, *http.Response) {
	t.Helper()
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/voice?channel=0&requester=me", r)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); res.Body.Close() })
	return w, res
}

func TestTalk(t *testing.T) {
	e := &ear{sound: alaw}
	d, srv := start(t, Config{Channels: []Channel{{Source: newFeed()}}, Speaker: e})
	w, res := talk(t, srv.URL) // returns before anything was sent
	if got := res.Header.Get("X-Xp2p-Audio"); res.StatusCode != 200 || got != "alaw;rate=8000;channels=1" {
		t.Fatalf("%d, %s", res.StatusCode, got)
	}
	if status, b := ask(t, "POST", srv.URL+"/voice", ""); status != 405 || !strings.Contains(b, "somebody else") {
		t.Errorf("a second talker: %d %s", status, b)
	}
	if _, b := inner(t, srv.URL, "cmd=get_device_st&type=voice"); !strings.Contains(b, `"status":"405"`) {
		t.Errorf("the state meanwhile: %s", b)
	}
	b := flv.AppendHeader(nil, true, true)
	b = append(b, header()[13:]...) // a video call: configuration and a picture
	b = append(b, frame(0, 1000, true)...)
	b = append(b, sounds(50)...)
	for len(b) > 0 { // in pieces of any size
		n := min(len(b), 333)
		if _, err := w.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	w.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("the answer: %s, %v", rest, err)
	}
	got := e.got()
	if len(got) != 52 || !got[0].Config || got[1].Kind != demux.Video || got[51].Data[0] != 49 || len(got[51].Data) != 160 {
		t.Errorf("%d units were heard", len(got))
	}
	if e.peer.Requester != "me" {
		t.Errorf("the speaker was told of %+v", e.peer)
	}
	for d.line.busy() {
		time.Sleep(time.Millisecond)
	}
	if e.closed != 1 {
		t.Errorf("the talk was closed %d times", e.closed)
	}
	w, res = talk(t, srv.URL)
	if res.StatusCode != 200 {
		t.Errorf("the next talker: %d", res.StatusCode)
	}
	w.Close()
	io.Copy(io.Discard, res.Body)
}

// A talker that vanishes, sends nothing, or only what is no sound, loses the line.
func TestSilentTalkerLosesTheLine(t *testing.T) {
	e := &ear{sound: alaw}
	d, srv := start(t, Config{Channels: []Channel{{Source: newFeed()}}, Speaker: e, silence: 100 * time.Millisecond})
	for name, send := range map[string]func(w io.Writer){
		"nothing":    func(io.Writer) {},
		"one sound":  func(w io.Writer) { w.Write(append(flv.AppendHeader(nil, false, true), sounds(1)...)) },
		"half a tag": func(w io.Writer) { w.Write(sounds(1)[:50]) },
		"metadata for ever": func(w io.Writer) {
			m := flv.AppendTag(nil, flv.TagScript, 0, flv.AppendMetadata(nil, flv.Metadata{Width: 1}))
			go func() {
				for { // ends with the request
					if _, err := w.Write(m); err != nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, res := talk(t, srv.URL)
			send(w)
			b, _ := io.ReadAll(res.Body)
			if len(b) > 0 && !strings.Contains(string(b), "the line is free") {
				t.Errorf("the reason: %s", b)
			}
			for d.line.busy() {
				time.Sleep(time.Millisecond)
			}
			w.Close()
		})
	}
}

func TestHostileTalk(t *testing.T) {
	aac, err := flv.AppendUnit(flv.AppendHeader(nil, false, true), &demux.Unit{Kind: demux.Audio, Codec: demux.AAC, Key: true, Data: []byte{1, 2, 3}}, flv.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	huge, err := flv.AppendUnit(nil, &demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Key: true, Data: make([]byte, maxTalkSound+1)}, flv.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	torn := bytes.Repeat(append(sounds(1), 0xff, 0xff, 0xff), maxTalkDamage+2)
	for name, tt := range map[string]struct {
		body []byte
		want string
	}{
		"nothing":          {nil, ""},
		"header alone":     {flv.AppendHeader(nil, false, true), ""},
		"wrong codec":      {aac, "the camera takes alaw;rate=8000;channels=1, but aac came"},
		"a second in one":  {huge, "bytes of sound"},
		"text":             {[]byte(strings.Repeat("GET / HTTP/1.1\r\n", 100)), "not FLV"},
		"a giant tag":      {append([]byte{8, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 1<<20)...), "not FLV"},
		"damage for ever":  {torn, "damaged too often"},
		"cut inside a tag": {sounds(2)[:200], "unexpected EOF"},
	} {
		e := &ear{sound: alaw}
		err := listen(bytes.NewReader(tt.body), alaw, e, func() {})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	e := &ear{sound: alaw, broke: errors.New("the cone is torn")}
	if err := listen(bytes.NewReader(sounds(3)), alaw, e, func() {}); !errors.Is(err, e.broke) || len(e.heard) != 1 {
		t.Errorf("a broken speaker: %v, heard %d", err, len(e.heard))
	}
}

// What fails behind the status is said in the body; what fails before is a status.
func TestTalkErrorsReachTheTalker(t *testing.T) {
	e := &ear{sound: alaw}
	_, srv := start(t, Config{Channels: []Channel{{Source: newFeed()}}, Speaker: e})
	w, res := talk(t, srv.URL)
	go func() { w.Write(bytes.Repeat([]byte("no FLV "), 1000)); w.Close() }()
	if b, _ := io.ReadAll(res.Body); !strings.Contains(string(b), "not FLV") {
		t.Errorf("the reason: %s", b)
	}
	e.err = errors.New("the speaker is in use")
	for { // the line may be taken for a moment yet
		status, b := ask(t, "POST", srv.URL+"/voice", "")
		if status == 405 {
			time.Sleep(time.Millisecond)
			continue
		}
		if status != 503 || !strings.Contains(b, "in use") {
			t.Errorf("%d %s", status, b)
		}
		break
	}
	_, none := start(t, Config{Channels: []Channel{{Source: newFeed()}}})
	if status, b := ask(t, "POST", none.URL+"/voice", ""); status != 406 {
		t.Errorf("without a speaker: %d %s", status, b)
	}
}

// Closing the device ends a talk that is going on.
func TestCloseEndsTalk(t *testing.T) {
	e := &ear{sound: alaw}
	d, srv := start(t, Config{Channels: []Channel{{Source: newFeed()}}, Speaker: e})
	w, res := talk(t, srv.URL)
	w.Write(sounds(1))
	d.Close()
	io.Copy(io.Discard, res.Body)
	for d.line.busy() {
		time.Sleep(time.Millisecond)
	}
}

// Whatever a talker sends, the talk ends with it, and what is played is sound of the
// codec that was asked for, or pictures.
func FuzzListen(f *testing.F) {
	f.Add(append(flv.AppendHeader(nil, false, true), sounds(5)...))
	call := append(header(), frame(0, 100, true)...)
	f.Add(append(call, sounds(2)...))
	f.Add([]byte(strings.Repeat("x", 100)))
	f.Add(append(sounds(1), make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := &ear{sound: alaw}
		listen(bytes.NewReader(b), alaw, e, func() {})
		for _, u := range e.heard {
			if u.Kind == demux.Audio && u.Codec != demux.ALaw || u.Kind == demux.Video && u.Codec == demux.CodecUnknown || u.Kind == demux.Data {
				t.Errorf("%+v was played", u)
			}
			if len(u.Data) > len(b) {
				t.Errorf("%d bytes of %d", len(u.Data), len(b))
			}
		}
	})
}
