// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// builtPlugin is the directory of this run's own build of the plugin, if there is
// one, and of the registry that goes with it.
var builtPlugin string

// pluginDir is where libgstxp2p.so is: XP2P_BIN, or a build of this test's own.
var pluginDir = sync.OnceValues(func() (string, error) {
	var err error
	if builtPlugin, err = os.MkdirTemp("", "xp2p-plugin-"); err != nil {
		return "", err
	}
	if dir := os.Getenv("XP2P_BIN"); dir != "" {
		return dir, nil
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-o", filepath.Join(builtPlugin, "libgstxp2p.so"), "github.com/xp2p/xp2p/cmd/gstxp2p")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return builtPlugin, nil
})

// gstreamer is the environment in which GStreamer's programs find the plugin, with
// a registry of its own.
func gstreamer(t *testing.T) []string {
	t.Helper()
	dir, err := pluginDir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("gst-launch-1.0"); err != nil {
		t.Fatal("gst-launch-1.0 is not installed: apt-get install -y gstreamer1.0-tools")
	}
	return []string{"GST_PLUGIN_PATH=" + dir, "GST_REGISTRY=" + filepath.Join(builtPlugin, "registry.bin"), "G_DEBUG=fatal-criticals"}
}
