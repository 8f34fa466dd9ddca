// SPDX-License-Identifier: LGPL-2.1-or-later

package element

/*
#include <stdlib.h>
#include "message.h"
*/
import "C"

import (
	"unsafe"

	"github.com/xp2p/xp2p/session"
)

// EventName is the structure's name of the element messages that carry events.
const EventName = "xp2p-event"

// PostEvent tells the application of an event (reference/xp2p.md §2, "Events").
// Besides id, event and subtype, the message has the fields of the detail.
// element is a *GstElement.
func PostEvent(element unsafe.Pointer, e session.Event) {
	s := NewStructure(EventName)
	s.SetAll(e.Detail)
	if e.Service != "" {
		s.Set("id", e.Service)
	}
	s.Set("event", string(e.Kind))
	s.Set("subtype", e.Subtype)
	C.xp2p_post_structure(C.gpointer(element), s.c)
}

// PostError tells the application that the element cannot go on; function is what it
// was about, for the debug text.
func PostError(element unsafe.Pointer, function string, p Problem) {
	post(element, C.GST_MESSAGE_ERROR, function, p)
}

// PostWarning tells the application of what the element goes on from.
func PostWarning(element unsafe.Pointer, function string, p Problem) {
	post(element, C.GST_MESSAGE_WARNING, function, p)
}

func post(element unsafe.Pointer, kind C.GstMessageType, function string, p Problem) {
	f, text, debug := cString(function), cString(p.Text), cString(p.Debug)
	defer C.free(unsafe.Pointer(f))
	defer C.free(unsafe.Pointer(text))
	defer C.free(unsafe.Pointer(debug))
	has := C.gboolean(0)
	if p.Coded {
		has = 1
	}
	C.xp2p_post_problem(C.gpointer(element), kind, C.gint(p.Kind), has, C.gint(p.Code), f, text, debug)
}

// Progress is how far something is (GstProgressType).
type Progress int

const (
	ProgressStart    Progress = C.GST_PROGRESS_TYPE_START
	ProgressContinue Progress = C.GST_PROGRESS_TYPE_CONTINUE
	ProgressComplete Progress = C.GST_PROGRESS_TYPE_COMPLETE
	ProgressError    Progress = C.GST_PROGRESS_TYPE_ERROR
)

// PostProgress tells the application how far something is: code is its name for
// programs, text that for people.
func PostProgress(element unsafe.Pointer, p Progress, code, text string) {
	c, t := cString(code), cString(text)
	defer C.free(unsafe.Pointer(c))
	defer C.free(unsafe.Pointer(t))
	C.xp2p_post_progress(C.gpointer(element), C.gint(p), c, t)
}

// PostStructure tells the application something in an element message, and takes s.
func PostStructure(element unsafe.Pointer, s Structure) {
	C.xp2p_post_structure(C.gpointer(element), s.c)
}
