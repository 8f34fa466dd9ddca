// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
)

// The media of a playlist is one clock: each segment's pictures begin where the
// playlist says, each part where the one before it ended, across files and gaps.
func TestHLSClock(t *testing.T) {
	for _, kind := range []testmedia.Kind{testmedia.H264AAC, testmedia.H265Enhanced, testmedia.H264ALaw, testmedia.AAC} {
		t.Run(string(kind), func(t *testing.T) {
			o := testmedia.Options{GOP: 25, BFrames: 2}
			a, _, end := recorded(t, 5*time.Second, take{kind, 12, o, 20 * time.Second}, take{kind, 6, o, 0})
			end()
			s := start(t, Config{Recordings: a})
			p := s.playlist(between(-10, 60))
			breaks, inits := 0, map[string]bool{}
			at := 0.0
			var next uint64
			for i, seg := range p.segments {
				if seg.broken {
					breaks++
				}
				inits[seg.init] = true
				init := s.get(200, "/hls/gate/"+seg.init)
				body := s.get(200, "/hls/gate/"+seg.uri)
				file := bytes.NewReader(append(init, body...))
				head, err := fmp4.ReadInit(file, file.Size())
				if err != nil {
					t.Fatal(err)
				}
				track := head.Tracks[0]
				if want := map[bool]int{true: 2, false: 1}[kind != testmedia.AAC]; len(head.Tracks) != want {
					t.Errorf("tracks: %+v", head.Tracks)
				}
				for off := head.Size; off < file.Size(); {
					part, err := fmp4.ReadPartAt(file, off, file.Size())
					if err != nil {
						t.Fatalf("%s: %v", seg.uri, err)
					}
					if n := len(part.Runs); n > len(head.Tracks) {
						t.Errorf("%s: %d tracks in a part, %d in its init", seg.uri, n, len(head.Tracks))
					}
					r := &part.Runs[0]
					if off == head.Size {
						if !r.Samples[0].Key {
							t.Errorf("%s does not begin with a key picture", seg.uri)
						}
						got := float64(r.Base)/float64(track.Timescale()) - 10
						if math.Abs(got-at) > 0.03 {
							t.Errorf("segment %d begins at %.3f s, the playlist says %.3f", i, got, at)
						}
					}
					// Sound's frames do not end where the wall's milliseconds do.
					tolerance := int64(track.Timescale() / 30)
					if track.Video() {
						tolerance = 2
					}
					if d := int64(r.Base) - int64(next); next > 0 && (d > tolerance || d < -tolerance) {
						t.Errorf("%s: a part is %d ticks off the end of the one before it", seg.uri, d)
					}
					next = r.Base
					for _, x := range r.Samples {
						next += uint64(x.Duration)
					}
					off += part.Size
				}
				at += seg.duration
			}
			if breaks != 1 || len(inits) < 4 || math.Abs(p.length()-18) > 0.2 {
				t.Errorf("%d discontinuities, %d inits, %.3f s: %+v", breaks, len(inits), p.length(), p)
			}
			if d := p.segments[len(p.segments)-1].date; d.IsZero() && p.segments[len(p.segments)-2].date.IsZero() {
				t.Errorf("the dates stop: %+v", p.segments)
			}
		})
	}
}

// A stretch begins with the piece that has its first instant, and says where in it.
func TestHLSRange(t *testing.T) {
	a, _, end := recorded(t, time.Hour, take{testmedia.H264, 30, testmedia.Options{GOP: 25}, 0})
	end()
	s := start(t, Config{Recordings: a})
	for _, c := range []struct {
		from, to      float64
		start, length float64
	}{
		{0, 30, 0, 30},
		{10, 15, 2, 8}, // pieces of 4 s: 8 to 16
		{11.5, 12, 3.5, 4},
		{29, 90, 1, 2}, // the last one has 2 s
	} {
		p := s.playlist(between(c.from, c.to))
		if math.Abs(p.start-c.start) > 0.1 || math.Abs(p.length()-c.length) > 0.1 {
			t.Errorf("%v to %v s: starts at %v of %v s, want %v of %v", c.from, c.to, p.start, p.length(), c.start, c.length)
		}
	}
}

// While it is recorded, a playlist grows, and what it had stays.
func TestHLSGrows(t *testing.T) {
	clock := &simulated{t: time.Now().Add(-40 * time.Second)} // ends before what the server takes for now
	a := archive(t, recorder.Config{Storages: []recorder.StorageConfig{{Dir: t.TempDir(), Segment: 6 * time.Second}}, Now: clock.now})
	c, err := a.Camera("gate")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, Config{Recordings: a})
	run := c.StartRun()
	defer run.Close(recorder.CauseRestart)
	list := units(t, testmedia.FLV(t, testmedia.H264, 30, testmedia.Options{GOP: 25}))
	from := time.Now().Add(-time.Minute)
	query := fmt.Sprintf("from=%.3f", float64(from.UnixMilli())/1000)
	var before *playlist
	for i := range list {
		clock.add(time.Second / testmedia.FrameRate)
		if err := run.Write(&list[i]); err != nil {
			t.Fatal(err)
		}
		if i%200 != 199 {
			continue
		}
		if err := a.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		p := s.playlist(query)
		if p.kind != "EVENT" || p.target != liveTarget {
			t.Fatalf("%+v", p)
		}
		if before != nil {
			if len(p.segments) <= len(before.segments) {
				t.Errorf("%d segments, then %d", len(before.segments), len(p.segments))
			}
			for k, seg := range before.segments {
				if p.segments[k] != seg {
					t.Errorf("segment %d was %+v and is %+v", k, seg, p.segments[k])
				}
			}
		}
		before = p
	}
	// A stretch that is over has an end, and all that is durable of it.
	past := s.playlist(query + fmt.Sprintf("&to=%.3f", float64(time.Now().UnixMilli())/1000))
	if past.kind != "VOD" || past.length() < before.length() {
		t.Errorf("%s of %v s, it grew to %v s", past.kind, past.length(), before.length())
	}
}

func TestCut(t *testing.T) {
	wall := func(s int) time.Time { return dawn.Add(time.Duration(s) * time.Second) }
	at := func(s int) int64 { return wall(s).UnixMilli() }
	gop := func(s int, part, head int64) recorder.GOP {
		return recorder.GOP{Part: part, Key: part + head, Media: time.Duration(s) * time.Second, Wall: wall(s)}
	}
	whole := recorder.Segment{Bytes: 10_000_000, Duration: 10 * time.Second, Start: wall(0), End: wall(10)}
	open := whole
	open.Open = true
	one := piece{100, 9_999_900, 0, 10 * time.Second, at(0), at(10)}
	for _, c := range []struct {
		name string
		seg  recorder.Segment
		gops []recorder.GOP
		tail bool
		want []piece
	}{
		{"no table", whole, nil, false, nil},
		{"one key picture", whole, []recorder.GOP{gop(0, 100, 900)}, false, []piece{one}},
		{"one that is not over", open, []recorder.GOP{gop(0, 100, 900)}, false, nil},
		{"one that is listed as far as it goes", open, []recorder.GOP{gop(0, 100, 900)}, true, []piece{one}},
		{"by key pictures", whole, []recorder.GOP{gop(0, 100, 900), gop(2, 2000, 900), gop(4, 4000, 900), gop(9, 9000, 900)}, false, []piece{
			{100, 3900, 0, 4 * time.Second, at(0), at(4)}, {4000, 5000, 4 * time.Second, 5 * time.Second, at(4), at(9)},
			{9000, 9_991_000, 9 * time.Second, time.Second, at(9), at(10)}}},
		{"not in mid-part", whole, []recorder.GOP{gop(0, 100, 900), gop(4, 4000, 50_000), gop(5, 60_000, 900)}, false, []piece{
			{100, 59_900, 0, 5 * time.Second, at(0), at(5)}, {60_000, 9_940_000, 5 * time.Second, 5 * time.Second, at(5), at(10)}}},
		{"in mid-part where there is nothing else", whole, []recorder.GOP{gop(0, 100, 900), gop(4, 4000, 50_000), gop(8, 60_000, 50_000)}, false, []piece{
			{100, 59_900, 0, 8 * time.Second, at(0), at(8)}, {60_000, 9_940_000, 8 * time.Second, 2 * time.Second, at(8), at(10)}}},
		{"several in one part", whole, []recorder.GOP{gop(0, 100, 900), gop(5, 100, 900_000)}, false, []piece{one}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := cut(nil, &c.seg, c.gops, c.tail)
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestMultivariant(t *testing.T) {
	for kind, want := range map[testmedia.Kind]string{
		testmedia.H264AAC:      `CODECS="avc1.42C00C,mp4a.40.2",RESOLUTION=320x180`,
		testmedia.H264ALaw:     `CODECS="avc1.42C00C,fLaC",RESOLUTION=320x180`,
		testmedia.H264MP3:      `CODECS="avc1.42C00C",RESOLUTION=320x180`,
		testmedia.ALaw:         `CODECS="fLaC"`,
		testmedia.H265Enhanced: `CODECS="hvc1.1.6.L60.90,mp4a.40.2",RESOLUTION=320x180`,
		testmedia.AAC:          `CODECS="mp4a.40.2"`,
	} {
		a, _, end := recorded(t, time.Minute, take{kind, 4, testmedia.Options{GOP: 25}, 0})
		end()
		s := start(t, Config{Recordings: a})
		text := string(s.get(200, "/hls/gate/index.m3u8?"+between(0, 60)))
		if !strings.Contains(text, want) || !strings.Contains(text, "\nmedia.m3u8?from=") {
			t.Errorf("%s: %s\nwant %s", kind, text, want)
		}
	}
}

// tool runs a program of ffmpeg, which must keep silent.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is not installed: apt-get install -y ffmpeg", name)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Errorf("%s: %v\n%s", cmd, err, &stderr)
	}
	return string(out)
}

// ffmpeg, which has no code in common with this, plays a playlist with the token as a
// parameter, across files and a gap, finds every picture.
func TestHLSInFFmpeg(t *testing.T) {
	for _, kind := range []testmedia.Kind{testmedia.H264AAC, testmedia.H265Enhanced, testmedia.H264ALaw} {
		t.Run(string(kind), func(t *testing.T) {
			o := testmedia.Options{GOP: 25}
			a, _, end := recorded(t, 5*time.Second, take{kind, 12, o, 20 * time.Second}, take{kind, 6, o, 0})
			end()
			s := start(t, Config{Recordings: a})
			link := s.URL() + "hls/gate/index.m3u8?" + between(-10, 60) + "&token=" + s.auth.token
			var probed struct {
				Streams []struct {
					Type    string `json:"codec_type"`
					Packets string `json:"nb_read_packets"`
				}
				Format struct{ Duration string }
			}
			out := tool(t, "ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json", link)
			if err := json.Unmarshal([]byte(out), &probed); err != nil {
				t.Fatal(err)
			}
			if n := len(probed.Streams); n != 2 || probed.Streams[0].Packets != strconv.Itoa(18*testmedia.FrameRate) || !strings.HasPrefix(probed.Format.Duration, "18.0") {
				t.Errorf("%+v", probed)
			}
			tool(t, "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", link, "-f", "null", "-")
			// Behind the gap alone: nothing of the run before it is in the way.
			link = s.URL() + "hls/gate/media.m3u8?" + between(31, 60) + "&token=" + s.auth.token
			out = tool(t, "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0", link)
			if n := strings.Count(out, "\n"); n != 6*testmedia.FrameRate {
				t.Errorf("behind the gap there are %d pictures", n)
			}
		})
	}
}

// A playlist and every place of it are found whatever a URL says.
func FuzzPiece(f *testing.F) {
	f.Add("900-4000.m4s", "2026-11-24_17-05-03.120")
	f.Add("-1--1.m4s", "")
	f.Fuzz(func(t *testing.T, name, segment string) {
		if offset, length, err := parsePiece(name); err == nil && (offset < 0 || length <= 0 || length > maxPiece) {
			t.Errorf("%q: %d, %d", name, offset, length)
		}
		if at, err := parseTime(segment); err == nil && (at.Unix() < 0 || at.Unix() > maxUnix) {
			t.Errorf("%q: %v", segment, at)
		}
	})
}
