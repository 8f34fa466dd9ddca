// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

/*
#cgo pkg-config: gstreamer-1.0 gstreamer-base-1.0
#include "source.h"
*/
import "C"

import (
	"unsafe"

	"github.com/go-gst/go-glib/glib"
	"github.com/go-gst/go-gst/gst/base"
	"github.com/xp2p/xp2p/internal/gst/element"
)

// typeName is the GObject type of the element.
const typeName = "GstXp2pSrc"

// Register makes the element xp2psrc known: to plugin, a *GstPlugin, while that
// is being loaded, or with nil to this process alone. It reports success.
func Register(plugin unsafe.Pointer) bool {
	C.xp2p_src_init_debug()
	element.InitLog()
	t := glib.RegisterGoType(typeName, &source{}, class{base.ExtendsPushSrc}, uriHandler{})
	return C.xp2p_src_register(C.gpointer(plugin), C.GType(t)) != 0
}

// class is GstPushSrc with the functions of source.c set in it.
type class struct{ glib.Extendable }

func (c class) InitClass(klass unsafe.Pointer, elem glib.GoObjectSubclass) {
	c.Extendable.InitClass(klass, elem)
	C.xp2p_src_class_init(C.gpointer(klass))
}

// uriHandler makes the element answer for xp2p URIs.
type uriHandler struct{}

func (uriHandler) Type() glib.Type { return glib.Type(C.xp2p_src_uri_handler_type()) }

func (uriHandler) Init(i *glib.TypeInstance) {
	C.xp2p_src_uri_handler_init(C.gpointer(i.GTypeInstance))
}
