// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// feedUntil waits until the device has read what a test fed.
func feedUntil(d *Device, frames uint64) {
	for s, _ := d.Stats(0); s.Frames < frames; s, _ = d.Stats(0) {
		time.Sleep(time.Millisecond)
	}
}

func TestLiveAudio(t *testing.T) {
	aac := func(u demux.Unit) []byte {
		u.Kind, u.Codec = demux.Audio, demux.AAC
		b, err := flv.AppendUnit(nil, &u, flv.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	f := newFeed()
	d, srv := start(t, Config{Channels: []Channel{{Source: f}}})
	w := <-f.w
	w.Write(header())
	w.Write(aac(demux.Unit{Config: true, Data: []byte{0x12, 0x10}}))
	for i := range 12 {
		w.Write(frame(i, 100, i == 0))
	}
	feedUntil(d, 12)
	res, err := http.Get(srv.URL + "/ipc.flv?action=live-audio")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	go func() {
		for i := range 3 {
			w.Write(frame(12+i, 100, i == 1))
			w.Write(aac(demux.Unit{Key: true, DTS: time.Duration(12+i) * 40 * time.Millisecond, Data: []byte{byte(i), 1, 2}}))
		}
		w.Close()
	}()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || b[4] != 4 {
		t.Fatalf("%d, flags %x, %v", res.StatusCode, b[4], err)
	}
	media, configs := units(t, strings.NewReader(string(b)), 3)
	if len(configs) != 1 || configs[0].Codec != demux.AAC {
		t.Errorf("configurations %+v", configs)
	}
	for i, u := range media {
		if u.Kind != demux.Audio || u.Data[0] != byte(i) || u.DTS != time.Duration(i)*40*time.Millisecond {
			t.Errorf("unit %d: %+v", i, u)
		}
	}
}

// A source without sound: live-audio is refused when that is certain.
func TestLiveAudioWithoutSound(t *testing.T) {
	f := newFeed()
	d, _ := start(t, Config{Channels: []Channel{{Source: f}}})
	w := <-f.w
	w.Write(header())
	w.Write(frame(0, 100, true))
	feedUntil(d, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	rec := httptest.NewRecorder()
	d.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, "GET", "/ipc.flv?action=live-audio", nil))
	if rec.Code != 406 || !strings.Contains(rec.Body.String(), "no sound") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	w.Close()
}

// asked is a feed whose encoder can be asked for key frames.
type asked struct {
	*feed
	times atomic.Int32
}

func (a *asked) RequestKeyFrame() { a.times.Add(1) }

// A viewer that cannot begin with what is kept has a key frame asked for, and so has
// one that asks for it; not twice within a moment.
func TestKeyFrameRequests(t *testing.T) {
	f := &asked{feed: newFeed()}
	d, srv := start(t, Config{Channels: []Channel{{Source: f}}})
	w := <-f.w
	w.Write(header())
	w.Write(frame(0, 100, false))
	feedUntil(d, 1)
	h := d.all()[0].hub
	join := func() {
		t.Helper()
		v, err := h.join(t.Context(), everything, h.marks, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.leave(v)
	}
	join()
	join()
	if n := f.times.Load(); n != 1 {
		t.Errorf("without a key frame: asked %d times", n)
	}
	later := func(d time.Duration) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.askedAt, h.keyAt = h.askedAt.Add(-d), h.keyAt.Add(-d)
	}
	w.Write(frame(1, 100, true))
	feedUntil(d, 2)
	later(keyApart)
	h.mu.Lock()
	h.keyAt = time.Now()
	h.mu.Unlock()
	join()
	if n := f.times.Load(); n != 1 {
		t.Errorf("with a fresh one: asked %d times", n)
	}
	later(time.Hour)
	join()
	if n := f.times.Load(); n != 2 {
		t.Errorf("with an old one: asked %d times", n)
	}
	later(keyApart)
	if status, b := inner(t, srv.URL, "cmd=force_key_frame&channel=0"); status != 200 || b != `{"status":"0"}` || f.times.Load() != 3 {
		t.Errorf("by command: %d %s, asked %d times", status, b, f.times.Load())
	}
	w.Close()
}

// jpegs is a source and an archive of JPEG pictures.
type jpegs struct {
	*feed
	*memArchive
}

func (jpegs) OpenMJPEG(context.Context) (io.ReadCloser, string, error) {
	return io.NopCloser(strings.NewReader("live pictures")), "multipart/x-mixed-replace", nil
}

func (jpegs) PlayMJPEG(_ context.Context, from, to time.Time) (io.ReadCloser, string, error) {
	return io.NopCloser(strings.NewReader(fmt.Sprintf("pictures of %v", to.Sub(from)))), "multipart/x-mixed-replace", nil
}

func TestMJPEGPassesThrough(t *testing.T) {
	j := jpegs{newFeed(), recordings()}
	_, srv := start(t, Config{Channels: []Channel{{Source: j, Archive: j}}})
	for path, want := range map[string]string{
		"/ipc.flv?action=live-mjpg":                        "live pictures",
		"/ipc.flv?action=playback-mjpg&" + interval(0, 60): "pictures of 1m0s",
	} {
		if status, b := ask(t, "GET", srv.URL+path, ""); status != 200 || b != want {
			t.Errorf("%s: %d %s", path, status, b)
		}
	}
}

// A tap gets every frame, is no viewer, and ends with its source or by Close.
func TestTap(t *testing.T) {
	f := newFeed()
	d, _ := start(t, Config{Channels: []Channel{{Source: f}}, MaxViewers: 1})
	w := <-f.w
	w.Write(header())
	w.Write(frame(0, 1000, true))
	tapped, err := d.Tap(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if d.Viewers() != 0 {
		t.Errorf("%d viewers", d.Viewers())
	}
	for i := 1; i < 200; i++ {
		w.Write(frame(i, 10_000, i%10 == 0))
	}
	w.Close()
	media, _ := units(t, tapped, 200)
	for i, u := range media {
		if u.DTS != time.Duration(i)*40*time.Millisecond {
			t.Fatalf("frame %d at %v", i, u.DTS)
		}
	}
	if n, err := tapped.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("at the source's end: %d, %v", n, err)
	}
	tapped.Close()
	w = <-f.w
	w.Write(header())
	w.Write(frame(0, 100, true))
	if tapped, err = d.Tap(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() {
		io.Copy(io.Discard, tapped)
		close(closed)
	}()
	tapped.Close()
	<-closed
	if _, err := d.Tap(t.Context(), 5); err == nil {
		t.Error("a channel that is not there")
	}
	w.Close()
}

// A source that is opened on demand is closed when nobody watched for a while, and
// opened again for the next viewer.
func TestOnDemand(t *testing.T) {
	f := newFeed()
	_, srv := start(t, Config{linger: time.Millisecond, Channels: []Channel{{Source: f, OnDemand: true, Online: func() bool { return true }}}})
	opens := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.opens
	}
	if res, err := http.Get(srv.URL + "/command?action=inner_define&cmd=get_nvr_list"); err != nil {
		t.Fatal(err)
	} else {
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if !strings.Contains(string(b), `"Online":"1"`) {
			t.Errorf("%s", b)
		}
	}
	if n := opens(); n != 0 {
		t.Fatalf("opened %d times, and nobody watches", n)
	}
	for round := 1; round <= 2; round++ {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			w := <-f.w
			w.Write(header())
			for i := 0; ; i++ { // until the hub closes its end
				if _, err := w.Write(frame(i, 100, i%5 == 0)); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		res, err := http.Get(srv.URL + "/ipc.flv?action=live&channel=0")
		if err != nil {
			t.Fatal(err)
		}
		if media, _ := units(t, res.Body, 20); !media[0].Key {
			t.Error("it does not begin with a key frame")
		}
		res.Body.Close()
		<-closed
		if n := opens(); n != round {
			t.Errorf("opened %d times for %d viewers one after the other", n, round)
		}
	}
}
