// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/internal/testmedia"
)

const examples = "../examples/gstreamer"

// The example programs, each with a camera.
func TestExamples(t *testing.T) {
	r := startRecorded(t, testmedia.H264AAC)
	example := func(t *testing.T, program string, args ...string) string {
		t.Helper()
		out, ok := run(t, r.env(), program, args...)
		if !ok {
			t.Fatalf("%s %s:\n%s", program, args, out)
		}
		return out
	}
	t.Run("Python", func(t *testing.T) {
		// Debian's own Python is the one that has GStreamer.
		out := example(t, "/usr/bin/python3", filepath.Join(examples, "playback-python", "playback.py"), product+"/"+device,
			fmt.Sprint(r.start), fmt.Sprint(r.end), fmt.Sprint(r.start+3))
		for _, want := range []string{"duration 6", fmt.Sprint("sought ", r.start+3), "subtype=(string)position"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in:\n%s", want, out)
			}
		}
	})
	t.Run("C", func(t *testing.T) {
		program := filepath.Join(t.TempDir(), "command")
		build := exec.Command("sh", "-c", "cc -Wall -Wextra -Wno-unused-parameter -Werror "+filepath.Join(examples, "command-c", "command.c")+
			" -o "+program+" $(pkg-config --cflags --libs gstreamer-1.0)")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if out := example(t, program, product+"/"+device, "action=inner_define&cmd=get_nvr_list"); !strings.Contains(out, `success: [{"DeviceName":"`) {
			t.Errorf("no list of channels in:\n%s", out)
		}
	})
	t.Run("Go", func(t *testing.T) {
		dir := t.TempDir()
		program, file := filepath.Join(dir, "record-go"), filepath.Join(dir, "out.mp4")
		if out, err := exec.Command("go", "build", "-o", program, "./"+filepath.Join(examples, "record-go")).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		example(t, program, product+"/"+device, "3", file)
		readable(t, file)
	})
}
