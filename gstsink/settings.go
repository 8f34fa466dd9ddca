// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

/*
#include <stdlib.h>
#include "sink.h"
*/
import "C"

import (
	"sync"
	"unsafe"

	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/internal/gst/target"
)

// values are the element's properties.
type values struct {
	target.Properties
	timeout      uint // ms
	startTimeout uint // ms
}

// settings are the properties behind their lock. Any thread reads and sets them.
type settings struct {
	mu sync.Mutex
	v  values
}

func (s *settings) get() values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.v
}

// field is the string of a property, nil for no such.
func (v *values) field(id C.guint) *string {
	switch id {
	case C.XP2P_SINK_PROP_LOCATION:
		return &v.Location
	case C.XP2P_SINK_PROP_RENDEZVOUS:
		return &v.Rendezvous
	case C.XP2P_SINK_PROP_APP:
		return &v.App
	case C.XP2P_SINK_PROP_XP2P_INFO:
		return &v.XP2PInfo
	}
	return nil
}

//export xp2pSinkSetString
func xp2pSinkSetString(sink C.gpointer, id C.guint, to *C.gchar) {
	s := &of(unsafe.Pointer(sink)).settings
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.v.field(id); f != nil {
		*f = C.GoString((*C.char)(to)) // NULL is ""
	}
}

// xp2pSinkGetString gives a string that the caller frees, NULL where it is unset.
//
//export xp2pSinkGetString
func xp2pSinkGetString(sink C.gpointer, id C.guint) *C.gchar {
	v := of(unsafe.Pointer(sink)).settings.get()
	if f := v.field(id); f != nil && *f != "" {
		return (*C.gchar)(C.CString(*f))
	}
	return nil
}

// time is one of the times.
func (v *values) time(id C.guint) *uint {
	if id == C.XP2P_SINK_PROP_START_TIMEOUT {
		return &v.startTimeout
	}
	return &v.timeout
}

//export xp2pSinkSetTime
func xp2pSinkSetTime(sink C.gpointer, id, ms C.guint) {
	s := &of(unsafe.Pointer(sink)).settings
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.v.time(id) = uint(ms)
}

//export xp2pSinkGetTime
func xp2pSinkGetTime(sink C.gpointer, id C.guint) C.guint {
	v := of(unsafe.Pointer(sink)).settings.get()
	return C.guint(*v.time(id))
}

//export xp2pSinkStats
func xp2pSinkStats(sink C.gpointer) *C.GstStructure {
	st := element.NewStructure("application/x-xp2p-talk-stats")
	if t, _ := of(unsafe.Pointer(sink)).state.running(); t != nil {
		s := t.Stats()
		st.Set("buffers", s.Buffers)
		st.Set("bytes", s.Bytes)
		st.Set("talks", s.Talks)
		st.Set("pictures", s.Pictures)
		st.Set("dropped", s.Dropped)
		if s.Format != "" {
			st.Set("format", s.Format)
		}
		if s.Path != "" {
			st.Set("path", s.Path)
		}
	}
	return (*C.GstStructure)(st.Pointer())
}
