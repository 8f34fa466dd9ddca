// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

/*
#include "sink.h"
*/
import "C"

import (
	"context"
	"errors"
	"log/slog"
	"time"
	"unsafe"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/gstsink/internal/talker"
	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/internal/gst/target"
	"github.com/xp2p/xp2p/internal/talk"
	"github.com/xp2p/xp2p/session"
)

// newDialer makes the way to a camera; tests put a camera of their own there.
var newDialer = func(t target.Target, logger *slog.Logger) talker.Dialer { return talker.Camera(t, logger) }

// xp2pSinkBegin checks the settings. It connects nothing: the first buffer in PLAYING
// does, so that neither a state change nor preroll waits for a network.
//
//export xp2pSinkBegin
func xp2pSinkBegin(sink C.gpointer) C.gboolean {
	ptr := unsafe.Pointer(sink)
	s := of(ptr)
	v := s.settings.get()
	v.Params = talker.DefaultParams
	t, request, err := resolve(v.Properties)
	if err != nil {
		postError(ptr, err)
		return C.FALSE
	}
	s.state.begin(talker.New(newDialer(t, element.Logger), talker.Options{
		Request:      request,
		Timeout:      time.Duration(v.timeout) * time.Millisecond,
		StartTimeout: time.Duration(v.startTimeout) * time.Millisecond,
		Late:         func(err error) { late(ptr, err) },
		Events:       func(e session.Event) { element.PostEvent(ptr, e) },
	}))
	return C.TRUE
}

// resolve finds the camera and where to talk to it. A location that is no camera's, such
// as one of a plain stream, is refused.
func resolve(p target.Properties) (t target.Target, r session.VoiceRequest, err error) {
	if p.Location != "" {
		if _, err := target.ParseURI(p.Location); err != nil {
			return t, r, &session.Error{Op: "startVoiceService", Code: session.BadArgument, Err: err}
		}
	}
	if t, err = target.Resolve(p, element.Getenv); err != nil {
		return t, r, err
	}
	r, err = talker.ParseRequest(t.Params)
	return t, r, err
}

// xp2pSinkEnd runs after the streaming thread has ended.
//
//export xp2pSinkEnd
func xp2pSinkEnd(sink C.gpointer) {
	if t := of(unsafe.Pointer(sink)).state.end(); t != nil {
		t.Close()
	}
}

//export xp2pSinkUnlock
func xp2pSinkUnlock(sink C.gpointer, on C.gboolean) {
	of(unsafe.Pointer(sink)).state.unlock(on != 0)
}

// xp2pSinkHangUp is a pause. A call that has begun after the base class's unlock would
// hold it up, so the waits are ended here too.
//
//export xp2pSinkHangUp
func xp2pSinkHangUp(sink C.gpointer) {
	st := &of(unsafe.Pointer(sink)).state
	if t, _ := st.running(); t != nil {
		st.unlock(true)
		t.HangUp()
		st.unlock(false)
	}
}

// xp2pSinkStarted is the first of the sound, or of its end.
//
//export xp2pSinkStarted
func xp2pSinkStarted(sink C.gpointer) {
	if t, _ := of(unsafe.Pointer(sink)).state.running(); t != nil {
		t.Started()
	}
}

// late says that no sound comes: that the talker waits on, or has ended.
func late(ptr unsafe.Pointer, err error) {
	if errors.As(err, new(*talker.Error)) {
		fail(ptr, err)
		return
	}
	element.PostWarning(ptr, "wait for sound", describe(err))
}

//export xp2pSinkDiscard
func xp2pSinkDiscard(sink C.gpointer) {
	if t, _ := of(unsafe.Pointer(sink)).state.running(); t != nil {
		t.Discard()
	}
}

//export xp2pSinkFormat
func xp2pSinkFormat(sink C.gpointer, codec, rate C.gint, config unsafe.Pointer, size C.gsize) {
	if t, _ := of(unsafe.Pointer(sink)).state.running(); t != nil {
		t.Change(talker.Format{
			Format: talk.Format{Codec: demux.Codec(codec), Rate: int(rate), Channels: 1},
			Config: unsafe.Slice((*byte)(config), int(size)), // copied there
		})
	}
}

//export xp2pSinkTake
func xp2pSinkTake(sink C.gpointer, data unsafe.Pointer, size C.gsize, at C.GstClockTime) {
	if t, _ := of(unsafe.Pointer(sink)).state.running(); t != nil {
		d, known := duration(at)
		t.Take(unsafe.Slice((*byte)(data), int(size)), d, known)
	}
}

//export xp2pSinkSilence
func xp2pSinkSilence(sink C.gpointer, at, length C.GstClockTime) {
	if t, _ := of(unsafe.Pointer(sink)).state.running(); t != nil {
		d, _ := duration(at)
		l, _ := duration(length)
		t.Silence(d, l)
	}
}

//export xp2pSinkSend
func xp2pSinkSend(sink C.gpointer) C.GstFlowReturn {
	return flow(unsafe.Pointer(sink), (*talker.Talker).Send)
}

//export xp2pSinkFinish
func xp2pSinkFinish(sink C.gpointer) C.GstFlowReturn {
	return flow(unsafe.Pointer(sink), (*talker.Talker).Finish)
}

// flow makes a flow return of a call that may wait. When unlock ended the wait it is
// XP2P_FLOW_UNLOCKED.
func flow(ptr unsafe.Pointer, call func(*talker.Talker, context.Context) error) C.GstFlowReturn {
	t, ctx := of(ptr).state.running()
	if t == nil {
		return C.GST_FLOW_FLUSHING
	}
	switch err := call(t, ctx); {
	case err == nil:
		return C.GST_FLOW_OK
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return C.XP2P_FLOW_UNLOCKED
	default:
		return fail(ptr, err)
	}
}

// fail tells the application of an end, once.
func fail(ptr unsafe.Pointer, err error) C.GstFlowReturn {
	if of(ptr).state.fail() {
		postError(ptr, err)
	}
	return C.GST_FLOW_ERROR
}

// duration is a time of GStreamer's; known is false for GST_CLOCK_TIME_NONE and for what
// no clock reaches.
func duration(t C.GstClockTime) (d time.Duration, known bool) {
	if uint64(t) > 1<<62 {
		return 0, false
	}
	return time.Duration(t), true
}
