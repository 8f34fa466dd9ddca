/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source.h"

void
xp2p_src_tag (gpointer src, const gchar *title, gint64 at)
{
  GstTagList *tags = gst_tag_list_new_empty ();

  gst_tag_list_set_scope (tags, GST_TAG_SCOPE_GLOBAL);
  if (title)
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_TITLE, title, NULL);
  if (at >= 0) {
    GDateTime *utc = g_date_time_new_from_unix_utc (at / G_USEC_PER_SEC);

    if (utc) { /* years beyond 9999 have none */
      GstDateTime *date = gst_date_time_new_from_g_date_time (utc); /* takes it */

      gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_DATE_TIME, date, NULL);
      gst_date_time_unref (date);
    }
  }
  if (gst_tag_list_is_empty (tags)) {
    gst_tag_list_unref (tags);
    return;
  }
  /* The base class keeps it until behind the segment. */
  gst_element_send_event (src, gst_event_new_tag (tags));
}
