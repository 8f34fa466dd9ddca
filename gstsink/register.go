// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

/*
#cgo pkg-config: gstreamer-1.0 gstreamer-base-1.0
#include "sink.h"
*/
import "C"

import (
	"unsafe"

	"github.com/go-gst/go-glib/glib"
	"github.com/go-gst/go-gst/gst/base"
	"github.com/xp2p/xp2p/internal/gst/element"
)

// typeName is the GObject type of the element.
const typeName = "GstXp2pSink"

// Register makes the element xp2psink known: to plugin, a *GstPlugin, while that is being
// loaded, or with nil to this process alone. It reports success.
func Register(plugin unsafe.Pointer) bool {
	C.xp2p_sink_init_debug()
	element.InitLog()
	t := glib.RegisterGoType(typeName, &sink{}, class{base.ExtendsBaseSink})
	return C.xp2p_sink_register(C.gpointer(plugin), C.GType(t)) != 0
}

// class is GstBaseSink with the functions of sink.c set in it.
type class struct{ glib.Extendable }

func (c class) InitClass(klass unsafe.Pointer, elem glib.GoObjectSubclass) {
	c.Extendable.InitClass(klass, elem)
	C.xp2p_sink_class_init(C.gpointer(klass))
}
