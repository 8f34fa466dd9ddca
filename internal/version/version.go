// SPDX-License-Identifier: LGPL-2.1-or-later

// Package version is the one place where the project's version is.
package version

// Version of this build. The Makefile sets it with
// -ldflags "-X github.com/xp2p/xp2p/internal/version.Version=…".
var Version = "0.1.0"
