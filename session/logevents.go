// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// logTee makes log events (reference/xp2p.md §2, "Events") of what goes to a log.
// What the receiver of the events itself brings about must not be logged through it.
type logTee struct {
	log  slog.Handler // the log itself
	text slog.Handler // formats into line
	line *logLine
	min  slog.Leveler
	emit func(subtype, line string)
}

// logLine is shared by the handlers that With and WithGroup derive.
type logLine struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// teeLogs returns a logger that writes to log and, from the level min on, gives each
// line to emit; log itself where min is nil.
func teeLogs(log *slog.Logger, min slog.Leveler, emit func(subtype, line string)) *slog.Logger {
	if min == nil {
		return log
	}
	l := &logLine{}
	text := slog.NewTextHandler(&l.b, &slog.HandlerOptions{Level: min, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{} // the event says when and how bad
		}
		return a
	}})
	return slog.New(&logTee{log: log.Handler(), text: text, line: l, min: min, emit: emit})
}

func (t *logTee) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= t.min.Level() || t.log.Enabled(ctx, l)
}

func (t *logTee) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= t.min.Level() {
		t.line.mu.Lock()
		t.line.b.Reset()
		err := t.text.Handle(ctx, r)
		s := strings.TrimSuffix(t.line.b.String(), "\n")
		t.line.mu.Unlock()
		if err == nil {
			t.emit(logSubtype(r.Level), s)
		}
	}
	if t.log.Enabled(ctx, r.Level) {
		return t.log.Handle(ctx, r)
	}
	return nil
}

func (t *logTee) WithAttrs(as []slog.Attr) slog.Handler {
	c := *t
	c.log, c.text = t.log.WithAttrs(as), t.text.WithAttrs(as)
	return &c
}

func (t *logTee) WithGroup(name string) slog.Handler {
	c := *t
	c.log, c.text = t.log.WithGroup(name), t.text.WithGroup(name)
	return &c
}

func logSubtype(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return LogDebug
	case l < slog.LevelWarn:
		return LogInfo
	case l < slog.LevelError:
		return LogWarn
	}
	return LogError
}
