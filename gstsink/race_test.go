// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build race

package gstsink

// raced says that the race detector watches. Its own memory grows with each thread and
// goroutine that ever was, by up to 8 MiB in a thousand cycles.
const raced = true
