// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// command sends a command to a camera by `xp2p command` and reads its reply.
func (c *camera) command(reply any, command string) {
	c.w.t.Helper()
	args := append([]string{xp2p(c.w.t), "command", "--xp2p-info", c.info}, c.w.account()...)
	r := run(c.w.t, patience, append(args, command)...)
	var res struct{ Type, Data, ErrMsg string }
	if err := json.Unmarshal([]byte(r.stdout), &res); err != nil || res.Type != "success" {
		c.w.t.Fatalf("%s: %s %s, %v", command, r.stdout, r.stderr, err)
	}
	if err := json.Unmarshal([]byte(res.Data), reply); err != nil {
		c.w.t.Fatalf("%s: %v in %s", command, err, res.Data)
	}
}

// A camera of several channels records all of them; what is played back of each is
// what it was fed, picture by picture.
func TestCameraPlaysBack(t *testing.T) {
	const seconds = 6
	w := newWorld(t)
	all := feeds(t)
	flags := []string{"--record", filepath.Join(t.TempDir(), "rec"), "--max-viewers", "10"}
	for _, f := range all[1:] {
		flags = append(flags, "--input", f.name+"="+f.input)
	}
	c := w.camera("several", all[0].name+"="+all[0].input, flags...)

	var channels []struct{ DeviceName, Channel string }
	c.command(&channels, "action=inner_define&cmd=get_nvr_list")
	if len(channels) != len(all) {
		t.Fatalf("channels %+v", channels)
	}
	starts := make([]int64, len(all))
	for i, f := range all {
		if channels[i].DeviceName != f.name || channels[i].Channel != strconv.Itoa(i) {
			t.Errorf("channel %d is %+v, want %s", i, channels[i], f.name)
		}
		await(t, "a recording of "+f.name, func() bool {
			var index struct {
				List []struct {
					Start int64 `json:"start_time,string"`
					End   int64 `json:"end_time,string"`
				} `json:"video_list"`
			}
			c.command(&index, fmt.Sprintf("action=inner_define&cmd=get_record_index&channel=%d&start_time=0&end_time=9999999999", i))
			if len(index.List) != 1 || index.List[0].End-index.List[0].Start <= seconds {
				return false
			}
			starts[i] = index.List[0].Start
			return true
		})
	}
	dir := t.TempDir()
	pulls := make([]*program, len(all))
	for i, f := range all {
		params := fmt.Sprintf("action=playback&channel=%d&start_time=%d&end_time=%d", i, starts[i], starts[i]+seconds)
		pulls[i] = spawn(t, "playback "+f.name, w.pull(c.info, "--params", params, "--json", "-o", filepath.Join(dir, f.name+".flv"))...)
	}
	for i, f := range all {
		t.Run(f.name, func(t *testing.T) {
			if code := pulls[i].wait(patience); code != 0 {
				t.Fatalf("exit status %d: %s", code, pulls[i].stderr.String())
			}
			got, want := readFLV(t, filepath.Join(dir, f.name+".flv"), f.of), readFLV(t, f.file, f.of)
			if n := len(got.pictures); n < (seconds-1)*testmedia.FrameRate {
				t.Errorf("%d pictures", n)
			}
			if got.video != f.video || got.audio != f.audio || got.sounds < 4 {
				t.Errorf("%v and %v, %d sound units", got.video, got.audio, got.sounds)
			}
			if p := got.pictures[0]; !p.key || p.dts != 0 {
				t.Errorf("it begins with key %v at %v", p.key, p.dts)
			}
			sameRun(t, want.pictures, got.pictures)
			decode(t, got)
		})
	}
}
