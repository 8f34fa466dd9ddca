// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

/*
#include <stdlib.h>
#include "source.h"
*/
import "C"

import (
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/internal/gst/target"
)

// tag gives the stream the tags that do not depend on what is in it: title, the
// camera's name, and of a playback date-time, its start.
func tag(src C.gpointer, t target.Target, o receiver.Options) {
	var title *C.gchar
	if t.Product != "" && utf8.ValidString(t.Name()) && !strings.ContainsRune(t.Name(), 0) {
		s := C.CString(t.Name())
		defer C.free(unsafe.Pointer(s))
		title = (*C.gchar)(s)
	}
	at := C.gint64(-1)
	if o.Mode == receiver.Playback {
		at = C.gint64(o.Start.UnixMicro())
	}
	C.xp2p_src_tag(src, title, at)
}
