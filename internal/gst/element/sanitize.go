// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build sanitize

package element

// With the tag sanitize the C of this package, and no more, is compiled for
// AddressSanitizer: scripts/asan.sh.

// #cgo CFLAGS: -fsanitize=address -fno-omit-frame-pointer -g
// #cgo LDFLAGS: -fsanitize=address
import "C"
