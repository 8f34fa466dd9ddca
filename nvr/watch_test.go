// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/session"
)

// Those who watch have the stream that is recorded: the camera is asked once.
func TestWatch(t *testing.T) {
	cam := &fakeCamera{file: testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25}), pace: true}
	n := open(t, Options{Timing: Timing{Tick: 10 * time.Millisecond, RetryFirst: time.Minute, RetryMost: time.Minute}},
		CameraConfig{Name: "gate", URL: cam.serve(t)})
	done := make(chan int, 3)
	for range cap(done) {
		stream, err := n.Watch(t.Context(), "gate")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			pictures := 0
			defer func() {
				stream.Close()
				done <- pictures
			}()
			r := flv.NewReader(stream, flv.Options{})
			for {
				var tag flv.Tag
				var u demux.Unit
				if err := r.Next(&tag, &u); err != nil {
					if err != io.EOF {
						t.Error(err)
					}
					return
				}
				if u.Kind == demux.Video && !u.Config && !u.EndOfSequence {
					if pictures == 0 && !u.Key {
						t.Error("it begins without a key frame")
					}
					pictures++
				}
			}
		}()
	}
	for range cap(done) {
		// The first second may be over before there is somebody who watches.
		if got := <-done; got < testmedia.Frames(2) || got > testmedia.Frames(4) {
			t.Errorf("%d pictures of %d", got, testmedia.Frames(4))
		}
	}
	if got := cam.opened.Load(); got != 1 {
		t.Errorf("the camera was asked %d times", got)
	}
	gate, err := n.find("test", "gate")
	if err != nil {
		t.Fatal(err)
	}
	if n.pacer.watchers != 0 || gate.live.Readers() != 0 || status(t, n, "gate").Watchers != 0 {
		t.Errorf("%d and %d watchers and %d readers are left", n.pacer.watchers, status(t, n, "gate").Watchers, gate.live.Readers())
	}
}

func TestWatchWithoutPicture(t *testing.T) {
	n := open(t, Options{}, CameraConfig{Name: "gate", URL: (&fakeCamera{status: 404}).serve(t)})
	if _, err := n.Watch(t.Context(), "nobody"); !isCode(err, session.NoService) {
		t.Errorf("an unknown camera: %v", err)
	}
	until(t, "an attempt failed", func() bool { return status(t, n, "gate").Error != "" })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := n.Watch(ctx, "gate")
	if !isCode(err, session.StreamFailed) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "404") {
		t.Errorf("a camera that refuses: %v", err)
	}
	ended := make(chan error)
	go func() {
		_, err := n.Watch(context.Background(), "gate")
		ended <- err
	}()
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("when the recorder ends: %v", err)
	}
}

func isCode(err error, want session.Code) bool {
	code, ok := session.CodeOf(err)
	return ok && code == want
}
