#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs the tests of the GStreamer elements with their C under AddressSanitizer. The C
# of go-gst is not ours and is left as it is. Leaks are the business of GStreamer's
# tracer (TestLeaks): Go and GLib keep what they made until the process ends.
set -eu

# Go has a use of its own for faults, and GLib's slices would hide errors.
export ASAN_OPTIONS="detect_leaks=0:handle_segv=0:halt_on_error=1:detect_stack_use_after_return=0"
export G_SLICE=always-malloc

# Left out are tests that run other programs, which do not have this C, and those
# that measure memory, which the sanitizer keeps.
exec "${GO:-go}" test -tags sanitize -timeout 10m \
	-skip 'TestInspect|TestLaunch|TestWatch|TestPlay$|TestCameraComesBack|TestGuide|TestLeaks|TestExamples|Cycles' \
	"$@" ./gstsrc ./gstsrc/demuxer ./gstsink ./internal/gst/element
