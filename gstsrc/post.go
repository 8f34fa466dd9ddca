// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

/*
#include <stdlib.h>
#include "message.h"
*/
import "C"

import (
	"unsafe"

	"github.com/xp2p/xp2p/session"
)

// eventName is the structure's name of the element messages that carry events.
const eventName = "xp2p-event"

// postEvent tells the application of an event (reference/xp2p.md §2, "Events").
// Besides id, event and subtype, the message has the fields of the detail.
func postEvent(element unsafe.Pointer, e session.Event) {
	s := newStructure(eventName)
	s.setAll(e.Detail)
	if e.Service != "" {
		s.set("id", e.Service)
	}
	s.set("event", string(e.Kind))
	s.set("subtype", e.Subtype)
	C.xp2p_post_structure(C.gpointer(element), s.c)
}

// postError tells the application that the element cannot go on.
func postError(element unsafe.Pointer, err error) {
	p := describe(err)
	text, debug := cString(p.text), cString(p.debug)
	defer C.free(unsafe.Pointer(text))
	defer C.free(unsafe.Pointer(debug))
	has := C.gboolean(0)
	if p.coded {
		has = 1
	}
	C.xp2p_post_error(C.gpointer(element), C.gint(p.kind), has, C.gint(p.code), text, debug)
}
