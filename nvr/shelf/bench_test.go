// SPDX-License-Identifier: LGPL-2.1-or-later

package shelf

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/rendezvous/server"
	"github.com/xp2p/xp2p/session"
)

// report gives the percentiles of what was measured, in ms.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for _, p := range []int{50, 95, 99} {
		b.ReportMetric(float64(took[len(took)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
	}
}

// tenMinutes records ten minutes of 2 Mbit/s video with sound and gives their start.
func tenMinutes(b *testing.B) (*recording, time.Time) {
	list := media(b, testmedia.H264AAC, 20, testmedia.Options{Width: 1280, Height: 720, Kbits: 2000})
	r := newRecording(b, time.Minute)
	run := r.camera.StartRun()
	var began time.Time
	for i := range 30 {
		next := slices.Clone(list)
		for k := range next {
			next[k].DTS += time.Duration(i) * 20 * time.Second
		}
		for k := 0; k < len(next); k += 100 { // no faster than the disk: the recorder drops what waits too long
			if at := r.write(run, next[k:min(k+100, len(next))]); i == 0 && k == 0 {
				began = at
			}
			if k+100 < len(next) {
				r.clock.add(next[k+100].DTS - next[k+99].DTS)
			}
			r.flush()
		}
		r.clock.add(40 * time.Millisecond)
	}
	run.Close(recorder.CauseCamera)
	r.flush()
	return r, began
}

// BenchmarkPlay is opening the recordings at any place up to the first key picture.
func BenchmarkPlay(b *testing.B) {
	r, began := tenMinutes(b)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		at := began.Add(time.Duration(i*7919%600) * time.Second)
		start := time.Now()
		c, err := r.shelf.Play(context.Background(), at)
		if err != nil {
			b.Fatal(err)
		}
		for f := (device.Frame{}); f.Config || f.Kind != demux.Video; {
			if err := c.Next(context.Background(), &f); err != nil {
				b.Fatal(err)
			}
		}
		took = append(took, time.Since(start))
		c.Close()
	}
	report(b, took)
}

// BenchmarkRead is reading ten minutes of 2 Mbit/s from one end to the other.
func BenchmarkRead(b *testing.B) {
	r, began := tenMinutes(b)
	b.ReportAllocs()
	for b.Loop() {
		c, err := r.shelf.Play(context.Background(), began)
		if err != nil {
			b.Fatal(err)
		}
		var bytes int64
		for {
			var f device.Frame
			err := c.Next(context.Background(), &f)
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			bytes += int64(len(f.Data))
		}
		c.Close()
		b.SetBytes(bytes)
	}
}

// silent is a source that gives nothing.
type silent struct{}

func (silent) Open(context.Context) (io.ReadCloser, error) {
	r, _ := io.Pipe()
	return r, nil
}

// linked is a service of a device with that archive, over a link on loopback.
func linked(b *testing.B, a device.Archive) *session.Service {
	b.Helper()
	rv, err := server.Start(b.Context(), server.Config{Listen: "127.0.0.1:0", State: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { rv.Close() })
	d, err := device.New(device.Config{Product: "P", Name: "cam", Channels: []device.Channel{{Name: "cam", Source: silent{}, Archive: a}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	s, err := device.NewServer(d, device.ServeConfig{Rendezvous: rv.URL(), App: rv.App(), KeyFile: filepath.Join(b.TempDir(), "key.pem")})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	b.Cleanup(func() { cancel(); <-done })
	<-ready
	info, err := s.Issue(grant.AllRights, time.Time{}, "")
	if err != nil {
		b.Fatal(err)
	}
	m, err := session.Init(b.Context(), session.Config{App: rv.App(), Rendezvous: rv.URL()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	svc, err := m.StartService(b.Context(), "one", session.StreamInfo{XP2PInfo: info})
	if err != nil {
		b.Fatal(err)
	}
	return svc
}

// BenchmarkPlaybackSeek is a seek over a real link on loopback: from sending
// playback_seek to having the first key picture of the place that was sought.
func BenchmarkPlaybackSeek(b *testing.B) {
	r, began := tenMinutes(b)
	svc := linked(b, r.shelf)
	st, err := svc.StartStream(b.Context(), session.StreamRequest{
		Params: fmt.Sprintf("action=playback&channel=0&start_time=%d&end_time=%d", began.Unix(), began.Unix()+600),
	})
	if err != nil {
		b.Fatal(err)
	}
	stream := flv.NewReader(st, flv.Options{Strict: true})
	var took []time.Duration
	for i := 1; b.Loop(); i++ {
		target := began.Unix() + 2 + int64(i*7919%590)
		start := time.Now()
		res, err := svc.SendCommand(b.Context(), fmt.Sprintf("action=inner_define&cmd=playback_seek&channel=0&time=%d", target))
		if err != nil || res.Type != session.CommandSuccess {
			b.Fatalf("%+v, %v", res, err)
		}
		if err := keyPictureOf(stream, time.Unix(target, 0)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	report(b, took)
}

// inMemory is an archive whose only file is in memory: what the link carries without
// any disk behind it.
type inMemory struct {
	*Shelf
	file []byte
}

type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

func (m inMemory) OpenFile(context.Context, string) (device.File, error) {
	return memoryFile{bytes.NewReader(m.file)}, nil
}

// BenchmarkDownload is the download of a minute of 2 Mbit/s over a real link, from the
// disk and, to compare, from memory.
func BenchmarkDownload(b *testing.B) {
	r, began := tenMinutes(b)
	files, err := r.shelf.Recordings(b.Context(), began.Add(2*time.Minute), began.Add(3*time.Minute), 1)
	if err != nil || len(files) != 1 {
		b.Fatalf("%+v, %v", files, err)
	}
	for name, a := range map[string]device.Archive{"disk": r.shelf, "memory": inMemory{r.shelf, make([]byte, files[0].Size)}} {
		b.Run(name, func(b *testing.B) {
			client := &http.Client{Transport: linked(b, a)}
			b.SetBytes(files[0].Size)
			for b.Loop() {
				res, err := client.Get("https://camera/ipc.flv?action=download&channel=0&file_name=" + files[0].Name)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if err != nil || n != files[0].Size {
					b.Fatalf("%d bytes of %d, %v", n, files[0].Size, err)
				}
			}
		})
	}
}

// keyPictureOf reads up to the first key picture of the stretch that begins at most
// one group of pictures before at.
func keyPictureOf(stream *flv.Reader, at time.Time) error {
	there := false
	for {
		var tag flv.Tag
		var u demux.Unit
		if err := stream.Next(&tag, &u); err != nil {
			return err
		}
		switch {
		case u.Kind == demux.Data:
			p, err := flv.ParsePosition(u.Data)
			if err != nil {
				return err
			}
			d := at.Sub(p.Time)
			there = d >= 0 && d <= 2100*time.Millisecond
		case there && u.Kind == demux.Video && u.Key && !u.Config:
			return nil
		}
	}
}
