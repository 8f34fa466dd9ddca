// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// iceLog lets pion's agents log through ours. What pion calls a warning is the
// daily life of ICE (checks that fail, responses that come late), so everything
// below an error is debug to us.
type iceLog struct{ log *slog.Logger }

func (f iceLog) NewLogger(scope string) logging.LeveledLogger {
	return iceLogger{f.log.With("scope", scope)}
}

type iceLogger struct{ log *slog.Logger }

func (l iceLogger) print(level slog.Level, format string, args ...any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, fmt.Sprintf(format, args...))
	}
}

func (l iceLogger) Trace(string)                 {}
func (l iceLogger) Tracef(string, ...any)        {}
func (l iceLogger) Debug(m string)               { l.print(slog.LevelDebug, "%s", m) }
func (l iceLogger) Debugf(f string, args ...any) { l.print(slog.LevelDebug, f, args...) }
func (l iceLogger) Info(m string)                { l.print(slog.LevelDebug, "%s", m) }
func (l iceLogger) Infof(f string, args ...any)  { l.print(slog.LevelDebug, f, args...) }
func (l iceLogger) Warn(m string)                { l.print(slog.LevelDebug, "%s", m) }
func (l iceLogger) Warnf(f string, args ...any)  { l.print(slog.LevelDebug, f, args...) }
func (l iceLogger) Error(m string)               { l.print(slog.LevelWarn, "%s", m) }
func (l iceLogger) Errorf(f string, args ...any) { l.print(slog.LevelWarn, f, args...) }
