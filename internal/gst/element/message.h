/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an element tells the application. */

#pragma once

#include <gst/gst.h>

/* Posts a message of type, GST_MESSAGE_ERROR or GST_MESSAGE_WARNING, of the RESOURCE
 * domain, with the X-P2P code in its details where has_code is set. function is where it
 * happened, for the debug text. */
void xp2p_post_problem (gpointer element, GstMessageType type, gint resource_error,
    gboolean has_code, gint code, const gchar *function, const gchar *text,
    const gchar *debug);

/* Posts structure, which it takes. */
void xp2p_post_progress (gpointer element, gint type, const gchar *code,
    const gchar *text);
void xp2p_post_structure (gpointer element, GstStructure *structure);

void xp2p_structure_set_string (GstStructure *s, const gchar *field, const gchar *value);
void xp2p_structure_set_int64 (GstStructure *s, const gchar *field, gint64 value);
void xp2p_structure_set_uint64 (GstStructure *s, const gchar *field, guint64 value);
void xp2p_structure_set_int (GstStructure *s, const gchar *field, gint value);
void xp2p_structure_set_double (GstStructure *s, const gchar *field, gdouble value);
void xp2p_structure_set_boolean (GstStructure *s, const gchar *field, gboolean value);
