// SPDX-License-Identifier: LGPL-2.1-or-later

package shelf

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
)

// pipeSource is a source that a test writes to.
type pipeSource chan *io.PipeWriter

func (s pipeSource) Open(context.Context) (io.ReadCloser, error) {
	r, w := io.Pipe()
	s <- w
	return r, nil
}

// camera is a device that records its only channel, and a server for it.
type camera struct {
	device  *device.Device
	archive *recorder.Archive
	source  pipeSource
	url     string
}

func newCamera(t *testing.T) *camera {
	t.Helper()
	c := &camera{source: make(pipeSource, 4)}
	var err error
	c.archive, err = recorder.Open(recorder.Config{Storages: []recorder.StorageConfig{{Dir: t.TempDir(), Segment: 2 * time.Second}}})
	if err != nil {
		t.Fatal(err)
	}
	c.device, err = device.New(device.Config{Product: "P", Name: "D", Channels: []device.Channel{
		{Name: "cam", Source: c.source, Archive: New(c.archive, "cam")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := c.archive.Camera("cam")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); Record(ctx, c.device, 0, rec, slog.New(slog.DiscardHandler)) }()
	srv := httptest.NewServer(c.device)
	c.url = srv.URL
	t.Cleanup(func() {
		cancel()
		<-done
		c.device.Close()
		srv.CloseClientConnections()
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
		if err := c.archive.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *camera) get(t *testing.T, path string, into any) {
	t.Helper()
	res, err := http.Get(c.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: %d %s %v", path, res.StatusCode, b, err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
}

// A camera records what its source sends in real time; the lists name it, playback
// gives its pictures back as they were, and its files download whole.
func TestCameraRecordsAndPlaysBack(t *testing.T) {
	const seconds = 6
	file := testmedia.FLV(t, testmedia.H264AAC, seconds, testmedia.Options{GOP: 25})
	pictures := of(demux.Video, media(t, testmedia.H264AAC, seconds, testmedia.Options{GOP: 25}))
	c := newCamera(t)
	w := <-c.source
	began := time.Now()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// In real time, as a camera does: times of arrival are what the recorder goes by.
	w.Write(flv.AppendHeader(nil, true, true))
	r := flv.NewReader(f, flv.Options{Strict: true})
	for {
		var tag flv.Tag
		var u demux.Unit
		if err := r.Next(&tag, &u); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(began.Add(u.DTS)))
		w.Write(tag.Raw)
	}
	w.Close()
	<-c.source // the device opens its source again: all of the first one was read
	// The run is closed and committed when the ledger has the gap behind it.
	for {
		gaps, err := c.archive.Gaps(t.Context(), "cam", time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(gaps); n > 0 && gaps[n-1].From.After(began.Add(seconds*time.Second/2)) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	interval := fmt.Sprintf("start_time=%d&end_time=%d", began.Unix()-1, began.Unix()+60)

	var index struct {
		List []struct {
			Type       int
			Start, End string
		} `json:"video_list"`
	}
	c.get(t, "/command?action=inner_define&cmd=get_record_index&channel=0&"+interval, &index)
	if len(index.List) != 1 {
		t.Errorf("index %+v", index)
	}
	var files struct {
		List []struct {
			Name string `json:"file_name"`
			Size string `json:"file_size"`
		} `json:"file_list"`
	}
	c.get(t, "/command?action=inner_define&cmd=get_file_list&channel=0&"+interval, &files)
	segs, err := c.archive.List(t.Context(), "cam", time.Time{}, time.Time{})
	if err != nil || len(segs) != len(files.List) || len(segs) < 2 {
		t.Fatalf("%d segments, %d files, %v", len(segs), len(files.List), err)
	}
	for i, f := range files.List {
		want, err := os.ReadFile(segs[i].Path)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Get(c.url + "/ipc.flv?action=download&channel=0&offset=1000&file_name=" + f.Name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || !bytes.Equal(got, want[1000:]) || f.Size != res.Header.Get("X-Xp2p-Size") || filepath.Base(f.Name) != f.Name {
			t.Errorf("%s: %d, %d bytes of %d", f.Name, res.StatusCode, len(got), len(want)-1000)
		}
	}
	var month struct {
		List string `json:"video_list"`
	}
	c.get(t, "/command?action=inner_define&cmd=get_month_record&channel=0&time="+began.Format("200601"), &month)
	if month.List == "0" {
		t.Error("the month has no day")
	}

	res, err := http.Get(c.url + "/ipc.flv?action=playback&channel=0&" + interval)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatalf("playback: %d", res.StatusCode)
	}
	pr := flv.NewReader(res.Body, flv.Options{Strict: true})
	var got []demux.Unit
	positions := 0
	for {
		var tag flv.Tag
		var u demux.Unit
		if err := pr.Next(&tag, &u); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if u.Kind == demux.Data {
			if _, err := flv.ParsePosition(u.Data); err != nil {
				t.Error(err)
			}
			positions++
		}
		if u.Kind == demux.Video && !u.Config {
			u.Data = bytes.Clone(u.Data)
			got = append(got, u)
		}
	}
	if positions != 1 || len(got) != len(pictures) {
		t.Fatalf("%d stretches with %d pictures, want one with %d", positions, len(got), len(pictures))
	}
	for i, g := range got {
		want := pictures[i]
		if d := g.DTS - got[0].DTS - (want.DTS - pictures[0].DTS); !bytes.Equal(g.Data, want.Data) || g.Key != want.Key || g.CTS != want.CTS || d > time.Millisecond || d < -time.Millisecond {
			t.Fatalf("picture %d at %v is another one, or %v off", i, g.DTS, d)
		}
	}
}
