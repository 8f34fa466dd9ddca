// SPDX-License-Identifier: LGPL-2.1-or-later

package element

/*
#cgo pkg-config: gstreamer-1.0
#include <stdlib.h>
#include "log.h"
*/
import "C"

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"unsafe"
)

// Logger writes what the parts below say into GStreamer's log, category "xp2p":
// GST_DEBUG=xp2p:5.
var Logger = slog.New(&gstHandler{})

// InitLog makes the category known. Each element calls it when it registers.
func InitLog() { C.xp2p_log_init() }

// gstHandler is a slog.Handler. Its text is that of slog's own text handler,
// without time and level, which GStreamer writes itself.
type gstHandler struct {
	with []func(slog.Handler) slog.Handler
}

func gstLevel(l slog.Level) C.gint {
	switch {
	case l >= slog.LevelError:
		return C.GST_LEVEL_ERROR
	case l >= slog.LevelWarn:
		return C.GST_LEVEL_WARNING
	case l >= slog.LevelInfo:
		return C.GST_LEVEL_INFO
	}
	return C.GST_LEVEL_DEBUG
}

func (h *gstHandler) Enabled(_ context.Context, l slog.Level) bool {
	return C.xp2p_log_enabled(gstLevel(l)) != 0
}

func (h *gstHandler) Handle(ctx context.Context, r slog.Record) error {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	var t slog.Handler = slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutPreamble})
	for _, w := range h.with {
		t = w(t)
	}
	if err := t.Handle(ctx, r); err != nil {
		return err
	}
	frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
	text := cString(string(bytes.TrimSpace(b.Bytes())))
	file, function := cString(filepath.Base(frame.File)), cString(filepath.Base(frame.Function))
	defer C.free(unsafe.Pointer(text))
	defer C.free(unsafe.Pointer(file))
	defer C.free(unsafe.Pointer(function))
	C.xp2p_log(gstLevel(r.Level), file, function, C.gint(frame.Line), text)
	return nil
}

func (h *gstHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return h.plus(func(t slog.Handler) slog.Handler { return t.WithAttrs(a) })
}

func (h *gstHandler) WithGroup(name string) slog.Handler {
	return h.plus(func(t slog.Handler) slog.Handler { return t.WithGroup(name) })
}

func (h *gstHandler) plus(w func(slog.Handler) slog.Handler) slog.Handler {
	return &gstHandler{with: append(h.with[:len(h.with):len(h.with)], w)}
}

func withoutPreamble(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
