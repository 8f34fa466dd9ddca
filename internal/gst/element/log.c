/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log.h"

static GstDebugCategory *category;

void
xp2p_log_init (void)
{
  if (!category)
    category = _gst_debug_category_new ("xp2p", 0, "X-P2P: links, rendezvous, sessions");
}

gboolean
xp2p_log_enabled (gint level)
{
  return category && level <= _gst_debug_min
      && level <= (gint) gst_debug_category_get_threshold (category);
}

void
xp2p_log (gint level, const gchar *file, const gchar *function, gint line,
    const gchar *text)
{
  gst_debug_log_literal (category, level, file, function, line, NULL, text);
}
