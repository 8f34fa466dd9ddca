// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

/*
#include "source.h"
*/
import "C"

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"runtime/cgo"
	"unsafe"

	"github.com/xp2p/xp2p/gstsrc/internal/httpflv"
	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/gstsrc/internal/timeline"
	"github.com/xp2p/xp2p/gstsrc/internal/viewer"
	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/internal/gst/target"
	"github.com/xp2p/xp2p/session"
)

// newDialer makes the way to a camera; tests put a camera of their own there.
var newDialer = func(t target.Target, logger *slog.Logger) receiver.Dialer {
	if t.HTTP != "" && !t.Swarm {
		return httpflv.New(t.HTTP, logger)
	}
	return viewer.New(t, logger)
}

// xp2pSrcStart checks the settings. It connects nothing: the first create does,
// so that no state change waits for a network.
//
//export xp2pSrcStart
func xp2pSrcStart(src C.gpointer) C.gboolean {
	ptr := unsafe.Pointer(src)
	s := of(ptr)
	v := s.settings.get()
	t, err := target.Resolve(v.Properties, element.Getenv)
	if err != nil {
		postError(ptr, err)
		return C.FALSE
	}
	o := v.options()
	o.Params = t.Params
	if o.Mode, o.Start, o.End, err = receiver.ParseParams(t.Params); err != nil {
		postError(ptr, &session.Error{Op: "startP2PStream", Code: session.BadArgument, Err: err})
		return C.FALSE
	}
	p := newProgress(ptr, t.Name())
	o.Events = func(e session.Event) {
		element.PostEvent(ptr, e)
		p.event(e)
	}
	s.state.progress = p
	s.state.begin(receiver.New(newDialer(t, element.Logger), o), o.Mode == receiver.Live, timeline.New(o.Start))
	tag(src, t, o)
	return C.TRUE
}

// xp2pSrcStop runs after the streaming thread has ended.
//
//export xp2pSrcStop
func xp2pSrcStop(src C.gpointer) C.gboolean {
	if rx := of(unsafe.Pointer(src)).state.end(); rx != nil {
		rx.Close()
	}
	return C.TRUE
}

//export xp2pSrcUnlock
func xp2pSrcUnlock(src C.gpointer, on C.gboolean) {
	of(unsafe.Pointer(src)).state.unlock(on != 0)
}

//export xp2pSrcPause
func xp2pSrcPause(src C.gpointer, on C.gboolean) {
	of(unsafe.Pointer(src)).state.pause(on != 0)
}

// xp2pSrcCreate waits for the next chunk and makes a buffer of it. When a pause
// ends the wait it returns XP2P_FLOW_PAUSED.
//
//export xp2pSrcCreate
func xp2pSrcCreate(src C.gpointer, out **C.GstBuffer) C.GstFlowReturn {
	ptr := unsafe.Pointer(src)
	st := &of(ptr).state
	rx, ctx := st.running()
	if rx == nil || ctx == nil {
		return C.GST_FLOW_FLUSHING
	}
	st.progress.begin()
	c, err := rx.Next(ctx)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		return C.GST_FLOW_EOS
	case errors.Is(err, context.Canceled):
		if st.flushing() {
			return C.GST_FLOW_FLUSHING
		}
		return C.XP2P_FLOW_PAUSED
	default:
		st.progress.fail(err)
		postError(ptr, err)
		return C.GST_FLOW_ERROR
	}
	switch {
	case c.Position != nil && !st.live:
		st.place(ptr, c.Time, *c.Position)
	case c.Restart && st.live:
		C.xp2p_src_restart_clock(src, C.GstClockTime(c.Time))
	}
	if *out = newBuffer(&c, rx.Mode()); *out == nil {
		postError(ptr, errors.New("out of memory for a buffer"))
		return C.GST_FLOW_ERROR
	}
	return C.GST_FLOW_OK
}

// newBuffer makes a GstBuffer of a chunk: of its own memory if the chunk brings it, else
// of a copy, straight from where it was received.
func newBuffer(c *receiver.Chunk, m receiver.Mode) *C.GstBuffer {
	var b *C.GstBuffer
	switch {
	case c.Block == nil:
		b = copied(c)
	case len(c.Parts) == 1 && c.Size >= len(c.Block.Bytes())/3:
		b = wrap(c)
	default: // a buffer that is kept must not keep much more than it holds
		b = copied(c)
		c.Block.Release()
	}
	if b == nil {
		return nil
	}
	at, offset := C.GstClockTime(c.Time), C.guint64(C.GST_BUFFER_OFFSET_NONE)
	if m == receiver.Download {
		at, offset = C.GST_CLOCK_TIME_NONE, C.guint64(c.Offset)
	}
	C.xp2p_buffer_finish(b, C.gsize(c.Size), at, offset, gbool(c.Header), gbool(c.Restart && c.Time > 0))
	return b
}

func copied(c *receiver.Chunk) *C.GstBuffer {
	var data C.GstMapInfo
	b := C.xp2p_buffer_new(C.gsize(c.Size), &data)
	if b == nil {
		return nil
	}
	to := unsafe.Slice((*byte)(unsafe.Pointer(data.data)), c.Size)
	for _, part := range c.Parts {
		to = to[copy(to, part):]
	}
	C.gst_buffer_unmap(b, &data)
	return b
}

// lent is a block that a GstBuffer holds: pinned, so that C may keep its address.
type lent struct {
	block *receiver.Block
	pin   runtime.Pinner
}

func wrap(c *receiver.Chunk) *C.GstBuffer {
	l := &lent{block: c.Block}
	part := c.Parts[0]
	l.pin.Pin(unsafe.SliceData(part))
	return C.xp2p_buffer_wrap(C.gpointer(unsafe.SliceData(part)), C.gsize(len(part)), C.guintptr(cgo.NewHandle(l)))
}

// xp2pSrcRelease is told that a buffer's memory is not used any longer, in any thread.
//
//export xp2pSrcRelease
func xp2pSrcRelease(handle C.guintptr) {
	h := cgo.Handle(handle)
	l := h.Value().(*lent)
	h.Delete()
	l.pin.Unpin()
	l.block.Release()
}

func gbool(b bool) C.gboolean {
	if b {
		return C.TRUE
	}
	return C.FALSE
}
