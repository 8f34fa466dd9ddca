// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/session"
	"github.com/xp2p/xp2p/swarm/sourcetest"
)

// view is another viewer of a stream, as long as the test runs.
func view(t *testing.T, m *sourcetest.Source) {
	t.Helper()
	module, err := session.Init(t.Context(), session.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.Close() })
	s, err := module.StartService(t.Context(), "other", session.StreamInfo{URL: m.URL, CodeURL: m.CodeURL})
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.StartStream(t.Context(), session.StreamRequest{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { io.Copy(io.Discard, st); close(done) }()
	t.Cleanup(func() { st.Close(); <-done })
}

var frameHash = regexp.MustCompile(`(?m)^0,.*, ([0-9a-f]{32})$`)

// pictures are the hashes of the coded pictures of a file.
func pictures(t *testing.T, file string) (hashes []string) {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-i", file, "-map", "0:v", "-c", "copy", "-f", "framemd5", "-").Output()
	if err != nil {
		t.Fatalf("ffmpeg %s: %v", file, err)
	}
	for _, m := range frameHash.FindAllSubmatch(out, -1) {
		hashes = append(hashes, string(m[1]))
	}
	return hashes
}

// A stream of many viewers is recorded like any other: in part from another viewer, and
// every picture of it is in the files.
func TestRecordsManyViewers(t *testing.T) {
	m := sourcetest.Start(t, true, "/live/a.flv")
	view(t, m)
	n := open(t, Options{}, CameraConfig{Name: "yard", URL: m.URL, CodeURL: m.CodeURL})
	var began int64 // pictures when the other viewer began to feed it
	until(t, "the recorder has the stream from another viewer", func() bool {
		s := status(t, n, "yard")
		if s.Swarm != nil && s.Swarm.FromPeers > 0 && began == 0 {
			began = s.Frames
		}
		return began > 0 && s.Swarm != nil && s.Swarm.PeerBytes > 50_000 && s.Frames > began+100
	})
	s := status(t, n, "yard")
	if s.Source != "1vn" || s.Path != "swarm" || s.Attempts != 1 || s.Damage != 0 || s.Swarm.SourceBytes == 0 || s.Swarm.Forged != 0 {
		t.Errorf("%+v, %+v", s, s.Swarm)
	}
	if _, err := n.Command(t.Context(), "yard", "action=user_define&cmd=ptz_left"); !isCode(err, session.NotSupported) {
		t.Errorf("a command: %v", err)
	}
	if err := n.RemoveCamera("yard"); err != nil { // its files are complete then
		t.Fatal(err)
	}
	var recorded []string
	for _, seg := range segments(t, n, "yard") {
		decodes(t, seg.Path)
		recorded = append(recorded, pictures(t, seg.Path)...)
	}
	want := pictures(t, m.File)
	if len(want) != testmedia.Frames(4) || int64(len(recorded)) < s.Frames {
		t.Fatalf("%d pictures recorded, %d received; %d in the source's file", len(recorded), s.Frames, len(want))
	}
	first := 0
	for first < len(want) && want[first] != recorded[0] {
		first++
	}
	for i, h := range recorded {
		if h != want[(first+i)%len(want)] {
			t.Fatalf("picture %d of %d is not the source's", i, len(recorded))
		}
	}
}

// A rendezvous that is away does not keep a stream of many viewers from being recorded,
// nor does the code's loss for a while.
func TestManyViewersWithoutRendezvous(t *testing.T) {
	m := sourcetest.Start(t, true, "/live/a.flv")
	away := func(context.Context) (Peers, error) {
		return nil, &session.Error{Op: "init", Code: session.ProbeFailed, Err: errors.New("no rendezvous")}
	}
	n := open(t, Options{Peers: away},
		CameraConfig{Name: "yard", URL: m.URL, Swarm: true})
	until(t, "the sealed stream is refused", func() bool { return status(t, n, "yard").Code == int(session.DecryptFailed) })
	if err := n.SetCamera(CameraConfig{Name: "yard", URL: m.URL, CodeURL: m.CodeURL}); err != nil {
		t.Fatal(err)
	}
	until(t, "it is recorded with its code", func() bool { return status(t, n, "yard").Frames > 25 })
	if s := status(t, n, "yard"); strings.Contains(s.Error, m.CodeURL) {
		t.Errorf("the code is in %q", s.Error)
	}
}

// With swarm, plain http-flv is recorded all the same.
func TestManyViewersOfPlainStream(t *testing.T) {
	cam := &fakeCamera{file: media(t), hold: true}
	mux := http.NewServeMux()
	mux.Handle("GET /", cam)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	n := open(t, Options{}, CameraConfig{Name: "gate", URL: srv.URL + "/live.flv", Swarm: true})
	until(t, "all pictures arrived", func() bool { return status(t, n, "gate").Frames == int64(testmedia.Frames(2)) })
	if s := status(t, n, "gate"); s.Path != "http" || s.Swarm != nil {
		t.Errorf("%+v", s)
	}
}

// A camera whose uploads are off takes the stream from another viewer and gives nothing.
func TestManyWithoutUpload(t *testing.T) {
	m := sourcetest.Start(t, true, "/live/a.flv")
	view(t, m)
	n := open(t, Options{}, CameraConfig{Name: "yard", URL: m.URL, CodeURL: m.CodeURL, NoUpload: true})
	until(t, "the recorder has the stream from another viewer", func() bool {
		s := status(t, n, "yard")
		return s.Swarm != nil && s.Swarm.PeerBytes > 200_000
	})
	if s := status(t, n, "yard"); s.Swarm.Upload || !s.Swarm.Download || s.Swarm.SentBytes != 0 {
		t.Errorf("%+v", s.Swarm)
	}
}
