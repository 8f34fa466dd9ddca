/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pad for the pictures of a video call. GstBaseSink has one pad, which the sound
 * has: preroll, the clock and EOS are its. The pictures go with it (internal/talker), so
 * that this pad needs no more than its own segment. */

#include "sink.h"

#include "_cgo_export.h"

static GstStaticPadTemplate video_template = GST_STATIC_PAD_TEMPLATE ("video",
    GST_PAD_SINK, GST_PAD_REQUEST,
    GST_STATIC_CAPS ("video/x-h264, stream-format=(string)avc, alignment=(string)au"));

/* The segment of a pad, freed with it. */
#define SEGMENT "xp2p-segment"

static gboolean
set_caps (GstElement *sink, GstCaps *caps)
{
  const GValue *value = gst_structure_get_value (gst_caps_get_structure (caps, 0), "codec_data");
  GstBuffer *config = value && GST_VALUE_HOLDS_BUFFER (value) ? gst_value_get_buffer (value) : NULL;
  GstMapInfo map = GST_MAP_INFO_INIT;

  if (!config || !gst_buffer_map (config, &map, GST_MAP_READ) || map.size < 7) {
    if (map.memory)
      gst_buffer_unmap (config, &map);
    GST_ELEMENT_ERROR (sink, STREAM, FORMAT,
        ("The H.264 has no configuration. Put h264parse in front of the pad video of xp2psink."),
        ("no codec_data in %" GST_PTR_FORMAT, caps));
    return FALSE;
  }
  xp2pSinkPictureFormat (sink, map.data, map.size);
  gst_buffer_unmap (config, &map);
  return TRUE;
}

/* A running time, which may be before 0: encoders decode before they show. */
static gboolean
running_time (const GstSegment *segment, GstClockTime at, gint64 *time)
{
  guint64 t;
  gint sign;

  if (segment->format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID (at))
    return FALSE;
  sign = gst_segment_to_running_time_full (segment, GST_FORMAT_TIME, at, &t);
  *time = sign < 0 ? -(gint64) t : (gint64) t;
  return sign != 0;
}

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  const GstSegment *segment = g_object_get_data (G_OBJECT (pad), SEGMENT);
  gboolean key = !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  GstMapInfo map;
  GstFlowReturn ret;
  gint64 pts, dts;
  gboolean shown = running_time (segment, GST_BUFFER_PTS (buffer), &pts);
  gboolean want_key = FALSE;

  if (!running_time (segment, GST_BUFFER_DTS (buffer), &dts)) {
    dts = pts;
    if (!shown) {
      gst_buffer_unref (buffer);
      GST_ELEMENT_ERROR (parent, STREAM, FORMAT,
          ("The pictures have no time. xp2psink needs them stamped, with a segment in time."), (NULL));
      return GST_FLOW_ERROR;
    }
  }
  if (!gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    gst_buffer_unref (buffer);
    GST_ELEMENT_ERROR (parent, RESOURCE, READ, (NULL), ("a buffer cannot be read"));
    return GST_FLOW_ERROR;
  }
  ret = xp2pSinkPicture (parent, map.data, map.size, dts, shown ? pts - dts : 0, key, &want_key);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  if (want_key) /* as gst_video_event_new_upstream_force_key_unit makes it */
    gst_pad_push_event (pad, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
            gst_structure_new ("GstForceKeyUnit", "running-time", GST_TYPE_CLOCK_TIME,
                GST_CLOCK_TIME_NONE, "all-headers", G_TYPE_BOOLEAN, TRUE,
                "count", G_TYPE_UINT, 0, NULL)));
  return ret;
}

static gboolean
pad_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSegment *segment = g_object_get_data (G_OBJECT (pad), SEGMENT);
  gboolean ok = TRUE;
  GstCaps *caps;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CAPS:
      gst_event_parse_caps (event, &caps);
      ok = set_caps (GST_ELEMENT (parent), caps);
      break;
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment (event, segment);
      break;
    case GST_EVENT_FLUSH_START:
      xp2pSinkFlushPictures (parent, TRUE);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_segment_init (segment, GST_FORMAT_UNDEFINED);
      xp2pSinkFlushPictures (parent, FALSE);
      break;
    case GST_EVENT_EOS:
      ok = xp2pSinkEndPictures (parent) == GST_FLOW_OK;
      break;
    default:
      break;
  }
  gst_event_unref (event);
  return ok;
}

GstPad *
xp2p_sink_request_pad (GstElement *element, GstPadTemplate *template, const gchar *name,
    const GstCaps *caps)
{
  GstPad *pad = gst_element_get_static_pad (element, "video");

  if (pad) {
    gst_object_unref (pad);
    return NULL; /* there is one */
  }
  pad = gst_pad_new_from_template (template, "video");
  g_object_set_data_full (G_OBJECT (pad), SEGMENT, gst_segment_new (), (GDestroyNotify) gst_segment_free);
  gst_pad_set_chain_function (pad, chain);
  gst_pad_set_event_function (pad, pad_event);
  xp2pSinkOpenPictures (element, TRUE);
  if (!gst_element_add_pad (element, pad)) {
    xp2pSinkOpenPictures (element, FALSE);
    return NULL;
  }
  return pad;
}

void
xp2p_sink_release_pad (GstElement *element, GstPad *pad)
{
  xp2pSinkFlushPictures (element, TRUE); /* nobody waits in it */
  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
  xp2pSinkFlushPictures (element, FALSE);
  xp2pSinkOpenPictures (element, FALSE);
}

/* The pictures have the sound's time, and its preroll. */
gboolean
xp2p_sink_check_pads (GstElement *element)
{
  GstPad *video = gst_element_get_static_pad (element, "video");
  gboolean ok = !video || gst_pad_is_linked (GST_BASE_SINK_PAD (element));

  if (!ok)
    GST_ELEMENT_ERROR (element, CORE, PAD,
        ("There are pictures without sound. A video call needs both: link the pad sink, "
            "for example with audiotestsrc wave=silence is-live=true."), (NULL));
  g_clear_object (&video);
  return ok;
}

/* The base class answers for the sound, as live where it syncs. A call needs what its
 * slowest branch needs and has what its shortest queues hold, as GstAggregator and GstBin
 * fold it; a branch that is not live, or cannot say yet, asks for nothing. */
gboolean
xp2p_sink_add_latency (GstElement *element, GstQuery *query)
{
  GstPad *video = gst_element_get_static_pad (element, "video");
  GstQuery *ask;
  GstClockTime min, max, video_min, video_max;
  gboolean live, video_live;

  if (!video)
    return TRUE;
  ask = gst_query_new_latency ();
  if (gst_pad_peer_query (video, ask)) {
    gst_query_parse_latency (query, &live, &min, &max);
    gst_query_parse_latency (ask, &video_live, &video_min, &video_max);
    if (live && video_live) {
      video_min += gst_base_sink_get_processing_deadline (GST_BASE_SINK (element));
      /* NONE is the largest. */
      gst_query_set_latency (query, TRUE, MAX (min, video_min), MIN (max, video_max));
    }
  }
  gst_query_unref (ask);
  gst_object_unref (video);
  return TRUE;
}

gboolean
xp2p_sink_push_latency (GstElement *element, GstEvent *event)
{
  GstPad *video = gst_element_get_static_pad (element, "video");
  gboolean ok = TRUE;

  if (video) {
    ok = gst_pad_push_event (video, gst_event_ref (event));
    gst_object_unref (video);
  }
  return ok;
}

void
xp2p_sink_add_video_template (GstElementClass *klass)
{
  gst_element_class_add_static_pad_template (klass, &video_template);
}
