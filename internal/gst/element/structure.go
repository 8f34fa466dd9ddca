// SPDX-License-Identifier: LGPL-2.1-or-later

package element

/*
#include <stdlib.h>
#include "message.h"
*/
import "C"

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"unsafe"
)

// Structure is a GstStructure in the making.
type Structure struct{ c *C.GstStructure }

// NewStructure makes an empty one. Whoever takes it from Pointer frees it.
func NewStructure(name string) Structure {
	n := cString(name)
	defer C.free(unsafe.Pointer(n))
	return Structure{C.gst_structure_new_empty(n)}
}

// Pointer is the *GstStructure.
func (s Structure) Pointer() unsafe.Pointer { return unsafe.Pointer(s.c) }

// Set sets a field to a value of one of the types below; another is written as
// its JSON text.
func (s Structure) Set(field string, value any) {
	f := cString(field)
	defer C.free(unsafe.Pointer(f))
	switch v := value.(type) {
	case nil:
	case string:
		c := cString(v)
		defer C.free(unsafe.Pointer(c))
		C.xp2p_structure_set_string(s.c, f, c)
	case bool:
		b := C.gboolean(0)
		if v {
			b = 1
		}
		C.xp2p_structure_set_boolean(s.c, f, b)
	case uint64:
		C.xp2p_structure_set_uint64(s.c, f, C.guint64(v))
	case int:
		s.setInteger(f, int64(v))
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			s.setInteger(f, int64(v))
		} else {
			C.xp2p_structure_set_double(s.c, f, C.gdouble(v))
		}
	default:
		if b, err := json.Marshal(v); err == nil {
			s.Set(field, string(b))
		}
	}
}

// SetDouble sets a field that is a gdouble also where its value is whole.
func (s Structure) SetDouble(field string, v float64) {
	f := cString(field)
	defer C.free(unsafe.Pointer(f))
	C.xp2p_structure_set_double(s.c, f, C.gdouble(v))
}

// SetInt64 sets a field that is a gint64 also where its value is small.
func (s Structure) SetInt64(field string, v int64) {
	f := cString(field)
	defer C.free(unsafe.Pointer(f))
	C.xp2p_structure_set_int64(s.c, f, C.gint64(v))
}

// setInteger prefers a gint, which is what programs look for.
func (s Structure) setInteger(f *C.gchar, v int64) {
	if v >= math.MinInt32 && v <= math.MaxInt32 {
		C.xp2p_structure_set_int(s.c, f, C.gint(v))
	} else {
		C.xp2p_structure_set_int64(s.c, f, C.gint64(v))
	}
}

// SetAll sets a field for each member of v's JSON object; v that is no object
// becomes the field "detail".
func (s Structure) SetAll(v any) {
	b, err := json.Marshal(v)
	if err != nil || v == nil {
		return
	}
	var object map[string]any
	if json.Unmarshal(b, &object) != nil {
		s.Set("detail", v)
		return
	}
	for _, k := range slices.Sorted(maps.Keys(object)) {
		s.Set(k, object[k])
	}
}

// cString is a C string of valid UTF-8 without a NUL inside, as GLib wants it.
func cString(s string) *C.gchar {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
	return (*C.gchar)(C.CString(s))
}
