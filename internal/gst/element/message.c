/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "message.h"

void
xp2p_post_problem (gpointer element, GstMessageType type, gint resource_error,
    gboolean has_code, gint code, const gchar *function, const gchar *text,
    const gchar *debug)
{
  GstStructure *details = NULL;

  if (has_code)
    details = gst_structure_new ("xp2p-error", "code", G_TYPE_INT, code, NULL);
  gst_element_message_full_with_details (element, type,
      GST_RESOURCE_ERROR, resource_error, g_strdup (text), g_strdup (debug),
      "xp2p", function, 0, details);
}

void
xp2p_post_structure (gpointer element, GstStructure *structure)
{
  gst_element_post_message (element,
      gst_message_new_element (GST_OBJECT (element), structure));
}

void
xp2p_post_progress (gpointer element, gint type, const gchar *code,
    const gchar *text)
{
  gst_element_post_message (element,
      gst_message_new_progress (GST_OBJECT (element), type, code, text));
}

void
xp2p_structure_set_string (GstStructure *s, const gchar *field, const gchar *value)
{
  gst_structure_set (s, field, G_TYPE_STRING, value, NULL);
}

void
xp2p_structure_set_int64 (GstStructure *s, const gchar *field, gint64 value)
{
  gst_structure_set (s, field, G_TYPE_INT64, value, NULL);
}

void
xp2p_structure_set_uint64 (GstStructure *s, const gchar *field, guint64 value)
{
  gst_structure_set (s, field, G_TYPE_UINT64, value, NULL);
}

void
xp2p_structure_set_int (GstStructure *s, const gchar *field, gint value)
{
  gst_structure_set (s, field, G_TYPE_INT, value, NULL);
}

void
xp2p_structure_set_double (GstStructure *s, const gchar *field, gdouble value)
{
  gst_structure_set (s, field, G_TYPE_DOUBLE, value, NULL);
}

void
xp2p_structure_set_boolean (GstStructure *s, const gchar *field, gboolean value)
{
  gst_structure_set (s, field, G_TYPE_BOOLEAN, value, NULL);
}
