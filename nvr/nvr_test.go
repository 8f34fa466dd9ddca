// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

func TestRecordsHTTPFLV(t *testing.T) {
	cam := &fakeCamera{file: media(t), hold: true}
	n := open(t, Options{}, CameraConfig{Name: "gate", URL: cam.serve(t)})
	until(t, "all pictures arrived", func() bool { return status(t, n, "gate").Frames == int64(testmedia.Frames(2)) })
	s := status(t, n, "gate")
	if s.State != StateLive || s.Path != "http" || s.Received == 0 || s.Source != "http-flv" {
		t.Errorf("%+v", s)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := recorder.Open(recorder.Config{Storages: n.cfg.storages()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	list, err := a.List(context.Background(), "gate", time.Time{}, time.Time{})
	if err != nil || len(list) == 0 {
		t.Fatalf("%v %v", list, err)
	}
	for _, seg := range list {
		decodes(t, seg.Path)
		if seg.Open {
			t.Errorf("%s is not complete", seg.Path)
		}
	}
}

// What one camera sends or refuses is in its own status and gaps; the one beside
// it records on.
func TestBadCamerasHarmNobody(t *testing.T) {
	good := media(t)
	garbage := make([]byte, 1<<20)
	rand.New(rand.NewSource(1)).Read(garbage)
	bomb := append(flv.AppendHeader(nil, true, true), 9, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0)
	hvcc := flv.AppendTag(flv.AppendHeader(nil, true, false), flv.TagVideo, 0,
		append([]byte{0x1c, 0, 0, 0, 0}, bytes.Repeat([]byte{0xff}, 60000)...))
	cases := []struct {
		name  string
		cam   *fakeCamera
		cause recorder.Cause
	}{
		{"refuses", &fakeCamera{status: 404}, recorder.CauseCamera},
		{"garbage", &fakeCamera{before: garbage, hold: true}, recorder.CauseLink},
		{"bomb", &fakeCamera{before: append(bomb, garbage...), hold: true}, recorder.CauseLink},
		{"hvcc", &fakeCamera{before: hvcc}, recorder.CauseCamera},
		{"silent", &fakeCamera{hold: true}, recorder.CauseLink},
		{"ends", &fakeCamera{file: good}, recorder.CauseCamera},
		{"empty", &fakeCamera{}, recorder.CauseCamera},
	}
	// It plays for longer than the others take to be given up, however slow the machine.
	paced := &fakeCamera{file: testmedia.FLV(t, testmedia.H264AAC, 60, testmedia.Options{GOP: 25}), pace: true, hold: true}
	cameras := []CameraConfig{{Name: "good", URL: paced.serve(t)}}
	for _, c := range cases {
		cameras = append(cameras, CameraConfig{Name: c.name, URL: c.cam.serve(t)})
	}
	n := open(t, Options{}, cameras...)
	for _, c := range cases {
		until(t, c.name+" was tried again", func() bool { return c.cam.opened.Load() >= 2 })
		s := status(t, n, c.name)
		if s.Error == "" {
			t.Errorf("%s: no error in %+v", c.name, s)
		}
	}
	until(t, "the good camera brought everything", func() bool { return status(t, n, "good").Frames >= int64(testmedia.Frames(4)) })
	if err := n.Archive().Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		found := false
		for _, g := range gaps(t, n, c.name) {
			found = found || g.Cause == c.cause
		}
		if !found {
			t.Errorf("%s: no gap of cause %s in %+v", c.name, c.cause, gaps(t, n, c.name))
		}
	}
	if s := status(t, n, "good"); s.Attempts != 1 || s.Damage != 0 {
		t.Errorf("%+v", s)
	}
	if list := segments(t, n, "good"); len(list) == 0 {
		t.Error("nothing recorded")
	}
}

// Damage in the middle is skipped; the run goes on.
func TestResynchronises(t *testing.T) {
	b, err := os.ReadFile(media(t))
	if err != nil {
		t.Fatal(err)
	}
	// A few hundred foreign bytes between two tags: behind the header and the first tags.
	at := 13
	for range 20 {
		at += 15 + (int(b[at+1])<<16 | int(b[at+2])<<8 | int(b[at+3]))
	}
	broken := append(append(append([]byte(nil), b[:at]...), bytes.Repeat([]byte("noise"), 100)...), b[at:]...)
	cam := &fakeCamera{before: broken, hold: true}
	n := open(t, Options{}, CameraConfig{Name: "gate", URL: cam.serve(t)})
	until(t, "all pictures arrived", func() bool { return status(t, n, "gate").Frames == int64(testmedia.Frames(2)) })
	if s := status(t, n, "gate"); s.Damage != 1 || s.Attempts != 1 {
		t.Errorf("%+v", s)
	}
}

// fakePeers stands in for a session.Module.
type fakePeers struct {
	voice  *fakeVoice // nil: refused
	mu     sync.Mutex
	file   string
	fail   []error // of the next calls of StartService
	closed int
}

func (f *fakePeers) StartService(_ context.Context, _ string, info session.StreamInfo) (Peer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.fail) > 0 {
		err := f.fail[0]
		f.fail = f.fail[1:]
		return nil, err
	}
	info.Events(session.Event{Kind: session.Notify, Subtype: session.Connected})
	return &fakePeer{f}, nil
}

func (f *fakePeers) Close() error { f.mu.Lock(); defer f.mu.Unlock(); f.closed++; return nil }

type fakePeer struct{ *fakePeers }

func (f *fakePeer) StartStream(_ context.Context, r session.StreamRequest) (io.ReadCloser, error) {
	if !strings.HasPrefix(r.Params, "action=live") {
		return nil, &session.Error{Op: "startP2PStream", Code: session.BadArgument}
	}
	b, err := os.ReadFile(f.file)
	pr, pw := io.Pipe()
	go func() { pw.Write(b) }() // ends when the reader closes
	return pr, err
}

func (f *fakePeer) SendCommand(_ context.Context, command string) (session.CommandResult, error) {
	return session.CommandResult{Type: session.CommandSuccess, Data: strings.ToUpper(command)}, nil
}
func (f *fakePeer) StartVoice(context.Context, session.VoiceRequest) (Voice, error) {
	if f.voice == nil {
		return nil, &session.Error{Op: "startVoiceService", Code: session.VoiceFailed, Err: errors.New("405")}
	}
	return f.voice, nil
}
func (f *fakePeer) Path() session.PathDetail { return session.PathDetail{Path: "relay"} }
func (f *fakePeer) Close() error             { return nil }

func TestPeerCamera(t *testing.T) {
	peers := &fakePeers{file: media(t), fail: []error{
		&session.Error{Op: "startP2PService", Code: session.StreamFailed, Err: errors.New("not there")},
	}}
	tries := 0
	o := Options{Peers: func(context.Context) (Peers, error) {
		if tries++; tries == 1 {
			return nil, &session.Error{Op: "init", Code: session.ProbeFailed, Err: errors.New("rendezvous down")}
		}
		return peers, nil
	}}
	n := open(t, o, CameraConfig{Name: "gate", Info: "XP2Px%1", Params: "action=live"})
	sub := n.Subscribe()
	defer sub.Close()
	until(t, "live", func() bool { return status(t, n, "gate").State == StateLive })
	s := status(t, n, "gate")
	if s.Path != "relay" || s.Attempts != 3 || s.Code != int(session.StreamFailed) {
		t.Errorf("%+v", s)
	}
	r, err := n.Command(context.Background(), "gate", "hello")
	if err != nil || r.Data != "HELLO" {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := n.Command(context.Background(), "nobody", "hello"); !errors.Is(err, &session.Error{Code: session.NoService}) {
		t.Errorf("unknown camera: %v", err)
	}
	types := map[string]bool{}
	for len(sub.C) > 0 {
		types[(<-sub.C).Type] = true
	}
	if !types["camera.event"] || !types["camera.state"] {
		t.Errorf("events %v", types)
	}
	if err := n.Close(); err != nil || peers.closed != 1 {
		t.Errorf("%v, %d", err, peers.closed)
	}
	if _, open := <-sub.C; open {
		for range sub.C {
		}
	}
}

func TestCauseOf(t *testing.T) {
	for err, want := range map[error]recorder.Cause{
		io.EOF:                  recorder.CauseCamera,
		io.ErrUnexpectedEOF:     recorder.CauseLink,
		errStalled:              recorder.CauseLink,
		errGarbled:              recorder.CauseCamera,
		&statusError{"503"}:     recorder.CauseCamera,
		&recorder.ConfigError{}: recorder.CauseCamera,
		&session.Error{Code: session.BadXP2PInfo}:    recorder.CauseConfig,
		&session.Error{Code: session.StreamFailed}:   recorder.CauseLink,
		errors.New("read: connection reset by peer"): recorder.CauseLink,
	} {
		if got := causeOf(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

func TestBusDropsForSlowSubscribers(t *testing.T) {
	var b bus
	s := b.subscribe()
	for range subscriptionQueue + 10 {
		b.publish(Event{Type: "camera.state"})
	}
	for range 10 {
		<-s.C
	}
	b.publish(Event{Type: "camera.event"})
	var lost, got int
	b.close()
	for e := range s.C {
		got++
		if d, ok := e.Detail.(LostDetail); ok {
			lost = d.Events
		}
	}
	if lost != 10 || got != subscriptionQueue-10+2 {
		t.Errorf("%d lost, %d got", lost, got)
	}
	s.Close()
	s.Close()
}

func TestMeter(t *testing.T) {
	var m meter
	at := time.Unix(0, 0)
	for i := range int64(20) {
		m.sample(at.Add(time.Duration(i)*time.Second), i*i*1000)
	}
	// Between seconds 14 and 19.
	if got, want := m.rate(), int64((19*19-14*14)*1000*8/5); got != want {
		t.Errorf("%d, want %d", got, want)
	}
}
