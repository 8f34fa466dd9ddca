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

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range []string{built, builtPlugin} {
		if dir != "" {
			os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

// built is the directory of this run's own build, if there is one.
var built string

// binary is the path of xp2p: in XP2P_BIN, which `make test` sets to what it has
// built, or a build of this test's own.
var binary = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("XP2P_BIN"); dir != "" {
		return filepath.Join(dir, "xp2p"), nil
	}
	var err error
	if built, err = os.MkdirTemp("", "xp2p-bin-"); err != nil {
		return "", err
	}
	path := filepath.Join(built, "xp2p")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/xp2p/xp2p/cmd/xp2p")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return path, nil
})

func xp2p(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
