// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"bytes"
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// hostile are streams that a broken or malicious camera may send.
func hostile(t *testing.T, good []byte) map[string][]byte {
	t.Helper()
	rng := rand.New(rand.NewSource(7))
	noise := make([]byte, 1<<20)
	rng.Read(noise)
	header := flv.AppendHeader(nil, true, true)
	tag := func(kind flv.TagType, payload ...byte) []byte {
		return flv.AppendTag(bytes.Clone(header), kind, 0, payload)
	}
	flipped := bytes.Clone(good)
	for i := len(header) + 2000; i < len(flipped); i += 500 + rng.Intn(4000) {
		flipped[i] ^= byte(1 + rng.Intn(255))
	}
	var gaps []byte // foreign bytes between any two tags
	r := flv.NewReader(bytes.NewReader(good), flv.Options{})
	var g flv.Tag
	var u demux.Unit
	for gaps = bytes.Clone(header); r.Next(&g, &u) == nil; {
		gaps = append(append(gaps, g.Raw...), noise[:rng.Intn(300)]...)
	}
	zeroNALs := append([]byte{0x17, 1, 0, 0, 0}, make([]byte, 64<<10)...)
	return map[string][]byte{
		"empty":         {},
		"noise":         noise,
		"no FLV":        []byte("<html>the camera's own page</html>"),
		"a 16 MB claim": append(append(bytes.Clone(header), 9, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0), noise...),
		"bombs in avcC": tag(flv.TagVideo, append([]byte{0x17, 0, 0, 0, 0, 1, 100, 0, 31, 0xff, 0xff}, bytes.Repeat([]byte{0xff, 0xff, 0x67, 0}, 16000)...)...),
		"bombs in the SPS": tag(flv.TagVideo, append([]byte{0x17, 0, 0, 0, 0, 1, 100, 0, 31, 0xff, 0xe1, 0, 32, 0x67, 100, 0, 31},
			append(make([]byte, 24), 0, 0, 0, 1, 0x01, 0, 4, 0x68, 0xce, 0x3c, 0x80)...)...),
		"bombs in hvcC": tag(flv.TagVideo, append([]byte{0x1c, 0, 0, 0, 0}, bytes.Repeat([]byte{0xff}, 60000)...)...),
		"zero NALs":     append(bytes.Clone(good[:len(good)/4]), tag(flv.TagVideo, zeroNALs...)[len(header):]...),
		"truncated":     good[:len(good)/2-7],
		"flipped bytes": flipped,
		"garbage in it": gaps,
	}
}

// peakMemory is the most memory that a process had, bytes.
func (p *program) peakMemory() int64 {
	p.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return kib << 10
}

// mostMemory bounds a recorder and a camera of these tests: about three times
// what they take for streams that are in order.
const mostMemory = 256 << 20

// What one camera sends harms neither the recorder, nor the gateway before it, nor
// the camera beside it.
func TestHostileStreams(t *testing.T) {
	w := newWorld(t)
	file := testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: testmedia.FrameRate})
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f := feed{file: file, of: whole, video: demux.H264, audio: demux.AAC}
	steady := w.camera("steady", "flv:"+file)
	sources := []source{{name: "steady", info: steady.info}}
	asked := map[string]chan struct{}{}
	inputs := map[string]string{}
	for name, b := range hostile(t, good) {
		ask := make(chan struct{}, 1000)
		url := serve(t, func(w http.ResponseWriter, flush func() error) {
			select {
			case ask <- struct{}{}:
			default:
			}
			w.Write(b)
			for flush() == nil { // a stream goes on; this one is silent
				time.Sleep(100 * time.Millisecond)
			}
		})
		name = strings.ReplaceAll(name, " ", "-")
		asked[name] = ask
		sources = append(sources, source{name: "url-" + name, url: url})
		inputs["peer-"+name] = url
	}
	cameras := w.cameras(inputs)
	for name, c := range cameras {
		sources = append(sources, source{name: name, info: c.info})
	}
	n := w.nvr(segment, sources...)
	n.awaitPictures(4*testmedia.FrameRate, "steady")
	for name, ask := range asked {
		for range 2 { // the recorder and the gateway
			select {
			case <-ask:
			case <-time.After(patience):
				t.Fatalf("%s: nobody asked for it", name)
			}
		}
	}
	// The streams end only by a time limit of the recorder: half the watch is over then.
	await(t, "the recorder gave up on what is no stream", func() bool {
		s := n.status()
		return s["url-noise"].Error != "" && s["url-a-16-MB-claim"].Error != "" && s["url-bombs-in-hvcC"].Error != ""
	})
	for name, s := range n.status() {
		switch {
		case name == "steady":
			if s.Attempts != 1 || s.Error != "" || s.Damage != 0 {
				t.Errorf("the camera beside them: %+v", s)
			}
		case name == "url-garbage-in-it" && s.Frames < testmedia.FrameRate:
			t.Errorf("the parser did not find the tags between the garbage: %+v", s)
		case (strings.HasSuffix(name, "garbage-in-it") || strings.HasSuffix(name, "truncated")) && s.Frames == 0:
			t.Errorf("nothing of what is good in it: %+v", s)
		}
	}
	if peak := n.peakMemory(); peak > mostMemory {
		t.Errorf("the recorder took %d MiB", peak>>20)
	}
	for _, c := range cameras {
		if !c.running() {
			t.Errorf("camera %s ended", c.name)
		} else if peak := c.peakMemory(); peak > mostMemory {
			t.Errorf("camera %s took %d MiB", c.name, peak>>20)
		}
	}
	n.stop()
	a := n.archive()
	checkRecording(t, a, "steady", &f)
	for _, s := range segments(t, a, "") {
		readMP4(t, s.Path, whole) // each opens, whatever its pictures are like
	}
	indexAgrees(t, n, a)
}
