// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build race

package peer

// raced says that the race detector watches, under which verifying a chunk takes many
// times as long: thirty viewers then want more than the two cores of a small machine,
// and starve.
const raced = true
