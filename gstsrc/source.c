/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source.h"

#include "_cgo_export.h"

GST_DEBUG_CATEGORY_STATIC (xp2psrc_debug);
#define GST_CAT_DEFAULT xp2psrc_debug

/* A download gives a file of any kind, every other stream is FLV: get_caps. */
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticCaps flv_caps = GST_STATIC_CAPS ("video/x-flv");

static GstPushSrcClass *parent_class;

/* Class functions */

static gboolean
start (GstBaseSrc *src)
{
  return xp2pSrcStart (src);
}

static gboolean
stop (GstBaseSrc *src)
{
  return xp2pSrcStop (src);
}

static gboolean
unlock (GstBaseSrc *src)
{
  xp2pSrcUnlock (src, TRUE);
  return TRUE;
}

static gboolean
unlock_stop (GstBaseSrc *src)
{
  xp2pSrcUnlock (src, FALSE);
  return TRUE;
}

static GstFlowReturn
create (GstPushSrc *src, GstBuffer **buffer)
{
  GstFlowReturn ret;

  while ((ret = xp2pSrcCreate (src, buffer)) == XP2P_FLOW_PAUSED) {
    ret = gst_base_src_wait_playing (GST_BASE_SRC (src));
    if (ret != GST_FLOW_OK)
      break;
  }
  return ret;
}

static GstCaps *
get_caps (GstBaseSrc *src, GstCaps *filter)
{
  GstCaps *caps, *some;

  if (xp2pSrcMode (src) == XP2P_MODE_DOWNLOAD)
    return filter ? gst_caps_ref (filter) : gst_caps_new_any ();
  caps = gst_static_caps_get (&flv_caps);
  if (!filter)
    return caps;
  some = gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (caps);
  return some;
}

/* What kind of source it is depends on the stream that is asked for. */
static void
become (GstBaseSrc *src, gint mode)
{
  gst_base_src_set_live (src, mode == XP2P_MODE_LIVE);
  gst_base_src_set_format (src,
      mode == XP2P_MODE_DOWNLOAD ? GST_FORMAT_BYTES : GST_FORMAT_TIME);
}

/* The base class wakes a create only to end the stream, not for a pause. This
 * source gives a live stream up while it is paused, so that the camera sends none,
 * and has a playback paused by the camera. */
static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_NULL_TO_READY
      || transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    become (GST_BASE_SRC (element), xp2pSrcMode (element));
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING)
    xp2pSrcPause (element, FALSE);
  ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    xp2pSrcPause (element, TRUE);
  return ret;
}

static gboolean
query (GstBaseSrc *src, GstQuery *query)
{
  GstSchedulingFlags flags = GST_SCHEDULING_FLAG_SEQUENTIAL;
  gboolean live = gst_base_src_is_live (src);

  if (xp2p_src_time_query (src, query))
    return TRUE;
  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_LATENCY:
      gst_query_set_latency (query, live,
          live ? xp2pSrcGetNumber (src, XP2P_PROP_LATENCY) * GST_MSECOND : 0,
          GST_CLOCK_TIME_NONE);
      return TRUE;
    case GST_QUERY_SCHEDULING:
      if (!live)
        flags |= GST_SCHEDULING_FLAG_SEEKABLE;
      /* Players fill buffers of seconds for this, and pause meanwhile. A camera paces
       * its playback, and what is live must not be paused. */
      if (xp2pSrcMode (src) == XP2P_MODE_DOWNLOAD)
        flags |= GST_SCHEDULING_FLAG_BANDWIDTH_LIMITED;
      gst_query_set_scheduling (query, flags, 1, -1, 0);
      gst_query_add_scheduling_mode (query, GST_PAD_MODE_PUSH);
      return TRUE;
    default:
      return GST_BASE_SRC_CLASS (parent_class)->query (src, query);
  }
}

static gboolean
event (GstBaseSrc *src, GstEvent *event)
{
  GstEvent *seek;
  gboolean ok;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_SEEK:
      seek = xp2p_src_absolute_seek (src, event);
      if (!seek)
        return FALSE;
      ok = GST_BASE_SRC_CLASS (parent_class)->event (src, seek);
      gst_event_unref (seek);
      return ok;
    case GST_EVENT_CUSTOM_UPSTREAM: /* as encoders are asked for a key frame (gstvideo) */
      if (gst_event_has_name (event, "GstForceKeyUnit")) {
        xp2pSrcForceKeyFrame (src);
        return TRUE;
      }
      break;
    default:
      break;
  }
  return GST_BASE_SRC_CLASS (parent_class)->event (src, event);
}

/* Takes the event. What comes here and not by the pad does not get to event. */
static gboolean
send_event (GstElement *element, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_SEEK) {
    GstEvent *seek = xp2p_src_absolute_seek (GST_BASE_SRC (element), event);

    gst_event_unref (event);
    if (!seek)
      return FALSE;
    event = seek;
  }
  return GST_ELEMENT_CLASS (parent_class)->send_event (element, event);
}

void
xp2p_src_class_init (gpointer klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  GstBaseSrcClass *base = GST_BASE_SRC_CLASS (klass);

  parent_class = g_type_class_peek_parent (klass);

  object->set_property = xp2p_src_set_property;
  object->get_property = xp2p_src_get_property;
  xp2p_src_install_properties (object);
  xp2p_src_install_signals (klass);

  gst_element_class_set_static_metadata (element, "X-P2P camera source",
      "Source/Network/Video/Audio",
      "Receives a camera's live pictures, recordings and files peer to peer through any NAT",
      "The xp2p project, https://github.com/xp2p/xp2p");
  gst_element_class_add_static_pad_template (element, &src_template);

  element->change_state = change_state;
  element->send_event = send_event;
  base->start = start;
  base->stop = stop;
  base->unlock = unlock;
  base->unlock_stop = unlock_stop;
  base->get_caps = get_caps;
  base->query = query;
  base->event = event;
  xp2p_src_install_seeking (base);
  GST_PUSH_SRC_CLASS (klass)->create = create;
}

void
xp2p_src_instance_init (gpointer instance)
{
  become (instance, XP2P_MODE_LIVE);
}

/* Registration */

void
xp2p_src_init_debug (void)
{
  GST_DEBUG_CATEGORY_INIT (xp2psrc_debug, "xp2psrc", 0, "X-P2P camera source");
}

gboolean
xp2p_src_register (gpointer plugin, GType type)
{
  return gst_element_register (plugin, "xp2psrc", GST_RANK_PRIMARY, type);
}

/* Buffers and time */

void
xp2p_src_restart_clock (gpointer src, GstClockTime at)
{
  GstClockTime now = gst_element_get_current_running_time (src);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.position = at;
  /* A camera sends its last seconds at once, so its media can be ahead of the
   * clock by a little; running time cannot begin before 0. */
  if (GST_CLOCK_TIME_IS_VALID (now) && now > at)
    segment.base = now - at;
  GST_DEBUG_OBJECT (src, "media time %" GST_TIME_FORMAT " is running time %"
      GST_TIME_FORMAT, GST_TIME_ARGS (at), GST_TIME_ARGS (now));
  gst_base_src_new_segment (src, &segment);
}

void
xp2p_src_place (gpointer src, GstClockTime start, GstClockTime stop,
    GstClockTime time, GstClockTime base, gdouble applied_rate)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.flags = GST_BASE_SRC (src)->segment.flags;
  segment.applied_rate = applied_rate;
  segment.start = segment.position = start;
  segment.stop = stop;
  segment.time = time;
  segment.base = base;
  GST_DEBUG_OBJECT (src, "playback: %" GST_SEGMENT_FORMAT, &segment);
  gst_base_src_new_segment (src, &segment);
}

GstBuffer *
xp2p_buffer_new (gsize size, GstMapInfo *map)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);

  if (buffer && !gst_buffer_map (buffer, map, GST_MAP_WRITE)) {
    gst_buffer_unref (buffer);
    buffer = NULL;
  }
  return buffer;
}

static void
release (gpointer handle)
{
  xp2pSrcRelease ((guintptr) handle);
}

/* Data belongs to Go, which keeps it where it is until the handle is released. */
GstBuffer *
xp2p_buffer_wrap (gpointer data, gsize size, guintptr handle)
{
  return gst_buffer_new_wrapped_full (0, data, size, 0, size,
      (gpointer) handle, release);
}

void
xp2p_buffer_finish (GstBuffer *buffer, gsize size, GstClockTime at,
    guint64 offset, gboolean header, gboolean discont)
{
  GST_BUFFER_OFFSET (buffer) = offset;
  if (offset != GST_BUFFER_OFFSET_NONE)
    GST_BUFFER_OFFSET_END (buffer) = offset + size;
  GST_BUFFER_PTS (buffer) = at;
  GST_BUFFER_DTS (buffer) = at;
  if (header)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_HEADER);
  if (discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
}
