// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// units reads a whole FLV file; the units' data is copied.
func units(t testing.TB, file string) []demux.Unit {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := readAll(flv.NewReader(f, flv.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// readAll copies the units of a stream up to its end.
func readAll(r *flv.Reader) (list []demux.Unit, err error) {
	for {
		var tag flv.Tag
		var u demux.Unit
		if err := r.Next(&tag, &u); err == io.EOF {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		u.Data = append([]byte(nil), u.Data...)
		list = append(list, u)
	}
}

func media(t testing.TB, kind testmedia.Kind, seconds int, o testmedia.Options) []demux.Unit {
	return units(t, testmedia.FLV(t, kind, seconds, o))
}

// simulated is a clock that tests move.
type simulated struct {
	mu     sync.Mutex
	t      time.Time
	passed time.Duration // on a clock that is never set
}

func newSimulated() *simulated {
	return &simulated{t: time.Date(2026, 11, 24, 17, 5, 3, 123e6, time.UTC)}
}

func (s *simulated) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.t
}

func (s *simulated) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t = s.t.Add(d)
	s.passed += d
}

// set steps the clock, while no time passes.
func (s *simulated) set(step time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t = s.t.Add(step)
}

// elapsed is for Config.
func (s *simulated) elapsed(time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passed
}

// play writes units as if they arrived when their timestamps say.
func play(t testing.TB, r *Run, clock *simulated, list []demux.Unit) {
	t.Helper()
	last := list[0].DTS
	for i := range list {
		if d := list[i].DTS - last; d > 0 {
			clock.add(d)
			last = list[i].DTS
		}
		if err := r.Write(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
}

// shifted is a copy of list, d later.
func shifted(list []demux.Unit, d time.Duration) []demux.Unit {
	out := append([]demux.Unit(nil), list...)
	for i := range out {
		out[i].DTS += d
	}
	return out
}

func openArchive(t testing.TB, cfg Config) *Archive {
	t.Helper()
	a, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func camera(t testing.TB, a *Archive, name string) *CameraRecorder {
	t.Helper()
	c, err := a.Camera(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func flush(t testing.TB, a *Archive) {
	t.Helper()
	if err := a.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func list(t testing.TB, a *Archive, camera string) []Segment {
	t.Helper()
	l, err := a.List(context.Background(), camera, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func gaps(t testing.TB, a *Archive, camera string) []Gap {
	t.Helper()
	l, err := a.Gaps(context.Background(), camera, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// tool finds a program of ffmpeg or fails with what to install.
func tool(t testing.TB, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install -y ffmpeg", name)
	}
	return p
}

// probed is what ffprobe says of a stream of a file.
type probed struct {
	Type    string `json:"codec_type"`
	Codec   string `json:"codec_name"`
	Tag     string `json:"codec_tag_string"`
	Start   string `json:"start_time"`
	Packets string `json:"nb_read_packets"`
	Width   int    `json:"width"`
}

func (p probed) packets() int { n, _ := strconv.Atoi(p.Packets); return n }

func probe(t testing.TB, file string) []probed {
	t.Helper()
	out, err := exec.Command(tool(t, "ffprobe"), "-v", "error", "-count_packets", "-show_streams", "-of", "json", file).CombinedOutput()
	var v struct{ Streams []probed }
	if err != nil || json.Unmarshal(out, &v) != nil {
		t.Fatalf("ffprobe %s: %v\n%s", file, err, out)
	}
	return v.Streams
}

// decodes fails unless ffmpeg decodes every file without a word.
func decodes(t testing.TB, files ...string) {
	t.Helper()
	for _, f := range files {
		out, err := exec.Command(tool(t, "ffmpeg"), "-v", "error", "-xerror", "-i", f, "-f", "null", "-").CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("ffmpeg %s: %v\n%s", f, err, out)
		}
	}
}

// packets lists DTS and duration of a stream's packets in seconds, as ffprobe sees them.
func packets(t testing.TB, file, stream string) (dts, duration []float64) {
	t.Helper()
	out, err := exec.Command(tool(t, "ffprobe"), "-v", "error", "-select_streams", stream, "-show_entries", "packet=dts_time,duration_time", "-of", "csv=p=0", file).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", file, err)
	}
	for _, line := range strings.Fields(string(out)) {
		f := strings.Split(strings.TrimRight(line, ","), ",")
		d, _ := strconv.ParseFloat(f[0], 64)
		n, _ := strconv.ParseFloat(f[1], 64)
		dts, duration = append(dts, d), append(duration, n)
	}
	return dts, duration
}

// decodesIrregular is the same for pictures at irregular times, which ffmpeg's
// null muxer by itself would put onto a regular grid, twice on the same place.
func decodesIrregular(t testing.TB, file string) {
	t.Helper()
	out, err := exec.Command(tool(t, "ffmpeg"), "-v", "error", "-xerror", "-i", file, "-vsync", "passthrough", "-enc_time_base", "-1", "-f", "null", "-").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("ffmpeg %s: %v\n%s", file, err, out)
	}
}

// explained checks that segments and gaps cover [from, to) of a camera and that no
// gap overlaps anything. Segments may: what a camera sends again is kept again.
func explained(t testing.TB, a *Archive, camera string, from, to time.Time) {
	t.Helper()
	covers(t, a, camera, from, to)
	apart(t, a, camera)
}

// covers is the half of explained that holds when the host's clock is set back, too:
// then there are hours twice.
func covers(t testing.TB, a *Archive, camera string, from, to time.Time) {
	t.Helper()
	type interval struct {
		from, to time.Time
		what     string
	}
	var all []interval
	for _, s := range list(t, a, camera) {
		all = append(all, interval{s.Start, s.End, filepath.Base(s.Path)})
	}
	for _, g := range gaps(t, a, camera) {
		if g.To.IsZero() {
			g.To = to
		}
		if !g.Cause.Valid() {
			t.Errorf("gap of cause %q", g.Cause)
		}
		all = append(all, interval{g.From, g.To, string(g.Cause)})
	}
	text := ""
	for i := range all {
		for j := i + 1; j < len(all); j++ {
			if all[j].from.Before(all[i].from) {
				all[i], all[j] = all[j], all[i]
			}
		}
		text += fmt.Sprintf("  %s - %s %s\n", all[i].from.UTC().Format("15:04:05.000"), all[i].to.UTC().Format("15:04:05.000"), all[i].what)
	}
	at := from
	for _, x := range all {
		if x.from.After(at) {
			t.Errorf("%s begins at %v, before it everything is explained up to %v\n%s", x.what, x.from.UTC(), at.UTC(), text)
			return
		}
		if x.to.After(at) {
			at = x.to
		}
	}
	if at.Before(to) {
		t.Errorf("explained up to %v, wanted up to %v\n%s", at.UTC(), to.UTC(), text)
	}
}

// apart checks that no gap of a camera overlaps a segment or another gap.
func apart(t testing.TB, a *Archive, camera string) {
	t.Helper()
	all := gaps(t, a, camera)
	for i, g := range all {
		if i > 0 && g.From.Before(all[i-1].To) {
			t.Errorf("gaps %+v and %+v overlap", all[i-1], g)
		}
		for _, s := range list(t, a, camera) {
			if g.From.Before(s.End) && (g.To.IsZero() || s.Start.Before(g.To)) {
				t.Errorf("%s, %v to %v, is in the gap %v to %v (%s)", s.Path, s.Start.UTC(), s.End.UTC(), g.From.UTC(), g.To.UTC(), g.Cause)
			}
		}
	}
}
