// SPDX-License-Identifier: LGPL-2.1-or-later

// Command gstxp2p is the GStreamer plugin libgstxp2p.so:
//
//	go build -buildmode=c-shared -o libgstxp2p.so ./cmd/gstxp2p
//
// It registers the project's elements and does nothing else.
package main

/*
#cgo pkg-config: gstreamer-1.0
#include <gst/gst.h>
*/
import "C"

import (
	"unsafe"

	"github.com/xp2p/xp2p/gstsink"
	"github.com/xp2p/xp2p/gstsrc"
	"github.com/xp2p/xp2p/gstsrc/demuxer"
	"github.com/xp2p/xp2p/internal/version"
)

//export xp2pPluginInit
func xp2pPluginInit(plugin *C.GstPlugin) C.gboolean {
	if !gstsrc.Register(unsafe.Pointer(plugin)) || !demuxer.Register(unsafe.Pointer(plugin)) || !gstsink.Register(unsafe.Pointer(plugin)) {
		return C.FALSE
	}
	return C.TRUE
}

// xp2pPluginVersion gives a string that lives as long as the process.
//
//export xp2pPluginVersion
func xp2pPluginVersion() *C.char { return C.CString(version.Version) }

func main() {}
