// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// listed is a segment of a playlist as a player understands it.
type listed struct {
	uri, init string
	duration  float64
	broken    bool
	date      time.Time // zero: not said
}

// playlist is a media playlist, read as RFC 8216 says.
type playlist struct {
	target   int
	kind     string
	ended    bool
	start    float64 // EXT-X-START
	segments []listed
}

// readPlaylist reads a playlist and checks what RFC 8216 and Apple's authoring rules
// demand of every one; the numbers are the RFC's sections.
func readPlaylist(t testing.TB, text []byte) *playlist {
	t.Helper()
	p := &playlist{}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if lines[0] != "#EXTM3U" { // 4.3.1.1
		t.Fatalf("it begins with %q", lines[0])
	}
	version := 0
	var next listed
	attribute := func(s, name string) string {
		_, rest, ok := strings.Cut(s, name+"=")
		if !ok {
			t.Fatalf("%q has no %s", s, name)
		}
		v, _, _ := strings.Cut(rest, ",")
		return strings.Trim(v, `"`)
	}
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatalf("%q is no number", s)
		}
		return v
	}
	for _, l := range lines[1:] {
		if p.ended {
			t.Fatalf("%q is behind the end", l)
		}
		tag, value, _ := strings.Cut(l, ":")
		switch tag {
		case "#EXT-X-VERSION":
			version = int(number(value))
		case "#EXT-X-TARGETDURATION":
			p.target = int(number(value))
		case "#EXT-X-MEDIA-SEQUENCE":
			if len(p.segments) > 0 { // 4.3.3.2
				t.Error("the media sequence is behind a segment")
			}
		case "#EXT-X-PLAYLIST-TYPE":
			p.kind = value
		case "#EXT-X-START":
			p.start = number(attribute(value, "TIME-OFFSET"))
		case "#EXT-X-MAP":
			next.init = attribute(value, "URI")
		case "#EXT-X-DISCONTINUITY":
			next.broken = true
		case "#EXT-X-PROGRAM-DATE-TIME":
			at, err := time.Parse(time.RFC3339Nano, value)
			if err != nil {
				t.Fatal(err)
			}
			next.date = at
		case "#EXTINF":
			next.duration = number(strings.TrimSuffix(value, ","))
		case "#EXT-X-ENDLIST":
			p.ended = true
		default:
			if strings.HasPrefix(l, "#") {
				t.Fatalf("unknown tag %q", l)
			}
			next.uri = l
			p.check(t, next)
			p.segments = append(p.segments, next)
			next = listed{init: next.init}
		}
	}
	if version < 7 || p.target == 0 || len(p.segments) == 0 { // EXT-X-MAP needs 6, fMP4 in Apple's rules 7
		t.Fatalf("version %d, target %d, %d segments", version, p.target, len(p.segments))
	}
	if p.kind == "VOD" != p.ended { // 4.3.3.5
		t.Errorf("%s, and its end is there: %v", p.kind, p.ended)
	}
	return p
}

func (p *playlist) check(t testing.TB, s listed) {
	t.Helper()
	first := len(p.segments) == 0
	switch {
	case s.init == "": // 4.3.2.5: fMP4 needs a map
		t.Errorf("%s has no EXT-X-MAP", s.uri)
	case s.duration <= 0 || int(math.Round(s.duration)) > p.target: // 4.3.3.1
		t.Errorf("%s lasts %v s, the target is %d", s.uri, s.duration, p.target)
	case first && s.broken:
		t.Error("the first segment is behind a discontinuity")
	case first && s.date.IsZero(), s.broken && s.date.IsZero(): // Apple: a date behind each discontinuity
		t.Errorf("%s has no EXT-X-PROGRAM-DATE-TIME", s.uri)
	}
}

func (p *playlist) length() (sum float64) {
	for _, s := range p.segments {
		sum += s.duration
	}
	return sum
}

func (s *site) playlist(query string) *playlist {
	s.t.Helper()
	return readPlaylist(s.t, s.get(200, "/hls/gate/media.m3u8?"+query))
}

// between is the query of a stretch in seconds behind dawn.
func between(from, to float64) string {
	f := func(s float64) string { return dawn.Add(time.Duration(s * 1e9)).Format(time.RFC3339Nano) }
	return "from=" + url.QueryEscape(f(from)) + "&to=" + url.QueryEscape(f(to))
}
