// SPDX-License-Identifier: LGPL-2.1-or-later

package shelf

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.init.0.func1"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/pse.ProcUsage"),
	)
}

// clock is one that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// recording is an archive of one camera whose units arrive when they say.
type recording struct {
	t       testing.TB
	archive *recorder.Archive
	camera  *recorder.CameraRecorder
	clock   *clock
	shelf   *Shelf
}

func newRecording(t testing.TB, segment time.Duration) *recording {
	t.Helper()
	r := &recording{t: t, clock: &clock{t: time.Date(2026, 11, 24, 17, 5, 3, 123e6, time.UTC)}}
	var err error
	r.archive, err = recorder.Open(recorder.Config{
		Storages: []recorder.StorageConfig{{Dir: t.TempDir(), Segment: segment}}, Now: r.clock.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.archive.Close() })
	if r.camera, err = r.archive.Camera("cam"); err != nil {
		t.Fatal(err)
	}
	r.shelf = New(r.archive, "cam")
	return r
}

// write records units as if they arrived when their times say, and gives the
// wall-clock time of the first.
func (r *recording) write(run *recorder.Run, list []demux.Unit) (began time.Time) {
	r.t.Helper()
	last := list[0].DTS
	began = r.clock.now()
	for i := range list {
		if d := list[i].DTS - last; d > 0 {
			r.clock.add(d)
			last = list[i].DTS
		}
		if err := run.Write(&list[i]); err != nil {
			r.t.Fatal(err)
		}
	}
	return began
}

func (r *recording) flush() {
	r.t.Helper()
	if err := r.archive.Flush(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *recording) segments() []recorder.Segment {
	r.t.Helper()
	l, err := r.archive.List(context.Background(), "cam", time.Time{}, time.Time{})
	if err != nil {
		r.t.Fatal(err)
	}
	return l
}

// media reads a file of testmedia; the units' data is copied.
func media(t testing.TB, kind testmedia.Kind, seconds int, o testmedia.Options) (list []demux.Unit) {
	t.Helper()
	f, err := os.Open(testmedia.FLV(t, kind, seconds, o))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := flv.NewReader(f, flv.Options{Strict: true})
	for {
		var tag flv.Tag
		var u demux.Unit
		if err := r.Next(&tag, &u); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		u.Data = bytes.Clone(u.Data)
		list = append(list, u)
	}
}

// of are the media units of a kind.
func of(kind demux.Kind, list []demux.Unit) (l []demux.Unit) {
	for _, u := range list {
		if u.Kind == kind && !u.Config && !u.EndOfSequence && len(u.Data) > 0 {
			l = append(l, u)
		}
	}
	return l
}

// play copies the frames of a cursor up to its end.
func play(t testing.TB, s *Shelf, at time.Time, keysOnly bool) []device.Frame {
	t.Helper()
	c, err := s.Play(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.KeysOnly(keysOnly)
	return rest(t, c)
}

func rest(t testing.TB, c device.Cursor) (list []device.Frame) {
	t.Helper()
	for {
		var f device.Frame
		err := c.Next(t.Context(), &f)
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Data = bytes.Clone(f.Data)
		list = append(list, f)
	}
}

// units are the media of a kind among frames, with where they were.
func units(kind demux.Kind, frames []device.Frame) (l []device.Frame) {
	for _, f := range frames {
		if f.Kind == kind && !f.Config {
			l = append(l, f)
		}
	}
	return l
}
