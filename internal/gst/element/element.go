// SPDX-License-Identifier: LGPL-2.1-or-later

// Package element is what the project's GStreamer elements say in the same way: the log
// category "xp2p", element messages, errors and their details.
package element

/*
#include <stdlib.h>
#include <glib.h>
*/
import "C"

import "unsafe"

// Getenv asks the process's environment as it is now. Go's own copy is from when
// the plugin was loaded, and a program may set a variable after that.
func Getenv(key string) string {
	k := cString(key)
	defer C.free(unsafe.Pointer(k))
	return C.GoString((*C.char)(C.g_getenv((*C.gchar)(unsafe.Pointer(k)))))
}
