/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sources of xp2pdemux: how tracks become pads with their streams, caps, segments and
 * tags, and what is pushed through them. What comes in is in demuxer.c. */

#include "sources.h"

#include <gst/pbutils/pbutils.h>

GST_DEBUG_CATEGORY_EXTERN (xp2pdemux_debug);
#define GST_CAT_DEFAULT xp2pdemux_debug

static GstStaticPadTemplate video_template = GST_STATIC_PAD_TEMPLATE ("video_%u",
    GST_PAD_SRC, GST_PAD_SOMETIMES,
    GST_STATIC_CAPS ("video/x-h264, stream-format=(string)avc, alignment=(string)au; "
        "video/x-h265, stream-format=(string)hvc1, alignment=(string)au"));

static GstStaticPadTemplate audio_template = GST_STATIC_PAD_TEMPLATE ("audio_%u",
    GST_PAD_SRC, GST_PAD_SOMETIMES,
    GST_STATIC_CAPS ("audio/mpeg, mpegversion=(int)4, stream-format=(string)raw, framed=(boolean)true; "
        "audio/mpeg, mpegversion=(int)1, layer=(int)3; audio/x-alaw; audio/x-mulaw; "
        "audio/x-raw, format=(string)S16LE, layout=(string)interleaved; audio/x-opus"));

void
xp2p_demux_add_source_templates (GstElementClass *klass)
{
  gst_element_class_add_static_pad_template (klass, &video_template);
  gst_element_class_add_static_pad_template (klass, &audio_template);
}

gboolean
xp2p_demux_push_event (Xp2pDemux *demux, GstEvent *event)
{
  gboolean ok = TRUE;

  for (gint i = 0; i < XP2P_SLOTS; i++)
    if (demux->tracks[i].pad)
      ok = gst_pad_push_event (demux->tracks[i].pad, gst_event_ref (event)) && ok;
  gst_event_unref (event);
  return ok;
}

/* What a source of the element is part of: the group of upstream's stream. */
static guint
group_of (Xp2pDemux *demux)
{
  GstPad *sink = gst_element_get_static_pad (demux->element, "sink");
  GstEvent *start = gst_pad_get_sticky_event (sink, GST_EVENT_STREAM_START, 0);

  if (start) {
    demux->have_group = gst_event_parse_group_id (start, &demux->group);
    gst_event_unref (start);
  } else if (!demux->have_group) {
    demux->have_group = TRUE;
    demux->group = gst_util_group_id_next ();
  }
  gst_object_unref (sink);
  return demux->group;
}

/* Tells the application and downstream which streams there are. */
static void
announce (Xp2pDemux *demux)
{
  GstStreamCollection *all = gst_stream_collection_new (NULL);

  for (gint i = 0; i < XP2P_SLOTS; i++)
    if (demux->tracks[i].stream)
      gst_stream_collection_add_stream (all, gst_object_ref (demux->tracks[i].stream));
  xp2p_demux_push_event (demux, gst_event_new_stream_collection (all));
  gst_element_post_message (demux->element,
      gst_message_new_stream_collection (GST_OBJECT (demux->element), all));
  gst_object_unref (all);
}

/* Adds to what is known of a track, and gives downstream all of it: a later tag event
 * takes the place of those before. Takes the tags. */
static void
tag_track (Track *track, GstTagList *tags)
{
  GstTagList *known = gst_stream_get_tags (track->stream);
  GstTagList *all = gst_tag_list_merge (known, tags, GST_TAG_MERGE_REPLACE);

  gst_stream_set_tags (track->stream, all);
  gst_pad_push_event (track->pad, gst_event_new_tag (all));
  g_clear_pointer (&known, gst_tag_list_unref);
  gst_tag_list_unref (tags);
}

static void
push_segment (Xp2pDemux *demux, GstPad *pad)
{
  GstEvent *event;

  if (demux->segment.format == GST_FORMAT_UNDEFINED)
    return;
  event = gst_event_new_segment (&demux->segment);
  gst_event_set_seqnum (event, demux->seqnum);
  gst_pad_push_event (pad, event);
}

void
xp2p_demux_add (Xp2pDemux *demux, gint slot, const Xp2pFormat *format)
{
  gboolean video = slot == XP2P_SLOT_VIDEO;
  Track *track = &demux->tracks[slot];
  GstCaps *caps = xp2p_demux_caps (format);
  GstEvent *event;
  gchar *name, *id;

  track->exposed = FALSE;
  if (!caps) {
    xp2p_demux_warn (demux, "no caps for a codec");
    return;
  }
  name = g_strdup_printf (video ? "video_%u" : "audio_%u", demux->made[slot]++);
  track->pad = gst_pad_new_from_static_template (video ? &video_template : &audio_template, name);
  gst_pad_use_fixed_caps (track->pad);
  gst_pad_set_active (track->pad, TRUE);
  GST_DEBUG_OBJECT (demux->element, "%s: %" GST_PTR_FORMAT, name, caps);

  id = gst_pad_create_stream_id (track->pad, demux->element, name);
  track->stream = gst_stream_new (id, caps,
      video ? GST_STREAM_TYPE_VIDEO : GST_STREAM_TYPE_AUDIO, GST_STREAM_FLAG_NONE);
  event = gst_event_new_stream_start (id);
  gst_event_set_group_id (event, group_of (demux));
  gst_event_set_stream (event, track->stream);
  gst_pad_push_event (track->pad, event);
  gst_pad_push_event (track->pad, gst_event_new_caps (caps));
  push_segment (demux, track->pad);

  gst_flow_combiner_add_pad (demux->flows, track->pad);
  gst_pad_push_event (track->pad, xp2p_demux_global_tags (demux->upstream, demux->encoder));
  tag_track (track, xp2p_demux_codec_tags (slot, caps));
  gst_caps_unref (caps);
  g_free (name);
  g_free (id);
}

void
xp2p_demux_expose (Xp2pDemux *demux)
{
  announce (demux);
  for (gint i = 0; i < XP2P_SLOTS; i++) {
    Track *track = &demux->tracks[i];

    if (!track->pad || track->exposed)
      continue;
    track->exposed = TRUE;
    gst_element_add_pad (demux->element, gst_object_ref (track->pad));
  }
}

void
xp2p_demux_change (Xp2pDemux *demux, gint slot, const Xp2pFormat *format)
{
  Track *track = &demux->tracks[slot];
  GstCaps *caps = xp2p_demux_caps (format);

  if (!track->pad || !caps) {
    g_clear_pointer (&caps, gst_caps_unref);
    return;
  }
  GST_DEBUG_OBJECT (track->pad, "now %" GST_PTR_FORMAT, caps);
  gst_stream_set_caps (track->stream, caps);
  gst_pad_push_event (track->pad, gst_event_new_caps (caps));
  tag_track (track, xp2p_demux_codec_tags (slot, caps));
  gst_caps_unref (caps);
}

/* Takes a source away. eos: downstream is to know that it ended. */
static void
remove_track (Xp2pDemux *demux, gint slot, gboolean eos)
{
  Track *track = &demux->tracks[slot];

  if (!track->pad)
    return;
  if (eos)
    gst_pad_push_event (track->pad, gst_event_new_eos ());
  gst_flow_combiner_remove_pad (demux->flows, track->pad);
  gst_pad_set_active (track->pad, FALSE);
  if (track->exposed)
    gst_element_remove_pad (demux->element, track->pad);
  g_clear_object (&track->pad);
  g_clear_object (&track->stream);
}

void
xp2p_demux_remove (Xp2pDemux *demux, gint slot)
{
  remove_track (demux, slot, TRUE);
}

void
xp2p_demux_segment (Xp2pDemux *demux, GstClockTime start, GstClockTime base)
{
  gst_segment_init (&demux->segment, GST_FORMAT_TIME);
  demux->segment.start = demux->segment.position = start;
  demux->segment.time = start;
  demux->segment.base = base;
  demux->seqnum = gst_util_seqnum_next ();
  for (gint i = 0; i < XP2P_SLOTS; i++)
    if (demux->tracks[i].pad)
      push_segment (demux, demux->tracks[i].pad);
}

GstFlowReturn
xp2p_demux_push (Xp2pDemux *demux, gint slot, gconstpointer data, gsize size,
    GstClockTime pts, GstClockTime dts, gboolean key, gboolean discont)
{
  Track *track = &demux->tracks[slot];
  GstBuffer *buffer;

  if (!track->pad)
    return GST_FLOW_OK;
  buffer = gst_buffer_new_allocate (NULL, size, NULL);
  if (!buffer) {
    GST_ELEMENT_ERROR (demux->element, RESOURCE, NO_SPACE_LEFT, (NULL),
        ("no memory for a unit of %" G_GSIZE_FORMAT " bytes", size));
    return GST_FLOW_ERROR;
  }
  gst_buffer_fill (buffer, 0, data, size);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DTS (buffer) = dts;
  if (!key)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if (discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  demux->segment.position = dts;
  return gst_flow_combiner_update_pad_flow (demux->flows, track->pad,
      gst_pad_push (track->pad, buffer));
}

void
xp2p_demux_gap (Xp2pDemux *demux, gint slot, GstClockTime at, GstClockTime length)
{
  if (demux->tracks[slot].pad)
    gst_pad_push_event (demux->tracks[slot].pad, gst_event_new_gap (at, length));
}

void
xp2p_demux_complete (Xp2pDemux *demux)
{
  gst_element_no_more_pads (demux->element);
}

void
xp2p_demux_bitrate (Xp2pDemux *demux, gint slot, guint bits_per_second)
{
  if (demux->tracks[slot].pad)
    tag_track (&demux->tracks[slot],
        gst_tag_list_new (GST_TAG_NOMINAL_BITRATE, bits_per_second, NULL));
}

void
xp2p_demux_encoder (Xp2pDemux *demux, const gchar *name)
{
  if (g_strcmp0 (name, demux->encoder) == 0)
    return;
  g_free (demux->encoder);
  demux->encoder = g_strdup (name);
  xp2p_demux_push_event (demux, xp2p_demux_global_tags (demux->upstream, demux->encoder));
}

/* What upstream says of the whole stream is kept for tracks that come later. */
gboolean
xp2p_demux_upstream_tags (Xp2pDemux *demux, GstEvent *event)
{
  GstTagList *tags;

  gst_event_parse_tag (event, &tags);
  if (gst_tag_list_get_scope (tags) != GST_TAG_SCOPE_GLOBAL)
    return xp2p_demux_push_event (demux, event);
  g_clear_pointer (&demux->upstream, gst_tag_list_unref);
  demux->upstream = gst_tag_list_ref (tags);
  gst_event_unref (event);
  xp2p_demux_push_event (demux, xp2p_demux_global_tags (demux->upstream, demux->encoder));
  return TRUE;
}

void
xp2p_demux_clear (Xp2pDemux *demux)
{
  for (gint i = 0; i < XP2P_SLOTS; i++) {
    remove_track (demux, i, FALSE);
    demux->made[i] = 0;
  }
  gst_flow_combiner_clear (demux->flows);
  gst_segment_init (&demux->segment, GST_FORMAT_UNDEFINED);
  demux->have_group = FALSE;
  g_clear_pointer (&demux->upstream, gst_tag_list_unref);
  g_clear_pointer (&demux->encoder, g_free);
}
