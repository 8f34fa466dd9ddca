// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

/*
#include "source.h"
*/
import "C"

import (
	"time"
	"unsafe"

	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/gstsrc/internal/timeline"
	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/internal/gst/target"
	"github.com/xp2p/xp2p/session"
)

// Position is the subtype of the event that says where a playback is: with the
// start, each seek, each gap of the recordings and each change of speed. Its fields
// are time (a double, Unix seconds), speed (a double) and stream-time (a gint64, ns
// since start_time).
const Position = "position"

// request is what the settings ask for. Where they are not understood it is a live
// stream; start says what is wrong.
func (s *source) request() (m receiver.Mode, start, end time.Time) {
	v := s.settings.get()
	m, start, end, err := receiver.ParseParams(target.Params(v.Properties))
	if err != nil {
		return receiver.Live, start, end
	}
	return m, start, end
}

//export xp2pSrcMode
func xp2pSrcMode(src C.gpointer) C.gint {
	m, _, _ := of(unsafe.Pointer(src)).request()
	return C.gint(m)
}

// xp2pSrcDuration is the length of a playback in ns.
//
//export xp2pSrcDuration
func xp2pSrcDuration(src C.gpointer) C.guint64 {
	_, start, end := of(unsafe.Pointer(src)).request()
	return C.guint64(end.Sub(start))
}

// xp2pSrcPlaybackStart is the start of a playback in ns since 1970.
//
//export xp2pSrcPlaybackStart
func xp2pSrcPlaybackStart(src C.gpointer) C.guint64 {
	_, start, _ := of(unsafe.Pointer(src)).request()
	return C.guint64(start.UnixNano())
}

// xp2pSrcSize is the length of a download in bytes; 0: not known yet.
//
//export xp2pSrcSize
func xp2pSrcSize(src C.gpointer) C.guint64 {
	if rx, _ := of(unsafe.Pointer(src)).state.running(); rx != nil {
		return C.guint64(rx.Size())
	}
	return 0
}

// xp2pSrcSeekTime is called while create does not run.
//
//export xp2pSrcSeekTime
func xp2pSrcSeekTime(src C.gpointer, to, stop, base C.GstClockTime, rate C.gdouble) {
	st := &of(unsafe.Pointer(src)).state
	if rx, _ := st.running(); rx != nil {
		st.line.Seek(duration(to), duration(stop), duration(base))
		rx.SeekTime(st.line.Wall(duration(to)), float64(rate))
	}
}

// xp2pSrcSeekBytes is called while create does not run.
//
//export xp2pSrcSeekBytes
func xp2pSrcSeekBytes(src C.gpointer, to C.guint64) {
	if rx, _ := of(unsafe.Pointer(src)).state.running(); rx != nil {
		rx.SeekBytes(int64(to))
	}
}

// place begins the segment of a playback's stretch and tells the application.
func (st *state) place(src unsafe.Pointer, at time.Duration, p flv.Position) {
	s := st.line.Place(at, p)
	C.xp2p_src_place(C.gpointer(src), clockTime(s.Start), clockTime(s.Stop), clockTime(s.Time), clockTime(s.Base), C.gdouble(s.Applied))

	m := element.NewStructure(element.EventName)
	m.Set("event", string(session.Notify))
	m.Set("subtype", Position)
	m.SetDouble("time", float64(p.Time.UnixMilli())/1000)
	m.SetDouble("speed", p.Speed)
	m.SetInt64("stream-time", int64(st.line.Stream(p.Time)))
	element.PostStructure(src, m)
}

// duration is a time of C's; GST_CLOCK_TIME_NONE is timeline.None.
func duration(t C.GstClockTime) time.Duration { return time.Duration(t) }

// clockTime is the reverse.
func clockTime(d time.Duration) C.GstClockTime { return C.GstClockTime(max(d, timeline.None)) }
