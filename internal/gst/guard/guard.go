// SPDX-License-Identifier: LGPL-2.1-or-later

// Package guard makes the tests of GStreamer elements die of GLib's criticals, which are
// misuses that GLib has survived.
package guard

/*
#cgo pkg-config: glib-2.0
#include <glib.h>

static void
make_fatal (void)
{
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
}

static void
raise_critical (void)
{
  g_return_if_fail (!"this is raised to be seen");
}
*/
import "C"

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// raise is set in the process that is to die.
const raise = "XP2P_TEST_RAISE_CRITICAL"

// Criticals makes every critical from here on end the process, as G_DEBUG=fatal-criticals
// does for programs: GLib reads that before Go's main, so a TestMain cannot set it.
func Criticals() {
	C.make_fatal()
	if os.Getenv(raise) != "" {
		C.raise_critical()
		os.Exit(0)
	}
}

// Check fails t if the test's own program survives a critical.
func Check(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self, "-test.run=^$")
	child.Env = append(os.Environ(), raise+"=1")
	out, err := child.CombinedOutput()
	if err == nil {
		t.Errorf("the program has survived a critical: %s", out)
	}
	if !strings.Contains(string(out), "this is raised to be seen") {
		t.Errorf("the program died (%v) of something else: %s", err, out)
	}
}
