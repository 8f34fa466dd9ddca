// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

/*
#include "source.h"
*/
import "C"

import (
	"time"
	"unsafe"

	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/internal/gst/target"
	"github.com/xp2p/xp2p/session"
)

//export xp2pSrcSetString
func xp2pSrcSetString(src C.gpointer, id C.guint, to *C.gchar) {
	of(unsafe.Pointer(src)).settings.setString(id, C.GoString((*C.char)(to))) // NULL is ""
}

// xp2pSrcGetString gives a string that the caller frees, NULL where it is unset.
//
//export xp2pSrcGetString
func xp2pSrcGetString(src C.gpointer, id C.guint) *C.gchar {
	v := of(unsafe.Pointer(src)).settings.get()
	s := v.string(id)
	if s == "" {
		return nil
	}
	return (*C.gchar)(C.CString(s))
}

//export xp2pSrcSetNumber
func xp2pSrcSetNumber(src C.gpointer, id C.guint, to C.gint64) {
	of(unsafe.Pointer(src)).settings.setNumber(id, int64(to))
}

//export xp2pSrcGetNumber
func xp2pSrcGetNumber(src C.gpointer, id C.guint) C.gint64 {
	v := of(unsafe.Pointer(src)).settings.get()
	return C.gint64(v.number(id))
}

// xp2pSrcSetURI takes a URI for the location. What it gives where that is not
// one says why, and the caller frees it.
//
//export xp2pSrcSetURI
func xp2pSrcSetURI(src C.gpointer, uri *C.gchar) *C.gchar {
	s := C.GoString((*C.char)(uri))
	if err := target.Check(s); err != nil {
		return (*C.gchar)(C.CString(err.Error()))
	}
	of(unsafe.Pointer(src)).settings.setString(C.XP2P_PROP_LOCATION, s)
	return nil
}

//export xp2pSrcStats
func xp2pSrcStats(src C.gpointer) *C.GstStructure {
	st := element.NewStructure("application/x-xp2p-stats")
	rx, _ := of(unsafe.Pointer(src)).state.running()
	if rx == nil {
		return (*C.GstStructure)(st.Pointer())
	}
	s := rx.Stats()
	st.Set("bytes", s.Bytes)
	st.Set("buffers", s.Chunks)
	st.Set("connections", s.Connections)
	st.Set("retries", s.Retries)
	st.Set("bitrate", s.Bitrate)
	st.Set("damaged", s.Damaged)
	if s.Path != "" {
		st.Set("path", s.Path)
		st.Set("rtt", uint64(s.Link.RTT))
		st.Set("packets-sent", s.Link.PacketsSent)
		st.Set("packets-lost", s.Link.PacketsLost)
	}
	if s.Swarm != nil {
		setSwarm(st, s.Swarm)
	}
	return (*C.GstStructure)(st.Pointer())
}

// setSwarm sets what a viewer of a 1vN stream has from whom.
func setSwarm(st element.Structure, s *session.SwarmStats) {
	share := 0.0
	if n := s.PeerBytes + s.SourceBytes; n > 0 {
		share = float64(s.PeerBytes) / float64(n)
	}
	st.SetDouble("swarm-share", share)
	st.SetDouble("swarm-continuity", s.Continuity)
	st.Set("swarm-lag", uint64(max(s.LagMS, 0))*uint64(time.Millisecond))
	st.Set("swarm-parents", s.FromPeers)
	st.Set("swarm-links", s.Links)
	st.Set("swarm-bytes-peers", s.PeerBytes)
	st.Set("swarm-bytes-source", s.SourceBytes)
	st.Set("swarm-bytes-sent", s.SentBytes)
	st.Set("swarm-forged", s.Forged)
}
