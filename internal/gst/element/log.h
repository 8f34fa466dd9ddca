/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The category "xp2p" of GStreamer's log. */

#pragma once

#include <gst/gst.h>

void xp2p_log_init (void);
gboolean xp2p_log_enabled (gint level);
void xp2p_log (gint level, const gchar *file, const gchar *function, gint line,
    const gchar *text);
