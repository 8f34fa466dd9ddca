// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// A recorder is a device too: its cameras are channels, watched over the one
// connection to each, and what it recorded is played back from anywhere.
func TestRecorderIsADevice(t *testing.T) {
	w := newWorld(t)
	short := testmedia.Options{GOP: testmedia.FrameRate}
	all := []feed{
		{name: "gate", file: testmedia.FLV(t, testmedia.H264AAC, 4, short), of: whole, video: demux.H264, audio: demux.AAC},
		{name: "yard", file: testmedia.FLV(t, testmedia.H265Legacy, 4, short), of: whole, video: demux.H265, audio: demux.AAC},
		{name: "shed", file: testmedia.FLV(t, testmedia.H264AAC, originSeconds, short), of: whole, video: demux.H264, audio: demux.AAC},
	}
	gate := w.camera("gate", "flv:"+all[0].file, "--command-hook", hook(t))
	yard := w.camera("yard", "flv:"+all[1].file)
	n := w.nvrWith(fmt.Sprintf("device:\n  product: %s\n  name: site\n  state: %s\n", product, t.TempDir()), segment,
		source{name: "gate", info: gate.info}, source{name: "yard", info: yard.info}, source{name: "shed", url: origin(t, all[2].file)})
	site := &camera{w: w, program: n.program, info: n.ready("nvr device ready ")}
	n.awaitPictures(2*testmedia.FrameRate, "gate", "yard", "shed")

	var channels []struct{ DeviceName, Channel, Online string }
	site.command(&channels, "action=inner_define&cmd=get_nvr_list")
	if fmt.Sprint(channels) != "[{gate 0 1} {yard 1 1} {shed 2 1}]" {
		t.Errorf("%v", channels)
	}

	dir := t.TempDir()
	check := func(kind string, f *feed, p *program, least int) {
		t.Helper()
		if code := p.wait(patience); code != 0 {
			t.Fatalf("%s %s: exit status %d: %s", kind, f.name, code, p.stderr.String())
		}
		got := readFLV(t, filepath.Join(dir, kind+f.name), whole)
		if len(got.pictures) < least || got.video != f.video || got.audio != f.audio {
			t.Errorf("%s %s: %d pictures of %v, %v", kind, f.name, len(got.pictures), got.video, got.audio)
		}
		sameRun(t, readFLV(t, f.file, whole).pictures, got.pictures)
	}
	pull := func(kind string, channel int, params string, more ...string) *program {
		more = append(more, "--params", fmt.Sprintf("%s&channel=%d", params, channel), "-o", filepath.Join(dir, kind+all[channel].name))
		return spawn(t, kind+" "+all[channel].name, w.pull(site.info, more...)...)
	}
	for i := range all {
		check("live", &all[i], pull("live", i, "action=live", "--seconds", "4"), testmedia.FrameRate)
	}
	var state []struct{ AppConnectNum string }
	if gate.command(&state, "action=inner_define&channel=0&cmd=get_device_st&type=live"); len(state) != 1 || state[0].AppConnectNum != "1" {
		t.Errorf("the camera has %+v viewers, and one recorder", state)
	}
	for i := range all {
		var index struct {
			List []struct {
				Start string `json:"start_time"`
			} `json:"video_list"`
		}
		site.command(&index, fmt.Sprintf("action=inner_define&cmd=get_record_index&channel=%d&start_time=0&end_time=9999999999", i))
		if len(index.List) != 1 {
			t.Fatalf("channel %d: recordings %+v", i, index)
		}
		start, err := strconv.ParseInt(index.List[0].Start, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		check("playback", &all[i], pull("playback", i, fmt.Sprintf("action=playback&start_time=%d&end_time=%d", start+1, start+6)), 4*testmedia.FrameRate)
	}
	r := run(t, patience, append([]string{xp2p(t), "command", "--xp2p-info", site.info, "action=user_define&channel=0&cmd=ptz_left"}, w.account()...)...)
	if r.code != 0 || !strings.Contains(r.stdout, "moved: ptz_left") {
		t.Errorf("exit status %d: %s%s", r.code, r.stdout, r.stderr)
	}
	n.stop()
}
