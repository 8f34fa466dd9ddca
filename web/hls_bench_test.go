// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
	"golang.org/x/sys/unix"
)

// day is an archive with 24 hours of a camera, in files of a minute with a key picture
// each two seconds. The pictures are small: what is measured is the index.
func day(b *testing.B) *recorder.Archive {
	b.Helper()
	clock := &simulated{t: dawn}
	a := archive(b, recorder.Config{Storages: []recorder.StorageConfig{{Dir: b.TempDir(), Sync: recorder.SyncSegment}}, Now: clock.now})
	c, err := a.Camera("gate")
	if err != nil {
		b.Fatal(err)
	}
	run := c.StartRun()
	media := units(b, testmedia.FLV(b, testmedia.H264, 2, testmedia.Options{GOP: 50}))
	config, key, other := media[0], media[1], media[2]
	for i := range media {
		if u := &media[i]; u.Kind == demux.Video && u.Config {
			config, key, other = media[i], media[i+1], media[i+2]
			break
		}
	}
	write := func(u demux.Unit, at time.Duration) {
		u.DTS = at
		if err := run.Write(&u); err != nil {
			b.Fatal(err)
		}
	}
	write(config, 0)
	const pictures = 4 // a second
	for i := range 24 * 60 * 60 * pictures {
		u := other
		if i%(2*pictures) == 0 {
			u = key
		}
		write(u, time.Duration(i)*time.Second/pictures)
		clock.add(time.Second / pictures)
		if i%(60*pictures) == 0 { // no more than waits for a disk
			if err := a.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	run.Close(recorder.CauseRestart)
	if err := a.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	return a
}

// BenchmarkPlaylistOfADay is GET media.m3u8 of 24 hours, from the request to its last byte.
func BenchmarkPlaylistOfADay(b *testing.B) {
	s := start(b, Config{Recordings: day(b)})
	path := fmt.Sprintf("/hls/gate/media.m3u8?from=%d&to=%d", dawn.Unix(), dawn.Add(24*time.Hour).Unix())
	b.ResetTimer()
	var n int64
	began := processTime(b)
	for b.Loop() {
		res := s.request("GET", path, nil, nil)
		var err error
		if n, err = io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
			b.Fatal(res.Status, err)
		}
		res.Body.Close()
	}
	b.ReportMetric(float64(n), "B/playlist")
	b.ReportMetric(float64((processTime(b)-began).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// processTime is what this process, server and client, has had of the processors.
func processTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPlaybackStart is what a player asks for before it shows a picture of any
// place of ten minutes of 2 Mbit/s, whose files it never asked for before: playlist,
// init and the first piece, on loopback.
func BenchmarkPlaybackStart(b *testing.B) {
	takes := make([]take, 10)
	for i := range takes {
		takes[i] = take{testmedia.H264AAC, 60, testmedia.Options{Width: 1280, Height: 720, Kbits: 2000}, time.Second}
	}
	a, _, end := recorded(b, time.Minute, takes...)
	end()
	s := start(b, Config{Recordings: a})
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		s.heads = headCache{}
		at := dawn.Unix() + int64(i*7919%540)
		text := string(s.get(200, fmt.Sprintf("/hls/gate/media.m3u8?from=%d&to=%d", at, at+3600)))
		_, rest, _ := strings.Cut(text, `URI="`)
		init, rest, _ := strings.Cut(rest, `"`)
		_, rest, _ = strings.Cut(rest, "#EXTINF:")
		_, rest, _ = strings.Cut(rest, "\n")
		piece, _, _ := strings.Cut(rest, "\n")
		s.get(200, "/hls/gate/"+init)
		s.get(200, "/hls/gate/"+piece)
	}
}

// BenchmarkSpansOfADay is a camera's timeline of a day out of the archive's.
func BenchmarkSpansOfADay(b *testing.B) {
	s := start(b, Config{Recordings: day(b)})
	path := fmt.Sprintf("/api/v1/cameras/gate/recordings?from=%d&to=%d", dawn.Unix(), dawn.Add(24*time.Hour).Unix())
	b.ResetTimer()
	for b.Loop() {
		s.get(200, path)
	}
}
