// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

/*
#include "source.h"
*/
import "C"

import (
	"errors"
	"sync/atomic"
	"unsafe"

	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/session"
)

// replyName is the name of the structure of the signal command-reply.
const replyName = "xp2p-reply"

var lastCommand atomic.Uint32 // number of the last command sent by any element

// xp2pSrcSendCommand sends a command and returns its number. It owns a reference to
// src, which goes with the reply.
//
//export xp2pSrcSendCommand
func xp2pSrcSendCommand(src C.gpointer, text *C.gchar) C.guint {
	id := lastCommand.Add(1)
	command := C.GoString((*C.char)(text)) // NULL is ""
	reply := func(r session.CommandResult) {
		st := element.NewStructure(replyName)
		st.SetAll(r)
		st.Set("command", command)
		C.xp2p_src_emit_reply(src, C.guint(id), (*C.GstStructure)(st.Pointer()))
	}
	rx, _ := of(unsafe.Pointer(src)).state.running()
	if rx == nil {
		err := errors.New("the element is not running: set it to PLAYING first")
		go reply(session.CommandResult{Type: session.CommandError, ErrCode: session.NoService, ErrMsg: err.Error()})
		return C.guint(id)
	}
	rx.Command(command, reply)
	return C.guint(id)
}

//export xp2pSrcForceKeyFrame
func xp2pSrcForceKeyFrame(src C.gpointer) {
	if rx, _ := of(unsafe.Pointer(src)).state.running(); rx != nil {
		rx.ForceKeyFrame()
	}
}

//export xp2pSrcReset
func xp2pSrcReset(src C.gpointer) {
	if rx, _ := of(unsafe.Pointer(src)).state.running(); rx != nil {
		rx.Reset()
	}
}
