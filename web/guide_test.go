// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// shellBlocks are the commands that a guide shows.
func shellBlocks(t *testing.T, file string) (blocks []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(b), "\n```sh\n")
	for found {
		var block string
		block, rest, _ = strings.Cut(rest, "```\n")
		blocks = append(blocks, block)
		_, rest, found = strings.Cut(rest, "\n```sh\n")
	}
	return blocks
}

// Every command of the guide does what it says, on a recorder with a camera "gate".
func TestGuide(t *testing.T) {
	for _, program := range []string{"curl", "ffprobe"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is not installed: apt-get install -y curl ffmpeg", program)
		}
	}
	blocks := shellBlocks(t, filepath.Join("..", "docs", "guide", "web.md"))
	if len(blocks) < 10 || !strings.HasPrefix(blocks[0], "URL=") {
		t.Fatalf("%d blocks of commands, the first is %q", len(blocks), blocks)
	}
	s := liveSite(t, testmedia.H264AAC)
	from := time.Now().Add(-time.Minute).Unix()
	until(t, "there is a playlist", func() bool {
		return s.request("GET", fmt.Sprintf("/hls/gate/media.m3u8?from=%d", from), nil, nil).StatusCode == 200
	})
	for _, block := range blocks[1:] { // the first says what the variables are
		t.Run(strings.TrimSpace(block[:min(len(block), 60)]), func(t *testing.T) {
			cmd := exec.Command("sh", "-eu", "-c", block)
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "URL="+strings.TrimSuffix(s.URL(), "/"), "TOKEN="+s.auth.token, "AUTH=Authorization: Bearer "+s.auth.token,
				"FROM="+strconv.FormatInt(from, 10), "TO="+strconv.FormatInt(from+3600, 10))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\n%s", err, block, out)
			} else if len(out) == 0 && !strings.Contains(block, "-o ") && !strings.Contains(block, ">") {
				t.Errorf("it says nothing:\n%s", block)
			}
		})
	}
}
