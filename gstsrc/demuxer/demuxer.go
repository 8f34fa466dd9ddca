// SPDX-License-Identifier: LGPL-2.1-or-later

// Package demuxer is the GStreamer element xp2pdemux: FLV in, a pad per track out.
//
// What it does with the bytes is in gstsrc/internal/tracks, which knows no
// GStreamer; demuxer.c has the class, the pads and the events.
package demuxer

/*
#cgo pkg-config: gstreamer-1.0 gstreamer-base-1.0 gstreamer-pbutils-1.0
#include "demuxer.h"
*/
import "C"

import (
	"runtime"
	"unsafe"

	"github.com/go-gst/go-glib/glib"
	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/gstsrc/internal/tracks"
)

// typeName is the GObject type of the element.
const typeName = "GstXp2pDemux"

// Register makes the element xp2pdemux known: to plugin, a *GstPlugin, while that
// is being loaded, or with nil to this process alone. It reports success.
func Register(plugin unsafe.Pointer) bool {
	C.xp2p_demux_init_debug()
	t := glib.RegisterGoType(typeName, &element{}, class{gst.ExtendsElement})
	return C.xp2p_demux_register(C.gpointer(plugin), C.GType(t)) != 0
}

// class is GstElement with the functions of demuxer.c set in it.
type class struct{ glib.Extendable }

func (c class) InitClass(klass unsafe.Pointer, elem glib.GoObjectSubclass) {
	c.Extendable.InitClass(klass, elem)
	C.xp2p_demux_class_init(C.gpointer(klass))
}

// element is the Go side of one element. Its calls come from the streaming thread,
// or from a state change while that does not run.
type element struct {
	c     *C.Xp2pDemux
	demux *tracks.Demuxer
}

// New is called by go-glib for each instance.
func (*element) New() glib.GoObjectSubclass { return &element{} }

// ClassInit is called by go-glib; demuxer.c does the work.
func (*element) ClassInit(*glib.ObjectClass) {}

// InstanceInit is called by go-glib.
func (e *element) InstanceInit(o *glib.Object) {
	e.c = C.xp2p_demux_new(C.gpointer(o.Unsafe()))
	e.demux = tracks.New(&pads{c: e.c})
}

func of(e C.gpointer) *element {
	return glib.FromObjectUnsafePrivate(unsafe.Pointer(e)).(*element)
}

//export xp2pDemuxData
func xp2pDemuxData(e C.gpointer, data unsafe.Pointer, size C.gsize, discont C.gboolean) C.GstFlowReturn {
	return C.GstFlowReturn(of(e).demux.Data(unsafe.Slice((*byte)(data), int(size)), discont != 0))
}

//export xp2pDemuxTimed
func xp2pDemuxTimed(e C.gpointer, timed C.gboolean) { of(e).demux.Timed(timed != 0) }

//export xp2pDemuxFlush
func xp2pDemuxFlush(e C.gpointer) { of(e).demux.Flush() }

//export xp2pDemuxEnd
func xp2pDemuxEnd(e C.gpointer) C.gboolean { return gbool(of(e).demux.End()) }

//export xp2pDemuxReset
func xp2pDemuxReset(e C.gpointer) {
	x := of(e)
	x.demux = tracks.New(&pads{c: x.c})
}

func gbool(b bool) C.gboolean {
	if b {
		return C.TRUE
	}
	return C.FALSE
}

// withFormat calls f with C's form of a format. The configuration is pinned
// meanwhile and copied there.
func withFormat(t *tracks.Format, f func(*C.Xp2pFormat)) {
	var pin runtime.Pinner
	defer pin.Unpin()
	c := C.Xp2pFormat{
		codec: C.gint(t.Codec), config_size: C.gsize(len(t.Config)),
		width: C.gint(t.Width), height: C.gint(t.Height), fps: C.gdouble(t.FPS),
		rate: C.gint(t.Rate), channels: C.gint(t.Channels),
	}
	if len(t.Config) > 0 {
		pin.Pin(&t.Config[0])
		c.config = C.gconstpointer(unsafe.Pointer(&t.Config[0]))
	}
	f(&c)
}
