// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/fmp4"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
)

// pictures gives what it is asked to decode back, when it may.
type pictures struct {
	made, under, most atomic.Int64
	gate              chan struct{} // nil: at once
	err               error
}

func (p *pictures) JPEG(ctx context.Context, mp4 []byte, _ int) ([]byte, error) {
	p.made.Add(1)
	n := p.under.Add(1)
	defer p.under.Add(-1)
	for m := p.most.Load(); n > m && !p.most.CompareAndSwap(m, n); m = p.most.Load() {
	}
	if p.gate != nil {
		select {
		case <-p.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return mp4, p.err
}

func thumb(seconds float64, more string) string {
	return fmt.Sprintf("/api/v1/cameras/gate/thumbnail?time=%.3f%s", float64(dawn.UnixMilli())/1000+seconds, more)
}

// What is given to be decoded is the last key picture before the time, alone and whole.
func TestThumbnail(t *testing.T) {
	a, _, end := recorded(t, 5*time.Second, take{testmedia.H264AAC, 12, testmedia.Options{GOP: 25}, 0})
	end()
	p := &pictures{}
	s := start(t, Config{Recordings: a, Pictures: p})
	var wanted []byte
	for _, u := range units(t, testmedia.FLV(t, testmedia.H264AAC, 12, testmedia.Options{GOP: 25})) {
		if u.Kind == demux.Video && u.Key && !u.Config && u.DTS <= 7500*time.Millisecond {
			wanted = u.Data
		}
	}
	res := s.request("GET", thumb(7.5, ""), nil, nil)
	body := s.get(200, thumb(7.5, ""))
	file := bytes.NewReader(body)
	init, err := fmp4.ReadInit(file, file.Size())
	if err != nil || len(init.Tracks) != 1 {
		t.Fatalf("%+v, %v", init, err)
	}
	part, err := fmp4.ReadPartAt(file, init.Size, file.Size())
	if err != nil || len(part.Runs) != 1 || len(part.Runs[0].Samples) != 1 || !bytes.Equal(body[part.Runs[0].Offset:], wanted) {
		t.Errorf("%+v, %v: %d bytes, want %d", part, err, len(body), len(wanted))
	}
	if at, err := time.Parse(time.RFC3339Nano, res.Header.Get("X-Picture-Time")); err != nil || dawn.Add(7500*time.Millisecond).Sub(at) > time.Second {
		t.Errorf("its time: %v, %v", at, err)
	}
	if n := p.made.Load(); n != 1 {
		t.Errorf("%d were made for two requests", n)
	}
	s.get(200, thumb(7.6, "")) // the same key picture
	s.get(200, thumb(7.5, "&width=64"))
	if n := p.made.Load(); n != 2 {
		t.Errorf("%d were made for two sizes", n)
	}
	s.get(400, thumb(7.5, "&width=9"))
	s.get(400, "/api/v1/cameras/gate/thumbnail")
	if text := s.get(404, thumb(60, "")); !bytes.Contains(text, []byte("nothing is recorded")) {
		t.Errorf("%s", text)
	}
	p.err = errors.New("cannot be decoded")
	if text := s.get(500, thumb(1, "")); !bytes.Contains(text, []byte("cannot be decoded")) {
		t.Errorf("%s", text)
	}
}

// Many at once are made maxThumbs at a time, and a client that goes does not wait.
func TestThumbnailLimit(t *testing.T) {
	a, _, end := recorded(t, time.Minute, take{testmedia.H264, 12, testmedia.Options{GOP: 25}, 0})
	end()
	p := &pictures{gate: make(chan struct{})}
	s := start(t, Config{Recordings: a, Pictures: p})
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			r, _ := http.NewRequest("GET", s.URL()+thumb(float64(i)+0.5, "")[1:], nil)
			r.Header.Set("Authorization", "Bearer "+s.auth.token)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			if res.StatusCode != 200 {
				t.Error(res.Status)
			}
		})
	}
	until(t, "as many as may are being made", func() bool { return p.under.Load() == maxThumbs })
	close(p.gate)
	wg.Wait()
	if n := p.most.Load(); n != maxThumbs {
		t.Errorf("%d at once", n)
	}
}

// What is kept is bounded in bytes, and the one used longest ago goes.
func TestThumbnailCache(t *testing.T) {
	c := newThumbnails(nil)
	big := make([]byte, thumbCache/3)
	for _, k := range []string{"a", "b", "c"} {
		c.put(&thumbnail{k, big})
	}
	if c.get("a") == nil {
		t.Fatal("a is gone")
	}
	c.put(&thumbnail{"d", big})
	c.put(&thumbnail{"huge", make([]byte, thumbCache+1)})
	for k, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true, "huge": false} {
		if got := c.get(k) != nil; got != want {
			t.Errorf("%s is kept: %v", k, got)
		}
	}
	if c.bytes > thumbCache {
		t.Errorf("%d bytes are kept", c.bytes)
	}
}

var _ Recordings = (*recorder.Archive)(nil)
