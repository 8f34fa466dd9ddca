// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

/*
#include "sink.h"
*/
import "C"

import (
	"time"
	"unsafe"

	"github.com/xp2p/xp2p/gstsink/internal/talker"
)

// These are the calls of the pad for pictures (video.c).

//export xp2pSinkOpenPictures
func xp2pSinkOpenPictures(sink C.gpointer, open C.gboolean) {
	of(unsafe.Pointer(sink)).state.pictures(open != 0)
}

//export xp2pSinkFlushPictures
func xp2pSinkFlushPictures(sink C.gpointer, on C.gboolean) {
	if t, _ := of(unsafe.Pointer(sink)).state.running(); t != nil {
		t.FlushPictures(on != 0)
	}
}

//export xp2pSinkPictureFormat
func xp2pSinkPictureFormat(sink C.gpointer, config unsafe.Pointer, size C.gsize) {
	if t, _ := of(unsafe.Pointer(sink)).state.running(); t != nil {
		t.ChangePictures(unsafe.Slice((*byte)(config), int(size))) // copied there
	}
}

//export xp2pSinkPicture
func xp2pSinkPicture(sink C.gpointer, data unsafe.Pointer, size C.gsize, at, cts C.gint64, key C.gboolean, wantKey *C.gboolean) C.GstFlowReturn {
	t, _ := of(unsafe.Pointer(sink)).state.running()
	if t == nil {
		return C.GST_FLOW_FLUSHING
	}
	want, err := t.Picture(&talker.Picture{At: time.Duration(at), CTS: time.Duration(cts), Key: key != 0,
		Data: unsafe.Slice((*byte)(data), int(size))})
	if want {
		*wantKey = C.TRUE
	}
	return pictureFlow(sink, err)
}

//export xp2pSinkEndPictures
func xp2pSinkEndPictures(sink C.gpointer) C.GstFlowReturn {
	t, _ := of(unsafe.Pointer(sink)).state.running()
	if t == nil {
		return C.GST_FLOW_FLUSHING
	}
	return pictureFlow(sink, t.EndPictures())
}

func pictureFlow(sink C.gpointer, err error) C.GstFlowReturn {
	if err != nil {
		return fail(unsafe.Pointer(sink), err)
	}
	return C.GST_FLOW_OK
}
