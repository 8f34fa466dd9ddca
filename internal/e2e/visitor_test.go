// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/session"
)

// visitor is a viewer's module in this process, and what it is visiting: a camera
// with two channels, recordings and a speaker, `xp2p camera` behind `xp2p rendezvous`.
type visitor struct {
	*testing.T
	w      *world
	cam    *camera
	ctx    context.Context
	config session.Config
	m      *session.Module
	s      *session.Service
	start  int64 // first whole second of the recordings of channel 0, Unix time
	heard  string

	mu     sync.Mutex
	events []session.Event
}

// recorded is how many seconds of recordings the camera has when the visit begins.
const recorded = 12

func newVisitor(t *testing.T) *visitor {
	w := newWorld(t)
	short := testmedia.Options{GOP: testmedia.FrameRate}
	v := &visitor{T: t, w: w, ctx: t.Context(), heard: filepath.Join(t.TempDir(), "heard.flv")}
	v.cam = w.camera("conform", "front=flv:"+testmedia.FLV(t, testmedia.H264AAC, 4, short),
		"--input", "back=flv:"+testmedia.FLV(t, testmedia.H265Legacy, 4, short),
		"--record", filepath.Join(t.TempDir(), "rec"), "--speaker", v.heard, "--command-hook", hook(t))
	app, err := session.ReadAppParams(w.app)
	if err != nil {
		t.Fatal(err)
	}
	v.config = session.Config{App: app, Rendezvous: w.rendezvous, LogEvents: slog.LevelDebug, CommandTimeout: 2 * time.Second, Events: func(e session.Event) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.events = append(v.events, e)
	}}
	if v.m, err = session.Init(v.ctx, v.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.m.Close() })
	if v.s, err = v.m.StartService(v.ctx, "cam", session.StreamInfo{XP2PInfo: v.cam.info}); err != nil {
		t.Fatal(err)
	}
	await(t, "the camera has recordings", func() bool {
		var index struct {
			List []struct {
				Start string `json:"start_time"`
				End   string `json:"end_time"`
			} `json:"video_list"`
		}
		v.command(&index, "cmd=get_record_index&start_time=0&end_time=9999999999")
		if len(index.List) != 1 {
			return false
		}
		first, _ := strconv.ParseInt(index.List[0].Start, 10, 64)
		last, _ := strconv.ParseInt(index.List[0].End, 10, 64)
		v.start = first + 1
		return last-first > recorded
	})
	return v
}

// on is the same visitor in a subtest.
func (v *visitor) on(t *testing.T, f func(*visitor)) {
	old := v.T
	defer func() { v.T = old }()
	v.T = t
	f(v)
}

// command sends an inner command, which must succeed, and reads its reply.
func (v *visitor) command(reply any, command string) {
	v.Helper()
	r, err := v.s.SendCommand(v.ctx, "action=inner_define&channel=0&"+command)
	if err != nil || r.Type != session.CommandSuccess || r.Status != 200 {
		v.Fatalf("%s: %+v %v", command, r, err)
	}
	if err := json.Unmarshal([]byte(r.Data), reply); err != nil {
		v.Fatalf("%s: %v in %s", command, err, r.Data)
	}
}

// done expects {"status":"0"}.
func (v *visitor) done(command string) {
	v.Helper()
	var r struct{ Status string }
	if v.command(&r, command); r.Status != "0" {
		v.Errorf("%s: %+v", command, r)
	}
}

// pull takes a stream for so long, or to its end.
func (v *visitor) pull(params string, most time.Duration) (units []demux.Unit) {
	v.Helper()
	st, err := v.s.StartStream(v.ctx, session.StreamRequest{Params: params})
	if err != nil {
		v.Fatalf("%s: %v", params, err)
	}
	return v.take(st, most)
}

func (v *visitor) take(st *session.Stream, most time.Duration) (units []demux.Unit) {
	v.Helper()
	defer st.Close()
	timer := time.AfterFunc(most, func() { st.Close() })
	defer timer.Stop()
	r := flv.NewReader(st, flv.Options{})
	var tag flv.Tag
	var u demux.Unit
	for {
		if err := r.Next(&tag, &u); err != nil {
			return units
		}
		u.Data = bytes.Clone(u.Data)
		units = append(units, u)
	}
}

func count(units []demux.Unit, k demux.Kind) (n int) {
	for i := range units {
		if units[i].Kind == k && !units[i].Config {
			n++
		}
	}
	return n
}

// get asks as one may by http.
func (v *visitor) get(pathAndQuery string) (int, string) {
	v.Helper()
	req, err := http.NewRequestWithContext(v.ctx, http.MethodGet, "https://camera"+pathAndQuery, nil)
	if err != nil {
		v.Fatal(err)
	}
	res, err := v.s.RoundTrip(req)
	if err != nil {
		v.Fatalf("%s: %v", pathAndQuery, err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, string(b)
}

// code fails unless err has that code.
func (v *visitor) code(want session.Code, err error) {
	v.Helper()
	if got, ok := session.CodeOf(err); !ok || got != want {
		v.Errorf("%v: code %d, want %d", err, got, want)
	}
}

// saw waits for an event.
func (v *visitor) saw(kind session.EventKind, subtype string) {
	v.Helper()
	await(v.T, fmt.Sprintf("event %s %s", kind, subtype), func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return slices.ContainsFunc(v.events, func(e session.Event) bool { return e.Kind == kind && e.Subtype == subtype })
	})
}

// playback is the query of a playback of the first seconds of the recordings.
func (v *visitor) playback(action string, seconds int64) string {
	return fmt.Sprintf("action=%s&channel=0&start_time=%d&end_time=%d", action, v.start, v.start+seconds)
}

// talk says so many seconds of A-law silence in real time.
func (v *visitor) talk(voice *session.Voice, seconds int) error {
	const frame = 20 * time.Millisecond
	for i := range seconds * int(time.Second/frame) {
		time.Sleep(frame)
		err := voice.WriteUnit(&demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Key: true, Rate: 8000, Channels: 1,
			DTS: time.Duration(i) * frame, Data: bytes.Repeat([]byte{0xd5}, 160)})
		if err != nil {
			return err
		}
	}
	return nil
}

// files are the camera's.
func (v *visitor) files() (list []struct {
	Type string `json:"file_type"`
	Name string `json:"file_name"`
	Size string `json:"file_size"`
	From string `json:"start_time"`
	To   string `json:"end_time"`
}) {
	v.Helper()
	reply := struct {
		List any `json:"file_list"`
	}{&list}
	v.command(&reply, "cmd=get_file_list&file_type=0&start_time=0&end_time=9999999999")
	if len(list) == 0 {
		v.Fatal("no files")
	}
	return list
}

// soundBytes is how many bytes of sound an FLV file has.
func soundBytes(t *testing.T, file string) (n int) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := flv.NewReader(bytes.NewReader(b), flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for {
		switch err := r.Next(&tag, &u); {
		case err == io.EOF:
			return n
		case err != nil:
			t.Fatal(err)
		case u.Kind == demux.Audio:
			n += len(u.Data)
		}
	}
}
