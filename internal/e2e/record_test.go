// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
)

const (
	segment = 2 * time.Second
	// part is the longest stretch that is written at once: what a crash may cost.
	part = time.Second
)

// archive reads a storage that no recorder has open any more.
func (n *recording) archive() *recorder.Archive {
	n.w.t.Helper()
	a, err := recorder.Open(recorder.Config{Storages: []recorder.StorageConfig{{Dir: n.dir}}})
	if err != nil {
		n.w.t.Fatal(err)
	}
	n.w.t.Cleanup(func() { a.Close() })
	return a
}

// segments is the index of a closed archive.
func segments(t *testing.T, a *recorder.Archive, camera string) []recorder.Segment {
	t.Helper()
	l, err := a.List(context.Background(), camera, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// accepted has ffprobe and ffmpeg look at a recording; both must keep silent.
func accepted(t *testing.T, file string, m *movie) {
	t.Helper()
	name := map[demux.Codec]string{demux.H264: "h264", demux.H265: "hevc", demux.AAC: "aac", demux.ALaw: "pcm_alaw"}
	want := []string{name[m.video]}
	if m.sounds > 0 {
		want = append(want, name[m.audio])
	}
	if got := probe(t, file); !slices.Equal(got, want) {
		t.Errorf("%s: ffprobe finds %v, want %v", file, got, want)
	}
	tool(t, "ffmpeg", "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", file, "-f", "null", "-")
}

// checkRecording compares a camera's recordings with what it was fed: every file
// is accepted, an unbroken stretch of the source, and so are all of one run.
func checkRecording(t *testing.T, a *recorder.Archive, camera string, f *feed) (pictures int) {
	t.Helper()
	return newExaminer(t, f).recording(t, a, camera)
}

// examiner compares files with what their cameras were fed, each file once.
type examiner struct {
	f    *feed
	want []picture
	seen map[string]found
}

// found is what a file was found to be: so many pictures, from that one of the source.
type found struct {
	first, pictures int
	bytes           int64
	same            bool // as the source's
}

func newExaminer(t *testing.T, f *feed) *examiner {
	t.Helper()
	return &examiner{f: f, want: readFLV(t, f.file, f.of).pictures, seen: map[string]found{}}
}

// file looks at a complete file, unless it has done so.
func (e *examiner) file(t *testing.T, path string) found {
	t.Helper()
	if is, ok := e.seen[path]; ok {
		return is
	}
	m := readMP4(t, path, e.f.of)
	accepted(t, path, m)
	is := found{pictures: len(m.pictures)}
	// A file that ended with the recorder, right behind its first picture, has no sound yet.
	silent := m.sounds == 0 && len(m.pictures) <= 3
	if m.video != e.f.video || m.audio != e.f.audio && !silent || len(m.pictures) == 0 || !m.pictures[0].key {
		t.Errorf("%s: %v and %v, %d pictures", path, m.video, m.audio, len(m.pictures))
	} else {
		is.first, is.same = sameRun(t, e.want, m.pictures)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	is.bytes = st.Size()
	e.seen[path] = is
	return is
}

// recording looks at all of a camera's files, and at how they follow each other.
func (e *examiner) recording(t *testing.T, a *recorder.Archive, camera string) (pictures int) {
	t.Helper()
	var last recorder.Segment
	next := map[int64]int{} // by run: the picture of the source that goes on with it
	for _, s := range segments(t, a, camera) {
		is := e.file(t, s.Path)
		if !is.same {
			continue
		}
		if is.bytes != s.Bytes {
			t.Errorf("%s has %d bytes, the index says %d", s.Path, is.bytes, s.Bytes)
		}
		if s.Run == last.Run && !s.Start.Equal(last.End) {
			t.Errorf("%s begins at %v, the one before it in the run ends at %v", s.Path, s.Start, last.End)
		}
		if due, ok := next[s.Run]; ok && due != is.first {
			t.Errorf("%s goes on with picture %d of the source, not with %d", s.Path, is.first, due)
		}
		last, next[s.Run] = s, (is.first+is.pictures)%len(e.want)
		pictures += is.pictures
	}
	return pictures
}

// explained checks that segments and gaps leave no hole between the first and the
// last instant of a camera. They may overlap: what a camera sends again, its last
// group of pictures to a viewer that comes back, is kept again.
func explained(t *testing.T, a *recorder.Archive, camera string) {
	t.Helper()
	type interval struct{ from, to time.Time }
	var all []interval
	for _, s := range segments(t, a, camera) {
		all = append(all, interval{s.Start, s.End})
	}
	gaps, err := a.Gaps(context.Background(), camera, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gaps {
		if g.To.IsZero() {
			g.To = time.Now()
		}
		all = append(all, interval{g.From, g.To})
	}
	slices.SortFunc(all, func(a, b interval) int { return a.from.Compare(b.from) })
	for i, at := 0, all[0].from; i < len(all); i++ {
		if all[i].from.After(at) {
			t.Errorf("%s: nothing explains %v to %v: %+v %+v", camera, at, all[i].from, segments(t, a, camera), gaps)
		}
		if all[i].to.After(at) {
			at = all[i].to
		}
	}
}

// indexAgrees checks that the index and the disk have the same files.
func indexAgrees(t *testing.T, n *recording, a *recorder.Archive) {
	t.Helper()
	var indexed, found []string
	for _, s := range segments(t, a, "") {
		indexed = append(indexed, s.Path)
	}
	for _, list := range n.files() {
		found = append(found, list...)
	}
	slices.Sort(indexed)
	slices.Sort(found)
	if !slices.Equal(indexed, found) {
		t.Errorf("the index has %v\nthe disk has %v", indexed, found)
	}
}

// Whatever a camera is fed, over the link or by http-flv, the archive has each of
// its pictures unchanged, in files that any player opens.
func TestRecord(t *testing.T) {
	w := newWorld(t)
	all := feeds(t)
	inputs := map[string]string{}
	for _, f := range all {
		inputs[f.name] = f.input
	}
	cameras := w.cameras(inputs)
	var sources []source
	for _, f := range all {
		sources = append(sources, source{name: f.name, info: cameras[f.name].info})
	}
	byURL := feed{name: "by-url", file: testmedia.FLV(t, testmedia.H264AAC, originSeconds, testmedia.Options{GOP: testmedia.FrameRate}),
		of: whole, video: demux.H264, audio: demux.AAC}
	sources = append(sources, source{name: byURL.name, url: origin(t, byURL.file)})
	all = append(all, byURL)
	var names []string
	for _, s := range sources {
		names = append(names, s.name)
	}
	n := w.nvr(segment, sources...)
	status := n.awaitPictures(6*testmedia.FrameRate, names...)
	for _, f := range all {
		s, path := status[f.name], "direct"
		if f.name == byURL.name {
			path = "http"
		}
		if s.State != "live" || s.Path != path || s.Attempts != 1 || s.Damage != 0 || s.Bitrate == 0 {
			t.Errorf("%+v", s)
		}
	}
	open := n.list("")
	if len(open.Segments) < 2*len(all) {
		t.Errorf("record.list has %d segments of %d cameras", len(open.Segments), len(all))
	}
	n.stop()
	a := n.archive()
	for i := range all {
		t.Run(all[i].name, func(t *testing.T) {
			before := status[all[i].name].Frames
			// What was received before the status was asked for is recorded, save sound's and
			// pictures' last part, which the end of the recorder completes.
			if got := checkRecording(t, a, all[i].name, &all[i]); int64(got) < before {
				t.Errorf("%d pictures are recorded, %d had arrived long before the end", got, before)
			}
		})
	}
	indexAgrees(t, n, a)
}

// A recorder that is killed loses at most the part that it was filling.
func TestRecorderKilled(t *testing.T) {
	w := newWorld(t)
	short := testmedia.Options{GOP: testmedia.FrameRate}
	all := map[string]*feed{
		"peer":   {file: testmedia.FLV(t, testmedia.H264AAC, 4, short), of: whole, video: demux.H264, audio: demux.AAC},
		"by-url": {file: testmedia.FLV(t, testmedia.H264AAC, originSeconds, short), of: whole, video: demux.H264, audio: demux.AAC},
	}
	c := w.camera("peer", "flv:"+all["peer"].file)
	n := w.nvr(segment, source{name: "peer", info: c.info}, source{name: "by-url", url: origin(t, all["by-url"].file)})
	names := slices.Collect(maps.Keys(all))

	const kills = 3
	arrived := map[string]int64{}
	promised := map[string]int64{}
	for range kills {
		status := n.awaitPictures(3*testmedia.FrameRate, names...)
		for _, s := range n.list("").Segments {
			promised[s.Path] = s.Bytes
		}
		n.kill()
		for name, s := range status {
			arrived[name] += s.Frames
		}
		n.launch()
	}
	status := n.awaitPictures(2*testmedia.FrameRate, names...)
	n.stop()
	a := n.archive()
	sizes := map[string]int64{}
	for _, s := range segments(t, a, "") {
		sizes[s.Path] = s.Bytes
	}
	for path, bytes := range promised {
		if sizes[path] < bytes {
			t.Errorf("%s: %d bytes were durable, %d are there", path, bytes, sizes[path])
		}
	}
	for name, f := range all {
		got := int64(checkRecording(t, a, name, f))
		perPart := int64(part.Seconds() * testmedia.FrameRate)
		if least := arrived[name] + status[name].Frames - kills*perPart; got < least {
			t.Errorf("%s: %d pictures are recorded; %d arrived, of which %d kills may cost %d each", name, got, arrived[name]+status[name].Frames, kills, perPart)
		}
		explained(t, a, name)
	}
	indexAgrees(t, n, a)
}

// A camera that goes costs a gap, and the recorder comes back to it by itself.
func TestCameraGoesAndComes(t *testing.T) {
	w := newWorld(t)
	f := feed{file: testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: testmedia.FrameRate}), of: whole, video: demux.H264, audio: demux.AAC}
	c := w.camera("comes", "flv:"+f.file)
	steady := w.camera("steady", "flv:"+f.file)
	n := w.nvr(segment, source{name: "comes", info: c.info}, source{name: "steady", info: steady.info})
	before := n.awaitPictures(2*testmedia.FrameRate, "comes", "steady")
	c.kill()
	await(t, "the recorder notices that the camera is gone", func() bool { return n.status()["comes"].State != "live" })
	if s := n.status()["comes"]; s.Error == "" || s.Code != -2402 {
		t.Errorf("%+v", s)
	}
	c.launch()
	c.online()
	n.awaitPictures(before["comes"].Frames+2*testmedia.FrameRate, "comes")
	if s := n.status()["steady"]; s.Attempts != 1 || s.Error != "" {
		t.Errorf("the camera beside it: %+v", s)
	}
	n.stop()
	a := n.archive()
	for _, name := range []string{"comes", "steady"} {
		checkRecording(t, a, name, &f)
	}
	gaps, err := a.Gaps(context.Background(), "comes", time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(gaps, func(g recorder.Gap) bool { return g.Cause == recorder.CauseLink && g.To.After(g.From) }) {
		t.Errorf("no gap of cause link: %+v", gaps)
	}
	if left, _ := filepath.Glob(n.dir + "/*/*/*.tmp"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
