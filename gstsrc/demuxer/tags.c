/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "demuxer.h"

#include <gst/pbutils/pbutils.h>

GstTagList *
xp2p_demux_codec_tags (gint slot, GstCaps *caps)
{
  GstTagList *tags = gst_tag_list_new_empty ();

  gst_pb_utils_add_codec_description_to_tag_list (tags,
      slot == XP2P_SLOT_VIDEO ? GST_TAG_VIDEO_CODEC : GST_TAG_AUDIO_CODEC, caps);
  return tags;
}

/* What holds for all tracks: what upstream says, and FLV's own below it. */
GstEvent *
xp2p_demux_global_tags (const GstTagList *upstream, const gchar *encoder)
{
  GstTagList *tags = upstream ? gst_tag_list_copy (upstream) : gst_tag_list_new_empty ();
  GstCaps *flv = gst_caps_new_empty_simple ("video/x-flv");
  gchar *format = gst_pb_utils_get_codec_description (flv);

  gst_tag_list_set_scope (tags, GST_TAG_SCOPE_GLOBAL);
  if (format)
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_CONTAINER_FORMAT, format, NULL);
  if (encoder)
    gst_tag_list_add (tags, GST_TAG_MERGE_KEEP, GST_TAG_ENCODER, encoder, NULL);
  g_free (format);
  gst_caps_unref (flv);
  return gst_event_new_tag (tags);
}
